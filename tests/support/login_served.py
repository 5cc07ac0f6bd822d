"""An app behind logins, under uvicorn with two workers, as users run it; every request answers who the caller is, and which worker it met.

python -m tests.support.login_served PORT CONFIGURATION
"""

from __future__ import annotations

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

from mockforge_asgi import MockForge
from mockforge_asgi.types import Receive, Scope, Send
from tests.support.server_processes import Running

PORT = "LOGIN_SERVED_PORT"
FILE = "LOGIN_SERVED_FILE"


def configuration(folder: Path, plugin: str, config: dict[str, Any], secrets: dict[str, str]) -> Path:
    """A file of that plugin, called `auth`, with state that workers share; `PORT` in it stands for the port."""
    whole = {
        "version": 1,
        "plugins": {"auth": {"use": plugin, "config": {"public_url": "http://127.0.0.1:PORT", **config}}},
        "secrets": {name: {"value": value} for name, value in secrets.items()},
        "protect": [{"path": "/**", "auth": ["auth"]}],
        "state": {"url": f"sqlite:///{folder}/state.db"},
    }
    file = folder / "login.json"
    file.write_text(json.dumps(whole))
    return file


async def who(scope: Scope, receive: Receive, send: Send) -> None:
    """Says who the caller is, and which process this is."""
    user = scope.get("user")
    said = {"id": user.identity if user is not None and user.is_authenticated else None, "worker": os.getpid()}
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": json.dumps(said).encode()})


def make() -> MockForge:
    """The app of one worker."""
    text = Path(os.environ[FILE]).read_text().replace("PORT", os.environ[PORT])
    return MockForge(who, config=json.loads(text))


def until_all_serve(server: Running, workers: int = 2) -> None:
    """Wait until each of its workers has started."""
    while server.output.count("Application startup complete") < workers and server.process.poll() is None:
        server.process_ended.wait(0.05)


def statuses(url: str, cookies: dict[str, str], workers: int = 2) -> tuple[set[int], set[int]]:
    """(statuses, workers met): asked many times at once, until that many workers have answered, or often enough where they say no."""
    headers = {"accept": "application/json", "connection": "close"}
    found, met = set[int](), set[int]()
    with ThreadPoolExecutor(16) as threads, httpx.Client(cookies=cookies, headers=headers, trust_env=False, verify=False) as client:
        for _ in range(20):
            for answer in threads.map(client.get, [url] * 32):
                found.add(answer.status_code)
                met |= {answer.json()["worker"]} if answer.status_code == 200 else set()
            if len(met) == workers or 200 not in found:
                break
    return found, met


if __name__ == "__main__":
    import uvicorn

    os.environ[PORT], os.environ[FILE] = sys.argv[1:]
    uvicorn.run(
        "tests.support.login_served:make", factory=True, port=int(sys.argv[1]), workers=2, access_log=False, timeout_worker_healthcheck=120
    )
