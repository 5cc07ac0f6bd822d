"""ASGI conformance of both sides: what the server sees of us, and what the wrapped app sees."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from mockforge_asgi.middleware import MockForge
from mockforge_asgi.testing import Client, Conversation
from mockforge_asgi.types import ASGIApp, Message
from tests.servers.apps import bare, runtime

asgion = pytest.importorskip("asgion", reason="asgion needs Python 3.12")
KEY = {"x-api-key": "k1"}
Case = Callable[[Client], Awaitable[object]]


async def websocket(client: Client, path: str, extensions: dict[str, Any], *headers: tuple[bytes, bytes]) -> None:
    events: list[Message] = [{"type": "websocket.connect"}, {"type": "websocket.receive", "text": "hi"}]
    events.append({"type": "websocket.disconnect", "code": 1000})
    talk = Conversation(events)
    scope = client.scope("GET", path)
    del scope["method"]
    scope.update(type="websocket", scheme="ws", subprotocols=[], extensions=extensions, headers=[*scope["headers"], *headers])
    await client.app(scope, talk.receive, talk.send)


CASES: dict[str, Case] = {
    "passes": lambda c: c.get("/info"),
    "streams": lambda c: c.get("/stream"),
    "static": lambda c: c.get("/health"),
    "head": lambda c: c.request("HEAD", "/health"),
    "head of a plugin": lambda c: c.request("HEAD", "/greet/Ada", headers=KEY),
    "refused": lambda c: c.get("/greet/Ada"),
    "odd path": lambda c: c.get("//greet/Ada"),
    "plugin": lambda c: c.get("/greet/Ada", headers=KEY),
    "plugin with a body": lambda c: c.post("/greet/Ada", body=[b"a", b"b"], headers=KEY),
    "too large": lambda c: c.post("/greet/Ada", body=b"x" * 70_000, headers=KEY),
    "guarded app": lambda c: c.get("/private/info", headers=KEY),
    "replayed body": lambda c: c.post("/private/info", body=[b"a", b"b"], headers=KEY),
    "preflight": lambda c: c.request("OPTIONS", "/private/x", headers={"origin": "https://a.test", "access-control-request-method": "GET"}),
    "changed": lambda c: c.get("/changed/info"),
    "changed stream": lambda c: c.get("/changed/stream"),
    "changed file": lambda c: c.get("/changed/file"),
    "head of a changed answer": lambda c: c.request("HEAD", "/changed/file"),
    "socket": lambda c: websocket(c, "/ws", {}),
    "socket with credentials": lambda c: websocket(c, "/private/ws", {}, (b"x-api-key", b"k1")),
    "socket refused": lambda c: websocket(c, "/private/ws", {}),
    "socket denied": lambda c: websocket(c, "/private/ws", {"websocket.http.response": {}}),
}


@pytest.mark.parametrize("case", list(CASES))
async def test_neither_side_is_violated(case: str) -> None:
    found: list[str] = []

    def watched(app: ASGIApp, side: str) -> ASGIApp:
        def told(violation: Any) -> None:
            of_head = violation.rule_id == "SEM-003" and case.startswith("head")  # a HEAD has the length of its GET (RFC 9110 §9.3.2)
            if violation.severity not in ("info", "perf") and not of_head:
                found.append(f"{side}: {violation.rule_id} {violation.severity} {violation.message}")

        wrapped: ASGIApp = asgion.inspect(app, on_violation=told)
        return wrapped

    app = watched(MockForge(watched(bare(), "app"), runtime=runtime()), "server")
    async with Client(app) as client:
        await CASES[case](client)
    assert found == []
