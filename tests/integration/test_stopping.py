"""Requests that meet a stop: those that run end, those that come are told to come again, and nothing is started anew meanwhile."""

from __future__ import annotations

import asyncio

import pytest

from mockforge_asgi import MockForge
from mockforge_asgi.events import PluginStopped
from mockforge_asgi.testing import Client
from mockforge_asgi.types import Receive, Scope, Send
from mockforge_plugin import Allow, AuthPlugin, Principal, Request, ResponsePlugin


class Gate(AuthPlugin):
    """Waits before it lets anybody pass."""

    started = 0

    def __init__(self) -> None:
        self.waiting, self.open = asyncio.Event(), asyncio.Event()

    async def start(self) -> None:
        """Counted."""
        Gate.started += 1

    async def authenticate(self, request: Request) -> Allow:
        """When the test says so."""
        self.waiting.set()
        await self.open.wait()
        return Allow(Principal("ada"))


class Answers(ResponsePlugin):
    """Answers everything."""

    async def generate(self, request: Request) -> str:
        """So."""
        return "fine"


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """A wrapped app that no request may come to."""
    raise AssertionError("reached")


@pytest.mark.parametrize("wrapped", [None, app])
async def test_requests_that_meet_a_stop_are_told_to_come_again(wrapped: object) -> None:
    gate, Gate.started = Gate(), 0
    forge = MockForge(
        wrapped,  # type: ignore[arg-type]
        config={"version": 1, "protect": [{"path": "/guarded/**", "auth": ["gate"]}]},
        plugins=[gate, Answers()],
    )
    client, stopped = Client(forge), list[object]()
    forge.runtime.events.subscribe(stopped.append, PluginStopped)
    await forge.runtime.start()
    running = asyncio.ensure_future(client.get("/guarded/a"))
    await gate.waiting.wait()
    stopping = asyncio.ensure_future(forge.runtime.stop())
    while forge.runtime.is_ready:
        await asyncio.sleep(0)
    for path in ("/guarded/b", "/c"):
        answer = await client.get(path)
        assert (answer.status, answer.header("retry-after")) == (503, "1")
    again = asyncio.ensure_future(forge.runtime.start())
    await asyncio.sleep(0)
    assert not stopped or not stopping.done()
    gate.open.set()
    answer = await running
    assert (answer.status, answer.header("retry-after")) == (503, "1")
    await stopping
    assert Gate.started == 1 and len(stopped) == 2
    await again
    assert Gate.started == 2
    assert (await client.get("/guarded/a")).text == "fine"
    await forge.runtime.stop()
