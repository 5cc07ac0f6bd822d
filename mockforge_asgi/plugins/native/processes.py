"""The host call `process.call`: functions of a native plugin's own modules, each in a worker process that can be killed.

For plugins that run in this process and have work that must not: parsing what strangers send, by libraries that hang or crash on it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from mockforge_asgi.contract import BodyReader, HostCalls, Json
from mockforge_asgi.errors import HostCallError, LimitExceeded, PluginFailed, PluginUnavailable
from mockforge_asgi.exact_json import dumps
from mockforge_asgi.plugins.hostcalls import payload as read
from mockforge_asgi.plugins.native.code import FileCode
from mockforge_asgi.plugins.native.context import Home, PluginContext
from mockforge_asgi.plugins.native.process_pool import InWorkers

CALL: Final = "process.call"
NICE: Final = 10
"""How much the processes yield to the server."""


class WithProcesses:
    """The host calls of a native plugin, and `process.call` besides; see `contract.HostCalls`."""

    def __init__(
        self, host_calls: HostCalls, plugin: str, files: Mapping[str, bytes], folder: Path | None, *, output_bytes: int, memory_mb: int
    ) -> None:
        """`files` are those of the package, which the processes load; both bounds are those of its manifest."""
        self._host_calls, self._plugin, self._files, self._folder = host_calls, plugin, files, folder
        self._output_bytes, self._memory_mb = output_bytes, memory_mb
        self._pools: dict[str, _Pool] = {}
        self._running: set[asyncio.Task[Json]] = set()
        self._is_closed = False

    def call_now(self, name: str, payload: Mapping[str, Json]) -> Json:
        """See HostCalls."""
        return NotImplemented if name == CALL else self._host_calls.call_now(name, payload)

    async def call(self, name: str, payload: Mapping[str, Json], request: BodyReader | None) -> Json:
        """See HostCalls. A call whose caller leaves goes on to its end: clients that come and go would else have processes killed."""
        if name != CALL:
            return await self._host_calls.call(name, payload, request)
        function, timeout_s = read.text(payload, "function"), read.whole(payload, "timeout_ms", 5000, least=1, most=600_000) / 1000
        document = dumps({"function": function, "args": payload.get("args") or [], "kwargs": read.members(payload, "kwargs")})
        work = asyncio.get_running_loop().create_task(self._pool(payload).call(document, timeout_s, self._host_calls))
        self._running.add(work)
        work.add_done_callback(self._ended)
        return await asyncio.shield(work)

    async def close(self) -> None:
        """See HostCalls."""
        self._is_closed = True
        for pool in self._pools.values():
            await pool.workers.close()
        await asyncio.gather(*self._running, return_exceptions=True)
        await self._host_calls.close()

    @property
    def pids(self) -> frozenset[int]:
        """The processes that run now."""
        return frozenset(pid for pool in self._pools.values() for pid in pool.workers.pids)

    def _ended(self, work: asyncio.Task[Json]) -> None:
        self._running.discard(work)
        if not work.cancelled():
            work.exception()  # seen, also where its caller has left

    def _pool(self, payload: Mapping[str, Json]) -> _Pool:
        module = read.text(payload, "module")
        found = self._pools.get(module)
        if found is None:
            if self._is_closed:
                raise HostCallError("unavailable", "the plugin is being stopped")
            if module not in self._files:
                raise HostCallError("not_found", f"the plugin has no file {module[:100]!r}")
            code = FileCode(self._plugin, self._files, module, self._folder)
            most, queue = (read.whole(payload, name, default, least=1, most=1000) for name, default in (("most", 2), ("queue", 64)))
            workers = InWorkers(code, self._output_bytes, most=most, memory_mb=self._memory_mb, nice=NICE)
            found = self._pools[module] = _Pool(workers, most + queue)
        return found


class _Pool:
    """The processes of one module; so many calls at most are under way or wait."""

    def __init__(self, workers: InWorkers, most_calls: int) -> None:
        self.workers, self._most_calls, self._calls = workers, most_calls, 0

    async def call(self, document: bytes, timeout_s: float, host_calls: HostCalls) -> Json:
        """The function's result. Raises HostCallError."""
        if self._calls >= self._most_calls:
            raise HostCallError("unavailable", "too many calls wait for a process", retryable=True)
        context = PluginContext(Home.here(host_calls), None)
        self._calls += 1
        try:
            async with asyncio.timeout(timeout_s):
                return await self.workers.call("template.call", document, context)
        except TimeoutError:
            if context.is_queued:
                raise HostCallError("unavailable", f"no process came free within {timeout_s:g} s", retryable=True) from None
            raise HostCallError("timeout", f"it did not end within {timeout_s:g} s; its process was killed") from None
        except LimitExceeded as error:
            raise HostCallError("limit", error.message) from error
        except PluginUnavailable as error:
            raise HostCallError("unavailable", str(error), retryable=True) from error
        except PluginFailed as error:
            raise HostCallError(
                error.code, error.author_traceback or error.message, retryable=error.retryable, details=error.details
            ) from error
        finally:
            self._calls -= 1
            context.end()
