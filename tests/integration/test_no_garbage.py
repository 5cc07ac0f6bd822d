"""No request leaves a reference cycle: what it needed is freed at once, and Python's collector, which holds the loop, finds nothing."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks import chain
from mockforge_asgi import MockForge
from mockforge_asgi.config.objects import ResponseFilter
from mockforge_asgi.contract import Json
from mockforge_asgi.errors import PluginFailed, PluginUnavailable
from mockforge_asgi.types import ASGIApp, Message, Receive, Scope, Send
from tests.support.plain_host import PlainRuntime, plain_plugin

REQUESTS = 1000
KEY = (b"x-api-key", b"k1")


def scope(method: str, path: str, *headers: tuple[bytes, bytes], **more: Any) -> Scope:
    """A request as a server tells it."""
    return {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"host", b"test"), *headers],
        "http_version": "1.1",
        **more,
    }


class Exchanged:
    """One conversation with an app; `leaves`: once the body is sent, the client is gone. It refers to nothing but what it was sent."""

    def __init__(self, body: bytes = b"", *, leaves: bool = False) -> None:
        self.body: bytes | None = body
        self.leaves = leaves
        self.status = 0

    async def receive(self) -> Message:
        if self.body is not None:
            body, self.body = self.body, None
            return {"type": "http.request", "body": body, "more_body": False}
        if not self.leaves:
            await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.status = message.get("status", self.status)


Ask = Callable[[int], tuple[Scope, Exchanged]]


async def garbage(app: ASGIApp, ask: Ask, *, at_once: int = 1) -> tuple[set[int], Counter[str]]:
    """The statuses of `REQUESTS` requests, and the types of what only the collector would free afterwards."""

    async def one(n: int) -> int:
        asked, talk = ask(n)
        await app(asked, talk.receive, talk.send)
        return talk.status

    statuses = {await one(n) for n in range(20)}  # what is made once is there by then
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    gc.freeze()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        for n in range(0, REQUESTS, at_once):
            if at_once == 1:
                statuses.add(await one(n))
            else:
                statuses.update(await asyncio.gather(*(one(n + i) for i in range(at_once))))
        await asyncio.sleep(0.01)  # callbacks of the loop that are still to run
        gc.collect()
        return statuses, Counter(f"{type(found).__module__}.{type(found).__qualname__}" for found in gc.garbage)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.unfreeze()
        if was_enabled:
            gc.enable()


def fails(error: Exception) -> Callable[[Json], Json]:
    def run(document: Json) -> Json:
        raise error

    return run


def bug(document: Json) -> Json:
    return {"status": "none of these"}


async def slow(document: Json) -> Json:
    await asyncio.sleep(60)


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """The wrapped app."""
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"app"})


def authenticate(document: Json) -> Json:
    if dict(document["headers"]).get("x-api-key") != "k1":
        return {"deny": {"status": 401, "reason": "unknown key"}}
    return {"allow": {"principal": {"id": "demo"}, "set_headers": [["x-auth", "1"]]}}


def generate(document: Json) -> Json:
    return {"status": 200, "headers": [], "body": {"text": document["request"]["path"]}}


def modify(document: Json) -> Json:
    return {"status": 203, "headers": [["x-seen", "1"]]}


CONFIG: dict[str, Any] = {
    "version": 1,
    "limits": {"max_body_kb": 1},
    "protect": [
        {"path": "/guarded/**", "auth": ["key"]},
        {"path": "/broken/**", "auth": ["broken"]},
        {"path": "/any/**", "auth": ["broken", "key"], "mode": "any"},
    ],
    "routes": [
        {"match": {"path": "/static"}, "response": {"json": {"a": 1}}},
        {"match": {"path": "/items/{id}"}, "response": {"text": "item"}},
        {"match": {"path": "/template/{name}"}, "response": {"template_text": "{{ request.path_params.name }} {{ request.headers.host }}"}},
        {"match": {"path": "/wrong"}, "response": {"template_text": "{{ 1 // 0 }}"}},
        {"match": {"path": "/body", "method": "POST", "body": {"a": 1}}, "response": {"text": "body"}},
        {"match": {"path": "/guarded/{name}"}, "response": {"plugin": "greet"}},
        {"match": {"path": "/any/x"}, "response": {"plugin": "greet"}},
        {"match": {"path": "/fails"}, "response": {"plugin": "fails"}},
        {"match": {"path": "/bug"}, "response": {"plugin": "bug"}},
        {"match": {"path": "/full"}, "response": {"plugin": "full"}},
        {"match": {"path": "/slow"}, "response": {"plugin": "slow"}},
    ],
}  # fmt: skip


def forge(wrapped: ASGIApp | None = None, *, modifies: bool = False, **config: Any) -> MockForge:
    """A `MockForge` with plugins of all sorts."""
    plugins = [
        plain_plugin("key", "auth", {"auth.authenticate": authenticate}),
        plain_plugin("broken", "auth", {"auth.authenticate": fails(PluginFailed("broken", "auth.authenticate", "x"))}),
        plain_plugin("greet", "response", {"response.generate": generate}),
        plain_plugin("fails", "response", {"response.generate": fails(PluginFailed("fails", "response.generate", "x"))}),
        plain_plugin("bug", "response", {"response.generate": bug}),
        plain_plugin("full", "response", {"response.generate": fails(PluginUnavailable("full", "x"))}),
        plain_plugin("slow", "response", {"response.generate": slow}),
    ]
    if modifies:
        plugins.append(plain_plugin("changes", "modifier", {"response.modify": modify}, modifies=ResponseFilter(app=True)))
    return MockForge(wrapped, runtime=PlainRuntime({**CONFIG, **config}, *plugins))


def asking(method: str, path: str, *headers: tuple[bytes, bytes], body: bytes = b"", **more: Any) -> Ask:
    length = [(b"content-length", str(len(body)).encode())] if body else []
    return lambda n: (scope(method, path.replace("{n}", str(n)), *headers, *length, **more), Exchanged(body))


CORS = ((b"origin", b"https://page.example"), (b"access-control-request-method", b"PUT"))
KINDS: dict[str, tuple[MockForge, Ask, int]] = {
    "static": (forge(), asking("GET", "/static"), 200),
    "static, mounted": (forge(app), asking("HEAD", "/static"), 200),
    "a parameter": (forge(), asking("GET", "/items/{n}"), 200),
    "a template": (forge(), asking("GET", "/template/{n}"), 200),
    "a template that fails": (forge(), asking("GET", "/wrong"), 500),
    "a body decides": (forge(), asking("POST", "/body", body=b'{"a": 1}'), 200),
    "a body is too large": (forge(), asking("POST", "/body", body=b"x" * 5000), 413),
    "401": (forge(), asking("GET", "/guarded/{n}"), 401),
    "404": (forge(), asking("GET", "/nothing/{n}"), 404),
    "404, explained": (forge(dev=True), asking("GET", "/nothing"), 404),
    "405": (forge(), asking("GET", "/body"), 405),
    "an ambiguous path": (forge(), asking("GET", "/x/../guarded"), 400),
    "a preflight": (forge(cors={"origins": "*"}), asking("OPTIONS", "/static", *CORS), 204),
    "a guarded plugin": (forge(), asking("GET", "/guarded/{n}", KEY), 200),
    "a plugin that fails": (forge(), asking("GET", "/fails"), 502),
    "a plugin that answers nonsense": (forge(), asking("GET", "/bug"), 502),
    "a plugin that is full": (forge(), asking("GET", "/full"), 503),
    "a guard that fails": (forge(), asking("GET", "/broken/x"), 503),
    "one guard of two fails": (forge(), asking("GET", "/any/x", KEY), 200),
    "both guards refuse": (forge(), asking("GET", "/any/x"), 503),
    "passing through": (forge(app), asking("GET", "/else/{n}"), 200),
    "passing a guard": (forge(app), asking("POST", "/guarded/a/b", KEY, body=b"abc"), 200),
    "a changed response": (forge(modifies=True), asking("GET", "/static"), 203),
    "a changed response of the app": (forge(app, modifies=True), asking("GET", "/else"), 203),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
async def test_no_request_leaves_anything_to_the_collector(kind: str) -> None:
    served, ask, status = KINDS[kind]
    statuses, found = await garbage(served, ask)
    await served.runtime.stop()
    assert statuses == {status} and not found


async def test_nor_does_a_client_that_has_left() -> None:
    served = forge()
    statuses, found = await garbage(served, lambda n: (scope("GET", "/slow"), Exchanged(leaves=True)), at_once=100)
    await served.runtime.stop()
    assert statuses == {0} and not found


@pytest.mark.parametrize(
    ("runtime", "full"), [("extism", False), ("extism", True), ("native", False), ("native_threads", False), ("python", False)]
)
async def test_nor_does_a_chain_of_plugins(runtime: chain.Runtime, full: bool, tmp_path: Path) -> None:
    served = MockForge(config=chain.write(tmp_path, runtime, full=full))

    def ask(n: int) -> tuple[Scope, Exchanged]:
        body = b'{"order": %d}' % n if full else b""
        length = (b"content-length", str(len(body)).encode())
        return scope("POST" if full else "GET", f"/hello/Ada{n}", (b"x-api-key", b"demo-key"), length), Exchanged(body)

    statuses, found = await garbage(served, ask)
    await served.runtime.stop()
    assert statuses == {200} and not found
