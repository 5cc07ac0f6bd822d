"""Hosts over native source, and the doors and events that tests look at."""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager, nullcontext
from textwrap import dedent
from typing import Any

import pytest

from mockforge_asgi.contract import BodyReader
from mockforge_asgi.errors import LimitExceeded
from mockforge_asgi.events import Event, EventStream, GuestLogged
from mockforge_asgi.exact_json import dumps
from mockforge_asgi.plugins.hostcalls.hostcalls import HostServices, PluginHostCalls
from mockforge_asgi.plugins.native.code import FileCode
from mockforge_asgi.plugins.native.host import NativeHost, NativeOptions
from mockforge_asgi.plugins.native.process_pool import InWorkers
from mockforge_asgi.plugins.native.runner import InProcess, Runner
from mockforge_asgi.plugins.native.threads import WorkerThreads
from mockforge_asgi.security.secrets import Secrets
from mockforge_asgi.state.memory import MemoryStore

REQUEST: dict[str, Any] = {
    "method": "GET", "scheme": "http", "host": "h", "path": "/", "raw_path": "/", "query": [], "headers": [["x-api-key", "k1"]],
    "client": None, "route": None, "path_params": {}, "principal": None, "body": {"available": 0},
}  # fmt: skip
GENERATE = dumps({"request": REQUEST, "fingerprint": "f"})
AUTHENTICATE = dumps(REQUEST)


def call(function: str, *args: Any) -> bytes:
    """The document of a template function's call."""
    return dumps({"function": function, "args": list(args), "kwargs": {}})


class Told:
    """A stream of events, and what came through it."""

    def __init__(self) -> None:
        self.stream, self.events = EventStream(), list[Event]()
        self.stream.subscribe(self.events.append)

    def of(self, kind: type[Event]) -> list[Any]:
        """The events of a kind."""
        return [event for event in self.events if isinstance(event, kind)]


def doors(told: Told, *, plugin: str = "native") -> PluginHostCalls:
    """Trusted doors over memory."""
    return PluginHostCalls(plugin, None, HostServices(state=MemoryStore(), events=told.stream, secrets=Secrets({"key": "s3cret"})))


def host(
    source: str | dict[str, str],
    *,
    told: Told | None = None,
    processes: bool = False,
    most: int = 2,
    memory_mb: int = 0,
    door: Any = None,
    **options: Any,
) -> NativeHost:
    """A host over these files, not opened yet."""
    told = told or Told()
    files = {"plugin.py": source} if isinstance(source, str) else source
    code = FileCode("native", {path: dedent(text).encode() for path, text in files.items()}, "plugin.py")
    said = NativeOptions("native", "1.0.0", **options)
    output = said.output_bytes
    runner: Runner = InProcess("native", code, WorkerThreads("native", most), output)
    if processes:
        runner = InWorkers(code, output, most=most, memory_mb=memory_mb)
    return NativeHost(said, runner, door or doors(told), told.stream)


class Bodies:
    """A request with a body."""

    async def read_body(self, of: str) -> bytes:
        """Always the same."""
        return b"the body"

    def watched(self) -> AbstractContextManager[None]:
        """Nobody leaves."""
        return nullcontext()


BODIES: BodyReader = Bodies()


async def begun(plugin: NativeHost, told: Told, document: bytes, op: str = "template.call") -> asyncio.Future[Any]:
    """A call whose code runs by now."""
    running = asyncio.ensure_future(plugin.call(op, document))
    while not told.of(GuestLogged):
        assert not running.done()
        await asyncio.sleep(0.001)
    return running


async def over_time(plugin: NativeHost, running: asyncio.Future[Any]) -> LimitExceeded:
    """What comes of a call whose time is over now, however long the machine has taken for it."""
    for clock in plugin._running:
        clock.reschedule(asyncio.get_running_loop().time())
    with pytest.raises(LimitExceeded) as caught:
        await running
    return caught.value
