"""The lifespan of plugins around that of every sort of app."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from starlette.applications import Starlette

from mockforge_asgi.errors import ConfigError
from mockforge_asgi.lifespan import lifespan
from mockforge_asgi.types import ASGIApp, Message, Receive, Scope, Send


class Service:
    """Counts, and fails where it is told to."""

    def __init__(self, log: list[str], *, fails_at: str = "", error: Exception | None = None) -> None:
        self.log, self._fails_at, self._error = log, fails_at, error or ConfigError("no such file")

    async def start(self) -> None:
        await self._do("start")

    async def stop(self) -> None:
        await self._do("stop")

    async def _do(self, what: str) -> None:
        self.log.append(what)
        if what == self._fails_at:
            raise self._error


class Server:
    """Sends start-up and shutdown, keeps what it is told."""

    def __init__(self, app: ASGIApp | None, *, fails_at: str = "", error: Exception | None = None) -> None:
        self.log: list[str] = []
        self.app, self.service = app, Service(self.log, fails_at=fails_at, error=error)
        self.scope: Scope = {"type": "lifespan", "state": {}}
        self.messages: list[Message] = []

    async def run(self) -> list[str]:
        events = ["lifespan.startup", "lifespan.shutdown"]

        async def receive() -> Message:
            return {"type": events.pop(0)}

        async def send(message: Message) -> None:
            self.messages.append(message)
            self.log.append(message["type"].removeprefix("lifespan."))

        await asyncio.wait_for(lifespan(self.service, self.app, self.scope, receive, send), 5)
        return self.log


IN_ORDER = ["start", "startup.complete", "stop", "shutdown.complete"]


async def test_without_an_app_the_events_are_answered() -> None:
    assert await Server(None).run() == IN_ORDER


async def test_plugins_start_before_the_app_and_stop_after_it() -> None:
    @asynccontextmanager
    async def course(app: Starlette) -> AsyncIterator[dict[str, int]]:
        server.log.append("app starts")
        yield {"db": 1}
        server.log.append("app stops")

    server = Server(Starlette(lifespan=course))
    assert await server.run() == ["start", "app starts", "startup.complete", "app stops", "stop", "shutdown.complete"]
    assert server.scope["state"] == {"db": 1}


async def raises_at_once(scope: Scope, receive: Receive, send: Send) -> None:
    raise AssertionError("http only")


async def returns_at_once(scope: Scope, receive: Receive, send: Send) -> None:
    return


async def answers_anything_as_http(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 200})


async def leaves_after_startup(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})


async def forgets_to_answer(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()


@pytest.mark.parametrize("app", [raises_at_once, returns_at_once, answers_anything_as_http, leaves_after_startup, forgets_to_answer])
async def test_an_app_with_little_or_no_lifespan_support_is_served_all_the_same(app: ASGIApp) -> None:
    assert await Server(app).run() == IN_ORDER


async def fails_to_start(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    raise OSError("no database")


async def says_it_failed(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no database"})
    raise OSError("no database")


@pytest.mark.parametrize(("app", "log"), [(fails_to_start, ["start", "stop"]), (says_it_failed, ["start", "stop", "startup.failed"])])
async def test_the_apps_own_failure_reaches_the_server_as_it_is(app: ASGIApp, log: list[str]) -> None:
    server = Server(app)
    with pytest.raises(OSError, match="no database"):
        await server.run()
    assert server.log == log


@pytest.mark.parametrize("error", [ConfigError("plugin 'x' not loaded: why"), ValueError("plugin 'x' not loaded: why")])
async def test_plugins_that_cannot_start_end_the_start_up_with_words(error: Exception) -> None:
    server = Server(raises_at_once, fails_at="start", error=error)
    assert await server.run() == ["start", "startup.failed"]
    assert "plugin 'x' not loaded: why" in server.messages[0]["message"]


def test_on_another_loop_the_app_has_its_lifespan_and_plugins_stay_out(caplog: pytest.LogCaptureFixture) -> None:
    trio = pytest.importorskip("trio")
    server = Server(forgets_to_answer)

    async def run() -> None:
        async def receive() -> Message:
            return {"type": "lifespan.startup"}

        async def send(message: Message) -> None:
            server.messages.append(message)

        await lifespan(server.service, server.app, server.scope, receive, send)

    trio.run(run)
    assert server.log == [] and [m["type"] for m in server.messages] == ["lifespan.startup.complete"] and "asyncio" in caplog.text


async def test_an_app_that_raises_at_the_lifespan_scope_is_served_and_its_exception_is_told(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise KeyError("DATABASE_URL")

    assert await Server(broken).run() == IN_ORDER
    (told,) = caplog.records
    assert told.levelname == "WARNING" and "DATABASE_URL" in caplog.text


async def test_plugins_that_cannot_stop_are_told_to_the_server() -> None:
    server = Server(None, fails_at="stop")
    assert await server.run() == ["start", "startup.complete", "stop", "shutdown.failed"]
