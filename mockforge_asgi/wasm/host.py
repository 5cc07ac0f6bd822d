"""Runs one plugin generation in the sandbox: instances from the pool, budgets per call, events for what happened.

What kind of guest it is stands in `component/` and `extism/`; who calls is `plugins/plugin.py`, through a lease (`leases.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, TypeVar

from mockforge_asgi.config import InstancesConfig
from mockforge_asgi.contract import NOTHING, BodyReader, Description, HostCalls, Json, Lease, watched
from mockforge_asgi.contract.description import accept_config, read_description
from mockforge_asgi.errors import ClientDisconnected, LimitExceeded, PluginFailed, PluginRejected, PluginUnavailable, RequestRejected
from mockforge_asgi.events import CallFinished, EventStream
from mockforge_asgi.exact_json import dumps
from mockforge_asgi.wasm.component.rerun import Rerun
from mockforge_asgi.wasm.fiber import FAREWELL, SETUP, Budget, Fiber
from mockforge_asgi.wasm.instance import Guest, GuestInstance, Instance, PooledInstance, Watch, call
from mockforge_asgi.wasm.leases import RequestLease, SharedLease
from mockforge_asgi.wasm.memory_budget import MemoryBudget
from mockforge_asgi.wasm.pool import PluginPool

A = TypeVar("A")


@dataclass(frozen=True, slots=True)
class HostOptions:
    """What the operator and the manifest say about running a plugin."""

    plugin: str
    version: str
    config: Json
    budget: Budget
    is_per_request: bool = False
    pool: InstancesConfig = field(default_factory=InstancesConfig)
    charge_bytes: int = 0
    """What an instance counts for under `limits.pool_memory_mb`; 0: what its store may come to hold."""
    drain_s: float = 10.0
    explains: bool = False
    """Whether what is found out about a call that was over its time may cost another run of it: in development mode."""
    where: Callable[[str], str] | None = None
    """The place of a part of `config` that the plugin names."""
    prefix: str = ""
    """What the paths of its endpoints begin with."""


class WasmHost:
    """A `PluginHost` over sandboxed guests."""

    def __init__(
        self,
        options: HostOptions,
        guest: Guest,
        host_calls: HostCalls,
        memory: MemoryBudget,
        events: EventStream,
    ) -> None:
        self.options, self._guest, self.host_calls, self.events = options, guest, host_calls, events
        self.scheduler = guest.scheduler
        self.watch: Watch | None = None
        self.rerun: Rerun | None = None
        """Finds the line of a call that was over its time."""
        self.is_over = False
        """Whether what outlasted its drain time was ended."""
        self._pool = PluginPool(memory, options.plugin, self._make, options.pool, options.charge_bytes)
        about = {"id": options.plugin, "version": options.version, "prefix": options.prefix}
        isolation = "per_request" if options.is_per_request else "reused"
        self._init = dumps({"config": options.config, "plugin": about, "isolation": isolation, "development": options.explains})
        self._ops: frozenset[str] = frozenset()
        self._has_started = False

    def fiber(self, op: str, *, budget: Budget | None = None, request: BodyReader | None = None) -> Fiber:
        """A fiber for one call of this plugin."""
        options = self.options
        return Fiber(options.plugin, op, budget or options.budget, self.host_calls, request, [] if options.explains else None)

    async def open(self) -> Description:
        """Describe and validate the configuration in a throw-away instance. Raises PluginRejected, ConfigError."""
        instance = await self._instantiate()
        try:
            fiber = self.fiber("describe", budget=SETUP)
            said = read_description(self.options.plugin, await self._step(fiber, NOTHING, instance.describe(fiber)))
            self._ops = said.ops
            self._pool.dismiss = self._dismiss if "plugin.destroy" in said.ops else None
            if "plugin.validate_config" in said.ops:
                if instance.broken:  # it described itself and exited
                    instance.close()
                    instance = await self._instantiate()
                fiber, document = self.fiber("plugin.validate_config", budget=SETUP), dumps({"config": self.options.config})
                found = await self._step(fiber, document, call(instance, fiber, document))
                accept_config(self.options.plugin, found, self.options.where)
        except PluginFailed as error:
            raise PluginRejected(self.options.plugin, str(error)) from error
        finally:
            instance.close()
        return said

    async def _instantiate(self) -> GuestInstance:
        try:
            return await self._load()
        except LimitExceeded:
            raise
        except PluginFailed as error:
            raise PluginRejected(self.options.plugin, error.author_traceback or str(error)) from error

    async def _load(self) -> GuestInstance:
        return await self._step(fiber := self.fiber("plugin.load", budget=SETUP), NOTHING, self._guest.instantiate(fiber))

    async def _make(self) -> Instance:
        """A ready instance for the pool: loaded and initialised."""
        try:
            instance = await self._load()
            try:
                if "plugin.init" in self._ops:
                    fiber = self.fiber("plugin.init", budget=SETUP)
                    await self._step(fiber, self._init, call(instance, fiber, self._init))
                    if instance.broken:
                        raise PluginFailed(self.options.plugin, "plugin.init", "its code left with status 0; return from it instead")
            except BaseException:
                instance.close()
                raise
        except PluginFailed as error:
            if self.watch is not None and self._pool.live <= 1:  # the one that was being made
                self.watch.unmade(error)
            raise
        if self.watch is not None:
            self.watch.made()
        return instance

    def refuse_waiting(self, refusal: Callable[[], PluginUnavailable]) -> None:
        """Tell the calls that wait for an instance that they get none."""
        self._pool.refuse_waiting(refusal)

    async def start(self) -> None:
        """Make the first instance, run `start` in it, and prepare the warm ones. Raises PluginFailed when it cannot start."""
        held = await self._pool.acquire(asyncio.get_running_loop().time() + 2 * SETUP.timeout_s)
        fiber = self.fiber("plugin.start", budget=SETUP)
        has_run = "plugin.start" in self._ops
        try:
            if has_run:
                await self.run(held, fiber, NOTHING)
        finally:
            if has_run and self.options.is_per_request:
                self._pool.discard(held)
            else:
                self._pool.release(held)
        self._has_started = True
        self._pool.prepare()

    async def _stop(self) -> None:
        """Run `stop` once, when no call runs any more, in an instance made for it."""
        if not self._has_started or "plugin.stop" not in self._ops:
            return
        instance = await self._make()
        try:
            await self.run(PooledInstance(instance), self.fiber("plugin.stop", budget=SETUP), NOTHING)
        finally:
            await self._dismiss(instance)

    async def _dismiss(self, instance: Instance) -> None:
        """Run `destroy` in an instance that is whole, then free it."""
        try:
            if "plugin.destroy" in self._ops and not instance.broken:
                await self.run(PooledInstance(instance), self.fiber("plugin.destroy", budget=FAREWELL), NOTHING)
        except (PluginFailed, PluginUnavailable):
            pass  # an event has told it, and the instance goes anyway
        finally:
            instance.close()

    def lease(self) -> Lease:
        """A lease for one request or one task."""
        return RequestLease(self, self._pool) if self.options.is_per_request else SharedLease(self, self._pool)

    async def close(self) -> None:
        """Refuse new calls, drain those that run, stop the plugin, free its instances."""
        self.watch = None  # whether it can still be made concerns nobody
        try:
            await self._pool.close(self.options.drain_s, self._end_all)
            await self._stop()
        except (PluginFailed, PluginUnavailable) as error:
            self.events.emit(CallFinished(plugin=self.options.plugin, op="plugin.stop", outcome="failed", wall_s=0.0, error=str(error)))
        finally:
            await self.host_calls.close()
            if self._pool.live == 0:
                self._guest.close()

    def _end_all(self) -> None:
        """End what outlasted the drain time; what is released from now on is freed without `destroy`."""
        self.is_over = True
        self._pool.dismiss = None
        self.scheduler.end(self.host_calls)

    async def acquire(self, fiber: Fiber) -> PooledInstance:
        """Waits for an instance; the wait counts against the call's `timeout_ms`. Raises PluginUnavailable, PluginFailed."""
        began_s = perf_counter()
        fiber.deadline = self.scheduler.loop.time() + fiber.budget.timeout_s
        try:
            with watched(fiber.request):
                return await self._pool.acquire(fiber.deadline)
        except BaseException as error:
            self.tell_not_begun(fiber, began_s, error)
            raise

    async def run(self, held: PooledInstance, fiber: Fiber, document: bytes) -> Json:
        """One call on an acquired instance."""
        return await self.told(held, fiber, document, perf_counter(), call(held.instance, fiber, document))

    async def told(self, held: PooledInstance, fiber: Fiber, document: bytes, began_s: float, rest: Coroutine[Any, Any, Json]) -> Json:
        """The answer; an event tells of a failure, and of a success when somebody listens."""
        try:
            answer = await rest
        except LimitExceeded as error:
            raise await self._over(held, fiber, document, began_s, error) from None
        except BaseException as error:
            self.tell(held, fiber, began_s, _outcome(error), str(error))
            raise
        if began_s >= self.events.silent_until_s and self.events.hears_calls(began_s):
            self.tell(held, fiber, began_s, "ok")
        return answer

    async def _over(self, held: PooledInstance, fiber: Fiber, document: bytes, began_s: float, error: LimitExceeded) -> LimitExceeded:
        """The error of a call that was over a limit, with its line where that can be found, after an event has told of it."""
        failed_s = perf_counter()
        try:
            error = await self._located(fiber, document, error)
        finally:
            self.tell(held, fiber, began_s + perf_counter() - failed_s, "limit", str(error))
        return error

    async def _located(self, fiber: Fiber, document: bytes, error: LimitExceeded) -> LimitExceeded:
        if self.rerun is None or error.limit not in ("cpu_ms", "timeout_ms"):
            return error
        place = await self.rerun.place(fiber, document, self._init if "plugin.init" in self._ops else None)
        return error if place is None else fiber.over(error.limit, place)

    async def _step(self, fiber: Fiber, document: bytes, call: Awaitable[A]) -> A:
        """One step of making an instance ready; the error of one that is over its time names the line where that can be found."""
        try:
            return await call
        except LimitExceeded as error:
            raise await self._located(fiber, document, error) from None

    def tell(self, held: PooledInstance, fiber: Fiber, began_s: float, outcome: str, error: str = "") -> None:
        """An event about a call that has ended."""
        wall_s, used = perf_counter() - began_s, held.instance.memory_bytes
        self.events.emit(CallFinished(
            plugin=fiber.plugin, op=fiber.op, outcome=outcome, wall_s=wall_s, cpu_s=fiber.cpu_s, slices=fiber.slices, memory_bytes=used,
            error=error,
        ))  # fmt: skip

    def tell_not_begun(self, fiber: Fiber, began_s: float, error: BaseException) -> None:
        """An event about a call that has waited in vain, or whose caller has left meanwhile."""
        outcome, wall_s = "unavailable" if isinstance(error, PluginUnavailable) else _outcome(error), perf_counter() - began_s
        if outcome in ("unavailable", "cancelled"):
            self.events.emit(CallFinished(plugin=fiber.plugin, op=fiber.op, outcome=outcome, wall_s=wall_s, error=str(error)))


def _outcome(error: BaseException) -> str:
    if isinstance(error, asyncio.CancelledError | ClientDisconnected | RequestRejected):
        return "cancelled"
    return "limit" if isinstance(error, LimitExceeded) else "failed"
