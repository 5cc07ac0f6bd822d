"""Runs fibers on the event loop: one time slice of guest work per loop turn, whoever computes. `ticker.py` is what ends it.

A call's first time slice is given at once (`first_slice`, a plain function) if this turn's time is not used up: most calls end there, and
cost no coroutine, future, time-out or timer. `finish` drives one that goes on: a guest that computes queues; one that calls its host is
answered at once, or suspended until the host's coroutine is done. Calls that have used little go first; greedy ones get what is left.

A call that comes when the turn's time is used up, or when others wait, is to `arrive`, and has no instance until it is begun, in the order
they came: else each of many would hold one for nothing but to queue, and later ones would go first.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Any, Final

from mockforge_asgi.contract import HostCalls, watched
from mockforge_asgi.errors import PluginUnavailable
from mockforge_asgi.wasm.ffi import delete, poll
from mockforge_asgi.wasm.fiber import MAX_RECORDED, NO_FINALIZER, Arrival, Continuation, Fiber, HostCallRequest, answer_later, answer_now
from mockforge_asgi.wasm.ticker import TICK_S, Ticker

_GREEDY_AFTER_S: Final = 2 * TICK_S
_REST_TURNS: Final = 3
_GREEDY_EVERY_S: Final = 4 * TICK_S
"""However busy the loop and the other guests are, greedy ones get a slice so often: making an instance is such work too."""

_SMALL_S: Final = TICK_S / 10
"""A first slice that takes less does not count: what else the loop does for its request takes longer."""

_clock: Final = time.perf_counter


class Scheduler:
    """One per event loop. `current` is the fiber being polled: what host callbacks record into."""

    __slots__ = (
        "_arrivals", "_fresh", "_greedy", "_idle", "_is_closed", "_is_turn_open", "_overdue_s", "_queued", "_resting",
        "_running", "_spent_s", "current", "is_answered", "is_free", "loop", "ticker",
    )  # fmt: skip

    def __init__(self, loop: asyncio.AbstractEventLoop, ticker: Ticker) -> None:
        self.loop, self.ticker = loop, ticker
        self._arrivals: deque[Arrival] = deque()
        self._fresh: deque[Fiber] = deque()
        self._greedy: deque[Fiber] = deque()
        self._spent_s = self._overdue_s = 0.0
        self._resting = 0
        self._is_turn_open = self._queued = self._is_closed = False
        self.is_free = True
        """Whether a call may begin at once; else it is to `arrive`, without an instance."""
        self._running: dict[asyncio.Timeout, Fiber] = {}
        self._idle: asyncio.Future[None] | None = None
        self.current: Fiber | None = None
        self.is_answered: Any = Continuation(self._is_answered)
        """The C callback by which a suspended guest asks whether its host call was answered."""

    async def run(self, fiber: Fiber) -> None:
        """Drive the fiber's call to its end; afterwards its result cells hold what the guest left.

        Raises LimitExceeded over `cpu_ms` or `timeout_ms`, PluginUnavailable when the scheduler is closed, PluginCrashed when a
        host call broke, ClientDisconnected, HostCallError never (the guest sees it), CancelledError when the caller leaves. Whenever it
        raises, the guest was unwound in mid-call and its instance must be thrown away.
        """
        if not self.first_slice(fiber):
            await self.finish(fiber)

    def first_slice(self, fiber: Fiber) -> bool:
        """Poll the call at once, unless guests have used up this turn of the loop. True: it has ended, as most do here.

        After False `await finish(fiber)` must come, and nothing before it. Raises as `run` does.
        """
        if self._spent_s >= TICK_S or self._is_closed:
            return False
        ticker, answers_s = self.ticker, 0.0
        self.current = fiber
        fiber.slices += 1
        began_s = _clock()
        if ticker.due_s - began_s < ticker.first_left_s:
            ticker.first(began_s)
        try:
            has_ended: bool = ticker.poll(fiber.call)
            if fiber.pending is not None and not has_ended:
                answers_from_s = time.thread_time()
                has_ended = self._answer_and_go_on(fiber, began_s)
                answers_s = time.thread_time() - answers_from_s
        except BaseException:
            self._count(_clock() - began_s)
            delete(fiber.call)
            fiber.call = None
            raise
        finally:
            self.current = None
        if has_ended:
            delete(fiber.call)
            fiber.call = None
        spent_s = _clock() - began_s
        if spent_s > _SMALL_S:
            self._count(spent_s)
            if spent_s > TICK_S:  # wall time, in which this thread may have been preempted; the ticker ends guests, not host calls
                spent_s = max(TICK_S, answers_s)
        fiber.cpu_s += spent_s
        return has_ended

    def _count(self, spent_s: float) -> None:
        """Guests have computed for so long in this turn of the loop."""
        self._spent_s += spent_s
        if self._spent_s >= TICK_S:
            self.is_free = False
        if not self._is_turn_open:  # have it forgotten in the next one
            self._is_turn_open = True
            self.loop.call_soon(self._close_turn)

    def arrive(self, call: Arrival) -> None:
        """Have a call begun once those that came before it have, and guests may compute."""
        self._arrivals.append(call)
        self._call_turn()

    def arrive_first(self, call: Arrival) -> None:
        """The same for one that has waited in turn before."""
        self._arrivals.appendleft(call)
        self._call_turn()

    async def finish(self, fiber: Fiber) -> None:
        """Drive a call to its end that did not end in its first slice; see `run`."""
        try:
            if fiber.left is not None:
                raise fiber.left
            if self._is_closed:
                raise _stopped(fiber)
            await self._finish(fiber)
        finally:
            call, fiber.call = fiber.call, None
            delete(call)

    async def close(self) -> None:
        """End every call that still runs, which raises PluginUnavailable, and refuse new ones: nothing ticks from now on."""
        self._is_closed, self.is_free = True, False
        self.end(None)
        if self._running:
            self._idle = self.loop.create_future()
            await self._idle

    def end(self, host_calls: HostCalls | None) -> None:
        """End the calls of one plugin generation, told by its host calls, that wait or run; None: all. Each raises PluginUnavailable."""
        for call in self._arrivals:
            if host_calls is None or call.fiber.host_calls is host_calls:
                call.set_exception(_stopped(call.fiber))
        for clock, fiber in self._running.items():
            if (host_calls is None or fiber.host_calls is host_calls) and not clock.expired():
                fiber.is_ended = True
                clock.reschedule(self.loop.time())

    def _slice(self, fiber: Fiber) -> bool:
        """One time slice: until the guest ends (True), computes on, or waits (False)."""
        self.current = fiber
        fiber.slices += 1
        began_s = _clock()
        self.ticker.next(began_s)
        run = poll if fiber.cpu_s > _GREEDY_AFTER_S else self.ticker.poll
        try:
            return run(fiber.call) or (fiber.pending is not None and self._answer_and_go_on(fiber, began_s))
        finally:
            self.current = None
            self._spent_s += _clock() - began_s

    def _answer_and_go_on(self, fiber: Fiber, began_s: float) -> bool:
        """Answer host calls that need no waiting, for the rest of a time slice; True when the guest ends in it."""
        while fiber.pending is not None and answer_now(fiber, fiber.pending):
            if self._spent_s + _clock() - began_s >= TICK_S:
                return False
            if self.ticker.poll(fiber.call):
                return True
        return False

    async def _finish(self, fiber: Fiber) -> None:
        if fiber.deadline is None:
            fiber.deadline = self.loop.time() + fiber.budget.timeout_s
        clock = asyncio.timeout_at(fiber.deadline)
        try:
            with watched(fiber.request):
                async with clock:
                    self._running[clock] = fiber
                    while True:
                        request = fiber.pending
                        if request is not None and request.outcome is None:
                            await answer_later(fiber, request)
                        if await self._queue(fiber):
                            return
        except TimeoutError as error:
            if fiber.is_ended:
                raise _stopped(fiber) from None
            raise fiber.over("timeout_ms") from error
        finally:
            self._running.pop(clock, None)
            if self._idle is not None and not self._running and not self._idle.done():
                self._idle.set_result(None)

    async def _queue(self, fiber: Fiber) -> bool:
        """Waits until the fiber ended (True) or made a host call that has to be waited for (False)."""
        fiber.waiter = self.loop.create_future()
        self._line_up(fiber)
        self._call_turn()
        try:
            return bool(await fiber.waiter)
        finally:
            fiber.waiter = None

    def _line_up(self, fiber: Fiber) -> None:
        if fiber.cpu_s > _GREEDY_AFTER_S:
            self._greedy.append(fiber)
            self.ticker.alert()
        else:
            self._fresh.append(fiber)

    def _call_turn(self) -> None:
        """Somebody waits: those that come from now on come after."""
        self.is_free = False
        if not self._queued:
            self._queued = True
            self.loop.call_soon(self._turn)

    def _close_turn(self) -> None:
        self._is_turn_open = False
        if not self._queued:
            self._spent_s, self.is_free = 0.0, not self._is_closed

    def _turn(self) -> None:
        """One loop turn's worth of guest work."""
        self._spent_s = 0.0
        if self._resting:
            self._resting -= 1
        if self._greedy and self.loop.time() >= self._overdue_s:
            self._greedy_step()
        while self._spent_s < TICK_S:
            if self._fresh:  # they hold instances
                self._step(self._fresh.popleft())
            elif self._arrivals:
                self._arrivals.popleft().begin()
            else:
                break
        if self._greedy and not self._resting and self._spent_s < TICK_S / 2:
            self._greedy_step()
        self._queued = bool(self._fresh or self._arrivals or self._greedy)
        self.is_free = not (self._fresh or self._arrivals or self._spent_s >= TICK_S or self._is_closed)
        if self._queued:
            self.loop.call_soon(self._turn)
        else:
            self._count(0.0)

    def _greedy_step(self) -> None:
        """A slice for a guest that has had several; then the loop gets a few turns of its own, which cost little when it is idle."""
        while self._greedy:
            fiber = self._greedy.popleft()
            if fiber.waiter is not None and not fiber.waiter.done():  # else it was cancelled or timed out while it queued
                self._step(fiber)
                self._resting, self._overdue_s = _REST_TURNS, self.loop.time() + _GREEDY_EVERY_S
                return

    def _step(self, fiber: Fiber) -> None:
        waiter = fiber.waiter
        if waiter is None or waiter.done():  # cancelled or timed out while it queued
            return
        began_s = time.thread_time()
        try:
            ended = self._slice(fiber)
        except Exception as error:  # one call's failure must not end the turns of all others
            waiter.set_exception(error)
            return
        fiber.cpu_s += time.thread_time() - began_s
        if ended:
            waiter.set_result(True)
        elif fiber.cpu_s > fiber.budget.cpu_s:
            waiter.set_exception(fiber.over("cpu_ms"))
        elif fiber.pending is not None and fiber.pending.outcome is None:
            waiter.set_result(False)
        else:
            self._line_up(fiber)

    def _is_answered(self, _env: object) -> bool:
        fiber = self.current
        if fiber is None or fiber.pending is None or fiber.pending.outcome is None:
            return False
        fiber.pending = None
        return True

    def suspend(self, continuation: Any, request: HostCallRequest) -> None:
        """Called by a host callback, on the fiber's stack: note the request, give wasmtime the pending continuation."""
        fiber = self.current
        assert fiber is not None
        fiber.pending = request
        if fiber.record is not None and len(fiber.record) < MAX_RECORDED:
            fiber.record.append(request)
        cell = continuation.contents
        cell.callback, cell.env, cell.finalizer = self.is_answered, None, NO_FINALIZER


def _stopped(fiber: Fiber) -> PluginUnavailable:
    return PluginUnavailable(fiber.plugin, "it is being stopped")
