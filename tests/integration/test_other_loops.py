"""On an event loop that is not asyncio: what needs no plugin is served, the rest is refused in words."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import unquote

import pytest

from mockforge_asgi.middleware import MockForge
from mockforge_asgi.mocks.middleware import ResponseMiddleware
from mockforge_asgi.types import ASGIApp, Message, Receive, Scope, Send
from tests.support.plain_host import PlainRuntime, plain_plugin

trio = pytest.importorskip("trio")

ROUTES: Final = [
    {"match": {"path": "/health"}, "response": {"json": {"status": "ok"}}},
    {"match": {"path": "/items/{id}"}, "response": {"text": "item"}},
    {"match": {"path": "/page"}, "response": {"template_text": "Hello {{ request.method }}"}},
    {"match": {"path": "/long"}, "response": {"template_text": "{% for n in range(20000) %}{{ n }}{% endfor %}"}},
    {"match": {"method": "POST", "path": "/body", "body": {"a": 1}}, "response": {"text": "body"}},
    {"match": {"path": "/plugin"}, "response": {"plugin": "greet"}},
]
CONFIG: Final = {"version": 1, "routes": ROUTES, "protect": [{"path": "/secret/**", "auth": ["key"]}]}
STATIC: Final = {"version": 1, "routes": ROUTES[:5]}


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        return await send({"type": "lifespan.startup.complete"})
    await trio.lowlevel.checkpoint()
    body = (await receive()).get("body", b"")
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"app " + body})


def runtime() -> PlainRuntime:
    key = plain_plugin("key", "auth", {"auth.authenticate": lambda document: {"allow": {"principal": {"id": "x"}}}})
    return PlainRuntime(CONFIG, key, plain_plugin("greet", "response", {"response.generate": lambda document: None}))


def ask(forge: ASGIApp, path: str, method: str = "GET", **more: Any) -> tuple[int, bytes]:
    """One request on trio."""
    sent: list[Any] = []

    async def call() -> None:
        async def receive() -> Message:
            await trio.lowlevel.checkpoint()
            return {"type": "http.request", "body": b"{}"}

        async def send(message: Message) -> None:
            await trio.lowlevel.checkpoint()
            sent.append(message)

        headers = [(b"content-length", b"2")] if method == "POST" else []
        scope = {
            "type": "http",
            "method": method,
            "path": unquote(path),
            "raw_path": path.encode(),
            "headers": headers,
            "query_string": b"",
        }
        await forge({**scope, **more}, receive, send)

    trio.run(call)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent)


PASSING: Final = ["/", "/a%20b", "/a%2Fb", "//a", "/a/../b", "/%C3%A9", "/a%00", "/.x", "/a?b", "/unclaimed"]


@pytest.mark.parametrize("path", PASSING)
@pytest.mark.parametrize("config", [{"version": 1}, STATIC, {"version": 1, "dev": True}], ids=["empty", "routes", "dev"])
def test_what_nobody_claims_passes_through_whatever_its_path(config: dict[str, Any], path: str) -> None:
    assert ask(MockForge(app, config), path) == (200, b"app {}")


@pytest.mark.parametrize("config", [STATIC, CONFIG], ids=["static", "plugins"])
@pytest.mark.parametrize("wrapped", [app, None], ids=["mounted", "alone"])
@pytest.mark.parametrize(
    ("path", "expected"), [("/health", b'{"status":"ok"}'), ("/items/a%2Fb", b"item"), ("/items/%C3%A9", b"item"), ("/page", b"Hello GET")]
)
def test_static_mocks_answer(config: dict[str, Any], wrapped: ASGIApp | None, path: str, expected: bytes) -> None:
    forge = MockForge(wrapped, runtime=runtime()) if config is CONFIG else MockForge(wrapped, config)
    assert ask(forge, path) == (200, expected)


def test_a_long_template_is_rendered() -> None:
    status, body = ask(MockForge(None, STATIC), "/long")
    assert status == 200 and body.endswith(b"19999")


def test_alone_what_is_not_mocked_is_not_found() -> None:
    assert ask(MockForge(None, STATIC), "/nowhere")[0] == 404
    assert ask(MockForge(None, STATIC), "/health", "OPTIONS")[0] in (200, 204)


@pytest.mark.parametrize(
    ("path", "method"), [("/secret/x", "GET"), ("/secret", "POST"), ("/plugin", "GET"), ("/body", "POST")], ids=lambda value: value
)
@pytest.mark.parametrize("wrapped", [app, None], ids=["mounted", "alone"])
def test_what_needs_a_plugin_or_a_body_is_refused(wrapped: ASGIApp | None, path: str, method: str) -> None:
    status, body = ask(MockForge(wrapped, runtime=runtime()), path, method)
    assert status == 500 and b"item" not in body and b"app" not in body


@pytest.mark.parametrize("path", ["//secret/x", "/x/../secret", "/secret%2Fx", "/%2573ecret"])
def test_no_other_spelling_leads_around_a_rule(path: str) -> None:
    assert ask(MockForge(app, runtime=runtime()), path)[0] == 400


def test_the_response_chain_alone_answers_what_is_static() -> None:
    held = runtime()
    chain = ResponseMiddleware(app, runtime=held, responders=MockForge(app, runtime=held)._pipelines.now.value.responders)
    assert ask(chain, "/health") == (200, b'{"status":"ok"}') and ask(chain, "/x") == (200, b"app {}")


@pytest.mark.parametrize("wrapped", [app, None], ids=["mounted", "alone"])
def test_a_server_may_start_and_stop(wrapped: ASGIApp | None, caplog: pytest.LogCaptureFixture) -> None:
    sent: list[str] = []

    async def run() -> None:
        events = iter(["lifespan.startup", "lifespan.shutdown"])

        async def receive() -> Message:
            return {"type": next(events)}

        async def send(message: Message) -> None:
            sent.append(message["type"])

        await MockForge(wrapped, STATIC)({"type": "lifespan"}, receive, send)

    trio.run(run)
    assert sent[0] == "lifespan.startup.complete" and "asyncio" in caplog.text


def test_a_mount_serves_trio_and_asyncio_in_turn() -> None:
    forge = MockForge(None, STATIC)
    call: Callable[[], tuple[int, bytes]] = lambda: ask(forge, "/health")  # noqa: E731
    assert call()[0] == 200

    async def on_asyncio() -> None:
        from mockforge_asgi.testing import Client

        async with Client(forge) as client:
            assert (await client.get("/health")).status == 200

    asyncio.run(on_asyncio())
    assert call()[0] == 200
