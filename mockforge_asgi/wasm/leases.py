"""How long an instance is held: for one call (isolation `reused`), or for all calls of a request (`per_request`)."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from time import perf_counter
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final

from mockforge_asgi.contract import BodyReader, Json, watched
from mockforge_asgi.errors import PluginUnavailable
from mockforge_asgi.wasm.fiber import Fiber
from mockforge_asgi.wasm.instance import PooledInstance, answer_of, raised
from mockforge_asgi.wasm.pool import PluginPool

if TYPE_CHECKING:
    from mockforge_asgi.wasm.host import WasmHost


class SharedLease:
    """Each call runs on whichever instance is free in its turn, and gives it back."""

    __slots__ = ("_events", "_host", "pool", "scheduler")

    def __init__(self, host: WasmHost, pool: PluginPool) -> None:
        self._host, self.pool, self.scheduler, self._events = host, pool, host.scheduler, host.events

    async def call(self, op: str, document: bytes, request: BodyReader | None = None) -> Json:
        """See Lease."""
        return await answer_of(self.begin(op, document, request))

    def begin(self, op: str, document: bytes, request: BodyReader | None = None) -> Json:
        """See Lease."""
        host, idle = self._host, self.pool.idle
        options = host.options
        fiber = Fiber(options.plugin, op, options.budget, host.host_calls, request, [] if options.explains else None)
        if self.scheduler.is_free and idle:
            return self.start(idle.pop(), fiber, document)
        return self._wait(fiber, document)

    def start(self, held: PooledInstance, fiber: Fiber, document: bytes) -> Json:
        """The answer of a call that ends in its first time slice and all is told; else a coroutine that gives it."""
        began_s = perf_counter()
        try:
            answer = held.instance.begin(fiber, document)
        except BaseException as error:
            answer = raised(error)
        if type(answer) is CoroutineType:
            return self._finish(held, fiber, document, began_s, answer)
        if began_s >= self._events.silent_until_s and self._events.hears_calls(began_s):
            self._host.tell(held, fiber, began_s, "ok")
        self.pool.release(held)
        return answer

    async def _finish(self, held: PooledInstance, fiber: Fiber, document: bytes, began_s: float, rest: Coroutine[Any, Any, Json]) -> Json:
        try:
            return await self._host.told(held, fiber, document, began_s, rest)
        finally:
            self.pool.release(held)

    async def _wait(self, fiber: Fiber, document: bytes) -> Json:
        """The whole of a call that does not begin at once."""
        call, began_s = WaitingCall(self, fiber, document), perf_counter()
        try:
            with watched(fiber.request):
                begun = await call.begun()
        except BaseException as error:
            if not await call.abandon(error):
                self._host.tell_not_begun(fiber, began_s, error)
            raise
        return await answer_of(begun)

    def release(self) -> None:
        """See Lease; nothing is held between calls."""


class WaitingCall:
    """A call that waits for its turn, then for an instance where none is free, and begins where it has both."""

    __slots__ = ("_answer", "_document", "_held", "_lease", "_needs_instance", "fiber")

    def __init__(self, lease: SharedLease, fiber: Fiber, document: bytes) -> None:
        self._lease, self.fiber, self._document = lease, fiber, document
        self._answer: asyncio.Future[Json] = lease.scheduler.loop.create_future()
        self._held: PooledInstance | None = None
        self._needs_instance = False

    async def begun(self) -> Json:
        """What `SharedLease.start` gives. Raises PluginUnavailable."""
        pool, scheduler, fiber = self._lease.pool, self._lease.scheduler, self.fiber
        if pool.arriving >= pool.limits.max + pool.limits.max_waiting:
            raise pool.crowded(pool.arriving)
        fiber.deadline = scheduler.loop.time() + fiber.budget.timeout_s
        timer = scheduler.loop.call_at(fiber.deadline, self._end)
        pool.arriving += 1
        try:
            if scheduler.is_free:
                self.begin()
            else:
                scheduler.arrive(self)
            return await self._answer
        finally:
            timer.cancel()
            pool.arriving -= 1
            pool.leave(self)
            if self._held is not None:
                pool.ready(self._held)

    def begin(self) -> None:
        """See Arrival."""
        pool, held = self._lease.pool, self._held
        if self.done():
            return
        if held is None and pool.idle:
            held = pool.idle.pop()
        if held is not None:
            self._held = None
            self._answer.set_result(self._lease.start(held, self.fiber, self._document))
            return
        self._needs_instance = True
        try:
            pool.join(self)
        except PluginUnavailable as error:
            self._answer.set_exception(error)

    def done(self) -> bool:
        """Whether it waits no more."""
        return self._answer.done()

    def set_result(self, held: PooledInstance) -> None:
        """Here is an instance for it."""
        self._held = held
        self._lease.scheduler.arrive_first(self)

    def set_exception(self, error: BaseException) -> None:
        """It does not begin."""
        if not self._answer.done():
            self._answer.set_exception(error)

    def _end(self) -> None:
        """Its `timeout_ms` is over."""
        plugin = self.fiber.plugin
        why = self._lease.pool.why_none_came() if self._needs_instance else _NO_TURN.format(plugin=plugin)
        self.set_exception(PluginUnavailable(plugin, why))

    async def abandon(self, error: BaseException) -> bool:
        """Its caller has left: False where it has not begun. If it began in that very turn of the loop, it ends at once."""
        answer = self._answer
        if not answer.done() or answer.cancelled() or answer.exception() is not None:
            return False
        if type(rest := answer.result()) is CoroutineType:
            self.fiber.left = error
            await rest
        return True


_NO_TURN: Final = (
    "sandboxed calls that came before took all the time (raise plugins.{plugin}.limits.timeout_ms, or send fewer requests at once)"
)


class RequestLease:
    """One instance for all calls of one request, then thrown away."""

    __slots__ = ("_held", "_host", "_is_over", "_lock", "_pool")

    def __init__(self, host: WasmHost, pool: PluginPool) -> None:
        self._host, self._pool = host, pool
        self._held: PooledInstance | None = None
        self._lock = asyncio.Lock()
        self._is_over = False

    async def call(self, op: str, document: bytes, request: BodyReader | None = None) -> Json:
        """Run one operation. Raises PluginFailed, LimitExceeded, PluginUnavailable."""
        fiber = self._host.fiber(op, request=request)
        async with self._lock:
            try:
                self._refuse_when_over(fiber)
                if self._held is None:
                    self._held = self._pool.acquire_now() or await self._host.acquire(fiber)
                    self._refuse_when_over(fiber)
                elif self._held.instance.broken:
                    raise PluginUnavailable(fiber.plugin, "an earlier call of this request ended its instance")
                answer = await self._host.run(self._held, fiber, document)
                if self._held.instance.broken:  # it answered and exited: the next call takes another
                    self._throw_away()
                return answer
            finally:
                if self._is_over:
                    self._throw_away()

    begin = call

    def _refuse_when_over(self, fiber: Fiber) -> None:
        if self._is_over:
            raise PluginUnavailable(fiber.plugin, "the request that it was called for is over")
        if self._host.is_over:
            raise PluginUnavailable(fiber.plugin, "it is being stopped")

    def release(self) -> None:
        """Throw the instance away and have another one made ready; a call that still runs in it ends first."""
        self._is_over = True
        if not self._lock.locked():
            self._throw_away()

    def _throw_away(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            self._pool.discard(held)
            self._pool.prepare()
