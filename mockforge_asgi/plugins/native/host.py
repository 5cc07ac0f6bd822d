"""NativeHost: runs a generation of trusted Python, with the same budgets, host calls, answers and errors as a sandboxed one.

Nothing here confines the code. How it runs, in threads or in processes of its own, is its runner's affair; what may run
natively at all is decided before (`plugins/authorization.py`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from mockforge_asgi.begun import rest_of
from mockforge_asgi.contract import NOTHING, BodyReader, Description, HostCalls, Json, Lease, watched
from mockforge_asgi.contract.description import accept_config, read_description
from mockforge_asgi.errors import ClientDisconnected, LimitExceeded, PluginFailed, PluginRejected, PluginUnavailable, RequestRejected
from mockforge_asgi.events import CallFinished, EventStream
from mockforge_asgi.exact_json import dumps
from mockforge_asgi.plugins.authorization import Authorization
from mockforge_asgi.plugins.native.code import FileCode, ObjectCode
from mockforge_asgi.plugins.native.context import Home, PluginContext
from mockforge_asgi.plugins.native.process_pool import InWorkers
from mockforge_asgi.plugins.native.processes import WithProcesses
from mockforge_asgi.plugins.native.runner import InProcess, Runner
from mockforge_asgi.plugins.native.threads import WorkerThreads
from mockforge_asgi.plugins.plugin import endpoint_prefix

_SETUP_S: Final = 30.0
"""How long loading, `validate_config`, `init`, `start` and `stop` may take each: databases and directories are connected here."""

_ENDING_S: Final = 1.0
"""How long calls that were ended may take to notice."""


@dataclass(frozen=True, slots=True)
class NativeOptions:
    """What the operator and the manifest say about running a native plugin."""

    plugin: str
    version: str = "0"
    config: Json = None
    timeout_s: float = 5.0
    output_bytes: int = 1 << 20
    drain_s: float = 10.0
    where: Callable[[str], str] | None = None
    """The place of a part of `config` that the plugin names."""
    is_dev: bool = False
    """Whether it runs in development mode."""
    prefix: str = ""
    """What the paths of its endpoints begin with."""
    base_dir: str = ""
    """The folder that relative paths of the configuration begin at."""


class NativeHost:
    """A `PluginHost` over trusted Python; itself the one lease, since its object is shared."""

    def __init__(self, options: NativeOptions, runner: Runner, host_calls: HostCalls, events: EventStream) -> None:
        self.options, self.runner, self.host_calls, self.events = options, runner, host_calls, events
        self._ops: frozenset[str] = frozenset()
        self._is_open = self._is_closing = self._has_started = False
        self.is_serving = False
        """Whether it takes calls."""
        self._running: dict[asyncio.Timeout, bool] = {}
        """The clock of each call that waits, and whether the call was ended before its time."""
        self.home: Home
        """Where its calls run; set by `open`."""
        self._idle = asyncio.Event()
        self._idle.set()

    async def open(self) -> Description:
        """Load the code, describe it, validate its configuration. Raises PluginRejected, ConfigError."""
        plugin, self.home = self.options.plugin, Home.here(self.host_calls)
        try:
            async with asyncio.timeout(_SETUP_S):
                said = read_description(plugin, await self.runner.load())
            self._ops, self._is_open, self.is_serving = said.ops, True, not self._is_closing
            if "plugin.validate_config" in said.ops:
                document = dumps({"config": self.options.config})
                accept_config(plugin, await self._call("plugin.validate_config", document, None, _SETUP_S), self.options.where)
        except TimeoutError:
            raise PluginRejected(plugin, f"its code did not load within {_SETUP_S:g} s.") from None
        except PluginFailed as error:
            raise PluginRejected(plugin, error.author_traceback or str(error)) from error
        return said

    async def start(self) -> None:
        """Run `init` with the configuration, then `start`. Raises PluginFailed."""
        options = self.options
        plugin = {"id": options.plugin, "version": options.version, "prefix": options.prefix, "base_dir": options.base_dir}
        said = {"config": self.options.config, "plugin": plugin, "isolation": "reused", "development": self.options.is_dev}
        document = dumps(said)
        context = PluginContext(self.home, None)
        try:
            async with asyncio.timeout(_SETUP_S):
                await self.runner.init(document, context)
        except TimeoutError:
            raise LimitExceeded(self.options.plugin, "plugin.init", "timeout_ms", _SETUP_S * 1000) from None
        finally:
            context.end()
        if "plugin.start" in self._ops:
            await self._call("plugin.start", NOTHING, None, _SETUP_S)
        self._has_started = True

    def lease(self) -> Lease:
        """The host itself: nothing is taken and nothing given back."""
        return self

    def release(self) -> None:
        """Nothing is held between calls."""

    async def call(self, op: str, document: bytes, request: BodyReader | None = None) -> Json:
        """Run one operation. Raises PluginFailed, LimitExceeded, PluginUnavailable."""
        began_s = time.perf_counter()
        try:
            answer = await self._call(op, document, request, self.options.timeout_s)
        except BaseException as error:
            self.failed(op, began_s, error)
            raise
        if began_s >= self.events.silent_until_s:
            self.ended(op, began_s)
        return answer

    begin = call

    def ended(self, op: str, began_s: float) -> None:
        """Tell those who want to hear it that a call ended well."""
        if self.events.hears_calls(began_s):
            self._tell(op, "ok", time.perf_counter() - began_s)

    def failed(self, op: str, began_s: float, error: BaseException) -> None:
        """Tell that a call did not end well."""
        self._tell(op, _outcome(error), time.perf_counter() - began_s, str(error))

    def _tell(self, op: str, outcome: str, wall_s: float, error: str = "") -> None:
        self.events.emit(CallFinished(plugin=self.options.plugin, op=op, outcome=outcome, wall_s=wall_s, error=error))

    async def close(self) -> None:
        """Refuse new calls, let running ones end, run `stop` and `destroy`, forget the code."""
        self._is_closing, self.is_serving = True, False
        try:
            await self._drained()
            if self._has_started:
                await self._farewell("plugin.stop")
            if self._is_open:
                await self._farewell("plugin.destroy")
        finally:
            self._has_started = self._is_open = False
            await self.runner.close()
            await self.host_calls.close()

    async def _drained(self) -> None:
        """Return when no call runs; what outlasts `drain_s` is ended. Threads cannot be: theirs are given up."""
        if await self._is_idle_within(self.options.drain_s):
            return
        for clock in self._running:
            if not clock.expired():
                self._running[clock] = True
                clock.reschedule(asyncio.get_running_loop().time())
        await self._is_idle_within(_ENDING_S)

    async def _is_idle_within(self, wait_s: float) -> bool:
        try:
            async with asyncio.timeout(wait_s):
                return await self._idle.wait()
        except TimeoutError:
            return False

    async def _call(self, op: str, document: bytes, request: BodyReader | None, timeout_s: float) -> Json:
        if not self._is_open or (self._is_closing and op not in ("plugin.stop", "plugin.destroy")):
            raise self.unavailable()
        began_s, context = time.perf_counter(), PluginContext(self.home, request)
        work = self.runner.call(op, document, context)
        try:
            waits_for = work.send(None)  # what ends without waiting needs no time-out, and nobody has the time to leave or to stop it
            left_s = timeout_s - (time.perf_counter() - began_s)
            return await self.wait(op, rest_of(work, waits_for), context, request, timeout_s, left_s)
        except StopIteration as ended:
            return ended.value
        finally:
            work.close()
            context.end()

    def unavailable(self) -> PluginUnavailable:
        """Why it takes no calls."""
        why = "it is stopping" if self._is_closing else "it is not open yet"
        return PluginUnavailable(self.options.plugin, why, is_replaced=self._is_closing)

    async def wait(
        self, op: str, rest: Awaitable[Json], context: PluginContext, request: BodyReader | None, timeout_s: float, left_s: float
    ) -> Json:
        """The rest of a call that has to wait, which may take as long, for as long as its client is there."""
        clock = asyncio.timeout(left_s)
        self._idle.clear()
        try:
            with watched(request):
                async with clock:
                    self._running[clock] = False
                    return await rest
        except TimeoutError:
            if self._running[clock]:
                raise PluginUnavailable(self.options.plugin, "it is stopping") from None
            if context.is_queued:
                raise PluginUnavailable(
                    self.options.plugin, "none of its workers came free in time (raise native.max_workers or limits.timeout_ms)"
                ) from None
            raise LimitExceeded(self.options.plugin, op, "timeout_ms", timeout_s * 1000) from None
        finally:
            self._running.pop(clock, None)
            if not self._running:
                self._idle.set()

    async def _farewell(self, op: str) -> None:
        if op not in self._ops:
            return
        try:
            await self._call(op, NOTHING, None, _SETUP_S)
        except (PluginFailed, PluginUnavailable) as error:
            self._tell(op, "failed", 0.0, str(error))


def native_host(authorization: Authorization, host_calls: HostCalls, events: EventStream) -> NativeHost:
    """The host of an authorized native package: in threads, or in worker processes where the operator says so."""
    use, manifest, limits, package = authorization.use, authorization.manifest, authorization.limits, authorization.package
    timeout_s, output_bytes = limits.timeout_ms / 1000, limits.output_kb * 1024
    options = NativeOptions(
        use.name,
        manifest.version,
        authorization.config,
        timeout_s,
        output_bytes,
        where=authorization.where,
        is_dev=authorization.is_dev,
        prefix=endpoint_prefix(use.name, use.prefix),
        base_dir="" if use.base_dir is None else str(use.base_dir),
    )
    code = FileCode(use.name, package.files, manifest.entry.file, package.folder)
    bounds = {"output_bytes": output_bytes, "memory_mb": limits.memory_mb}
    host_calls = WithProcesses(host_calls, use.name, package.files, package.folder, **bounds)
    if use.native is not None and use.native.workers == "process":
        workers = InWorkers(code, options.output_bytes, most=use.native.max_workers, memory_mb=limits.memory_mb)
        return NativeHost(options, workers, host_calls, events)
    most = 8 if use.native is None else use.native.max_workers
    return NativeHost(options, InProcess(use.name, code, WorkerThreads(use.name, most), options.output_bytes), host_calls, events)


def own_host(
    name: str, target: object, host_calls: HostCalls, events: EventStream, *, config: Json = None, is_dev: bool = False
) -> NativeHost:
    """The host of the developer's own object or class."""
    prefix = getattr(target, "prefix", None)
    options = NativeOptions(name, config=config, is_dev=is_dev, prefix=endpoint_prefix(name, prefix if isinstance(prefix, str) else None))
    return NativeHost(options, InProcess(name, ObjectCode(target), WorkerThreads(name), options.output_bytes), host_calls, events)


def _outcome(error: BaseException) -> str:
    if isinstance(error, asyncio.CancelledError | ClientDisconnected | RequestRejected):
        return "cancelled"
    if isinstance(error, PluginUnavailable):
        return "unavailable"
    return "limit" if isinstance(error, LimitExceeded) else "failed"
