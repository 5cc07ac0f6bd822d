"""The login of tests (`desk_login`) as an operator configures it, and browsers that use it, in process or over HTTP."""

from __future__ import annotations

import http.client
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from mockforge_asgi.plugins.package.package import read_package
from mockforge_asgi.testing import Client
from tests.support.server_processes import Answer, Running

FOLDER = Path(__file__).with_name("desk_login")
KEYS = {"new_key": "n" * 40, "old_key": "o" * 40, "other_key": "x" * 40}
HTML = {"accept": "text/html"}
OWN = {**HTML, "origin": "https://app.example", "sec-fetch-site": "same-origin"}
"""What a browser sends with a form of the application's own."""


def desk(*, session: Mapping[str, Any] | None = None, max_keys: int = 2000) -> dict[str, Any]:
    """The plugin's entry, granted all that it asks for."""
    session = {"key": "new_key", **(session or {})}
    keys = session["key"] if isinstance(session["key"], list) else [session["key"]]
    cookies = [session.get("cookie", "desk"), session.get("login_cookie", "desk-begun")]
    headers = ["accept", "origin", "sec-fetch-mode", "sec-fetch-site", "x-requested-with"]
    request = {"headers": headers, "cookies": cookies, "query": ["state", "user", "roles", "claim"]}
    grants = {
        "request": request, "response": {"set_headers": ["set-cookie", "content-security-policy"]}, "secrets": keys,
        "kv": {"max_keys": max_keys, "max_bytes": 4194304},
    }  # fmt: skip
    return {"use": str(FOLDER), "native": {"trust": read_package(FOLDER).digest}, "grants": grants, "config": {"session": session}}


def configuration(*, max_keys: int = 2000, **session: Any) -> dict[str, Any]:
    """A configuration that guards all paths with it."""
    return {
        "version": 1,
        "plugins": {"desk": desk(session=session, max_keys=max_keys)},
        "secrets": {name: {"value": value} for name, value in KEYS.items()},
        "protect": [{"path": "/**", "auth": ["desk"]}],
        "routes": [
            {"match": {"path": "/roles"}, "response": {"template_text": "{{ request.principal.roles | join(' ') }}"}},
            {"match": {"path": "/{rest:path}"}, "response": {"template_text": "{{ request.principal.id }}"}},
        ],
    }


class Worker:
    """One worker of a server: a connection that stays with it."""

    def __init__(self, server: Running) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        self.id = self.request("GET", "/desk/callback", {}).header("x-worker") or ""

    def request(self, method: str, path: str, headers: Mapping[str, str]) -> Answer:
        """A request to it."""
        self._connection.request(method, path, headers=dict(headers))
        found = self._connection.getresponse()
        answer = Answer(found.status, tuple((name.lower(), value) for name, value in found.getheaders()), found.read())
        assert answer.header("x-worker") in (None, getattr(self, "id", answer.header("x-worker"))), "the connection came to another worker"
        return answer

    def close(self) -> None:
        """Leave."""
        self._connection.close()


@contextmanager
def two_workers(server: Running) -> Iterator[tuple[Worker, Worker]]:
    """Both workers of a server."""
    until_s, first = time.monotonic() + 30, Worker(server)
    while (other := Worker(server)).id == first.id:  # the other one may still be starting
        other.close()
        server.process_ended.wait(0.02)
        assert time.monotonic() < until_s, "one worker takes all connections"
    try:
        yield first, other
    finally:
        first.close()
        other.close()


class Visitor:
    """A browser: it keeps cookies, and sends them as browsers do."""

    def __init__(self, to: Client | Worker) -> None:
        self.to = to
        self.cookies: dict[str, str] = {}

    def at(self, to: Client | Worker) -> Visitor:
        """One with the same cookies, elsewhere."""
        other = Visitor(to)
        other.cookies = dict(self.cookies)
        return other

    def copy(self) -> Visitor:
        """Somebody who has the cookies, too."""
        return self.at(self.to)

    async def ask(self, method: str, path: str, *, cookie: str | None = None, headers: Mapping[str, str] = HTML) -> Any:
        """A request; `cookie` is sent in place of its own."""
        line = "; ".join(f"{name}={value}" for name, value in self.cookies.items()) if cookie is None else cookie
        sent = {**headers, **({"cookie": line} if line else {})}
        if isinstance(self.to, Client):
            answer: Any = await self.to.request(method, path, headers=sent)
        else:
            answer = self.to.request(method, path, sent)
        for name, value in answer.headers:
            if name == "set-cookie":
                self._keep(value)
        return answer

    def _keep(self, line: str) -> None:
        name, _, rest = line.partition("=")
        value, *attributes = rest.split("; ")
        if "Max-Age=0" in attributes:
            self.cookies.pop(name, None)
        else:
            self.cookies[name] = value

    async def begin(self, path: str = "/") -> str:
        """Ask for a page and be sent to the login; the state."""
        answer = await self.ask("GET", path)
        assert answer.status == 302, answer
        location: str = answer.header("location")
        return parse_qs(urlsplit(location).query)["state"][0]

    async def finish(self, state: str, user: str = "ada", roles: str = "", claim: str = "") -> Any:
        """Come back from the provider."""
        return await self.ask("GET", f"/desk/callback?state={quote(state)}&user={user}&roles={quote(roles)}&claim={claim}")

    async def log_in(self, user: str = "ada", roles: str = "", claim: str = "") -> Any:
        """Both."""
        answer = await self.finish(await self.begin(), user, roles, claim)
        assert answer.status == 303, answer
        return answer

    async def status(self, *, cookie: str | None = None) -> int:
        """What a program with these cookies is answered."""
        return int((await self.ask("GET", "/", cookie=cookie, headers={})).status)

    async def log_out(self) -> Any:
        """By the page that asks."""
        return await self.ask("POST", "/desk/logout", headers=OWN)

    async def user(self) -> str | None:
        """Who it is taken for."""
        answer = await self.ask("GET", "/", headers={})
        return answer.body.decode() if answer.status == 200 else None
