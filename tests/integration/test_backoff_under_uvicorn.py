"""Guesses against a real server with two workers that share their state, over HTTP and websockets."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.support.server_processes import ROOT, free_port

HASH = "$2b$04$GsLZdGxTQPJht/U6E7TP5OtzljjfIBdPPiVaFIBZnmoNmk6I5gpji"
"""Of `open sesame`."""
APP = """
from mockforge_asgi import MockForge

async def app(scope, receive, send):
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close"})
    elif scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": scope["user"].identity.encode()})

guarded = MockForge(app, "mockforge.yaml")
"""
CONFIG = f"""
version: 1
state: {{url: "sqlite:///state.db"}}
backoff: {{attempts: 6, attempts_from_address: 30, delay_s: 60}}
plugins:
  staff: {{use: auth-basic, config: {{users: staff}}}}
secrets:
  staff: {{value: "ada:{HASH}"}}
protect:
  - {{path: /**, auth: staff}}
"""
WORKERS = 2


def basic(user: str, password: str) -> dict[str, str]:
    return {"authorization": "Basic " + b64encode(f"{user}:{password}".encode()).decode()}


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """A server, once it answers."""
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "mockforge.yaml").write_text(CONFIG)
    port = free_port()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(tmp_path), str(ROOT)))}
    command = [sys.executable, "-m", "uvicorn", "--workers", str(WORKERS), "--port", str(port), "app:guarded"]
    with (tmp_path / "output").open("wb") as output:
        process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            while (answer := status(port)) is None:
                assert process.poll() is None, (tmp_path / "output").read_text()
            assert answer == 401
            yield port
        finally:
            process.terminate()
            process.wait(30)


def status(port: int, headers: dict[str, str] | None = None) -> int | None:
    """What a request on a connection of its own is answered; None where nobody listens."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", "/", headers=headers or {})
        return connection.getresponse().status
    except ConnectionError:
        return None
    finally:
        connection.close()


def open_websocket(port: int, headers: dict[str, str]) -> None:
    with connect(f"ws://127.0.0.1:{port}/", additional_headers=headers):
        pass


def test_both_workers_count_together_and_one_guess_more_for_each_is_all(port: int) -> None:
    assert status(port, basic("ada", "open sesame")) == 200
    answers = Counter(status(port, basic("ada", f"guess {i}")) for i in range(60))
    assert answers.keys() == {401, 429} and 6 <= answers[401] <= 6 + WORKERS
    assert {status(port, basic("ada", "open sesame")) for _ in range(10)} <= {429, 200}  # a worker that nobody guessed at knows nothing
    with pytest.raises(InvalidStatus) as refused:
        for _ in range(10):
            open_websocket(port, basic("ada", "guess"))
    assert refused.value.response.status_code in (401, 429)


def test_an_accepted_websocket_and_a_refused_one(port: int) -> None:
    open_websocket(port, basic("ada", "open sesame"))
    with pytest.raises(InvalidStatus) as refused:
        open_websocket(port, basic("ada", "x"))
    assert refused.value.response.status_code == 401 and "Basic" in refused.value.response.headers["www-authenticate"]
