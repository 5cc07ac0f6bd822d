"""PluginContext: the host calls as native code sees them, from the event loop and from worker threads.

One belongs to one call and ends with it: code that lives on after its call was given up gets no host call answered.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mockforge_asgi.contract import BodyReader, HostCalls, Json
from mockforge_asgi.errors import HostCallError
from mockforge_asgi.exact_json import loads
from mockforge_plugin.encoding import encode
from mockforge_plugin.failure import HostError

_ON_LOOP = (
    "`.result()` would block the event loop here: write `await ...` in async code, or make the method a plain `def`, which runs in a "
    "worker thread"
)


@dataclass(frozen=True, slots=True)
class Home:
    """What the calls of one plugin have in common: its host calls, and the event loop that it runs on, with its thread."""

    host_calls: HostCalls
    loop: asyncio.AbstractEventLoop
    thread: int

    @classmethod
    def here(cls, host_calls: HostCalls) -> Home:
        """On the event loop that runs."""
        return cls(host_calls, asyncio.get_running_loop(), threading.get_ident())


class PluginContext:
    """What the kit's host calls reach while a native plugin runs; see the kit's `HostContext`."""

    __slots__ = ("_home", "_request", "has_ended", "is_queued", "waits")

    def __init__(self, home: Home, request: BodyReader | None) -> None:
        self._home, self._request = home, request
        self.has_ended = self.is_queued = False
        """Whether host calls are refused; whether the call waits for a thread or process of its own, and has not begun."""
        self.waits: dict[concurrent.futures.Future[Json], None] = {}
        """What threads wait for."""

    def anew(self) -> PluginContext:
        """One for other work that belongs to no request: the same host calls, and an end of its own."""
        return PluginContext(self._home, None)

    def end(self) -> None:
        """Refuse host calls from now on; whoever waits for one in a thread is told."""
        self.has_ended = True
        for wait in tuple(self.waits):
            wait.cancel()

    async def call(self, name: str, payload: dict[str, Json]) -> Json:
        """Call the host and await its answer. Raises HostError."""
        if threading.get_ident() != self._home.thread:  # a loop of the plugin's own, in a thread of its own
            return await asyncio.wrap_future(self._submit(name, payload))
        return await self._ask(name, _plain(payload))

    def call_blocking(self, name: str, payload: dict[str, Json]) -> Json:
        """Call the host and block this worker thread until it answers. Raises HostError."""
        if threading.get_ident() == self._home.thread:
            raise HostError(_ON_LOOP, code="unavailable")
        waiting = self._submit(name, payload)
        try:
            return waiting.result()
        except concurrent.futures.CancelledError:
            raise _over() from None
        finally:
            self.waits.pop(waiting, None)

    def call_now(self, name: str, payload: dict[str, Json]) -> Json:
        """Make a host call that answers at once. Raises HostError."""
        if threading.get_ident() != self._home.thread:
            if name != "log":
                return self.call_blocking(name, payload)
            self._home.loop.call_soon_threadsafe(self._log, _plain(payload))
            return None
        self._check()
        try:
            return self._home.host_calls.call_now(name, _plain(payload))
        except HostCallError as error:
            raise _host_error(error) from None

    def _submit(self, name: str, payload: dict[str, Json]) -> concurrent.futures.Future[Json]:
        self._check()
        waiting = asyncio.run_coroutine_threadsafe(self._ask(name, _plain(payload)), self._home.loop)
        self.waits[waiting] = None
        if self.has_ended:
            waiting.cancel()
        return waiting

    async def _ask(self, name: str, payload: Mapping[str, Json]) -> Json:
        self._check()
        try:
            return await self._home.host_calls.call(name, payload, self._request)
        except HostCallError as error:
            raise _host_error(error) from None

    def _log(self, payload: Mapping[str, Json]) -> None:
        try:
            self._home.host_calls.call_now("log", payload)
        except HostCallError:
            pass  # a line that cannot be logged is lost; the thread that wrote it has gone on

    def _check(self) -> None:
        if self.has_ended:
            raise _over()


def _plain(payload: Mapping[str, Json]) -> Any:
    """The payload as every other runtime would hand it over: through strict JSON, a copy of its own."""
    for name, value in payload.items():
        if type(value) is not str or type(name) is not str or not (value.isascii() and name.isascii()):
            return loads(encode(payload).encode())
    return dict(payload)  # plain texts, of which JSON would make the same


def _over() -> HostError:
    return HostError("the call that this host call belongs to is over", code="unavailable")


def _host_error(error: HostCallError) -> HostError:
    return HostError(error.message, code=error.code, retryable=error.retryable, details=error.details)
