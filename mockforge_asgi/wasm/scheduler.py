"""Runs fibers on the event loop: one time slice of guest work per loop turn, whoever computes.

A call's first poll is made at once if this turn's slice is not used up: most calls end there, without a task
switch. A guest that goes on computing queues; a guest at a door is answered at once or suspended until the host's
coroutine is done. Calls that have used little go first; the greedy ones get what is left, and a slice every few milliseconds.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Any, Final

from wasmtime import _bindings as ffi

from mockforge_asgi.contract import HostCalls, watched
from mockforge_asgi.errors import HostCallError, MockForgeError, PluginCrashed, PluginUnavailable
from mockforge_asgi.wasm.fiber import NO_FINALIZER, Continuation, Fiber, HostCallRequest
from mockforge_asgi.wasm.ticker import TICK_S, Ticker

_GREEDY_AFTER_S: Final = 2 * TICK_S
_REST_TURNS: Final = 3
_GREEDY_EVERY_S: Final = 4 * TICK_S
"""However busy the loop and the other guests are, greedy ones get a slice so often: making an instance is such work too."""

_poll = ffi._wasmtime_call_future_poll
_delete = ffi._wasmtime_call_future_delete


class Scheduler:
    """One per event loop. `current` is the fiber being polled: what host callbacks record into."""

    __slots__ = (
        "_doors_from_s",
        "_fresh",
        "_greedy",
        "_idle",
        "_is_closed",
        "_loop",
        "_open_turn",
        "_overdue_s",
        "_queued",
        "_resting",
        "_running",
        "_spent_s",
        "current",
        "is_answered",
        "ticker",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, ticker: Ticker) -> None:
        self._loop, self.ticker = loop, ticker
        self._fresh: deque[Fiber] = deque()
        self._greedy: deque[Fiber] = deque()
        self._spent_s = self._overdue_s = 0.0
        self._doors_from_s: float | None = 0.0
        """The thread's time at the first door of a first poll; None before it."""
        self._resting = 0
        self._open_turn = self._queued = self._is_closed = False
        self._running: dict[asyncio.Timeout, Fiber] = {}
        self._idle: asyncio.Future[None] | None = None
        self.current: Fiber | None = None
        self.is_answered: Any = Continuation(self._is_answered)
        """The C callback by which a suspended guest asks whether its door has answered."""

    async def run(self, fiber: Fiber) -> None:
        """Drive the fiber's call to its end; afterwards its result cells hold what the guest left.

        Raises LimitExceeded over `cpu_ms` or `timeout_ms`, PluginUnavailable when the scheduler is closed, PluginCrashed when a
        door broke, HostCallError never (the guest sees it), CancelledError when the caller leaves. Whenever it raises, the guest
        was unwound in mid-call and its instance must be thrown away.
        """
        ticker = self.ticker
        ticker.active += 1
        try:
            if self._is_closed:
                raise PluginUnavailable(fiber.plugin, "it is being stopped")
            if ticker.asleep:
                ticker.wake()
            if self._spent_s < TICK_S and self._first_poll(fiber):
                return
            await self._finish(fiber)
        finally:
            ticker.active -= 1
            call, fiber.call = fiber.call, None
            _delete(call)

    async def close(self) -> None:
        """End every call that still runs, which raises PluginUnavailable, and refuse new ones: nothing ticks from now on."""
        self._is_closed = True
        if self._running:
            self._idle = self._loop.create_future()
            for clock in self._running:
                if not clock.expired():
                    clock.reschedule(self._loop.time())
            await self._idle

    def end(self, doors: HostCalls) -> None:
        """End the calls of one plugin generation, told by its doors, that still run; each raises PluginUnavailable."""
        for clock, fiber in self._running.items():
            if fiber.doors is doors and not clock.expired():
                fiber.is_ended = True
                clock.reschedule(self._loop.time())

    def _first_poll(self, fiber: Fiber) -> bool:
        if not self._open_turn:
            self._open_turn = True
            self._loop.call_soon(self._close_turn)
        before_s, self._doors_from_s = self._spent_s, None
        done = self._slice(fiber)
        spent_s, doors_from_s, self._doors_from_s = self._spent_s - before_s, self._doors_from_s, 0.0
        if spent_s > _GREEDY_AFTER_S:  # of wall time, in which this thread may have been preempted; the ticker stops guests, not doors
            spent_s = max(_GREEDY_AFTER_S, time.thread_time() - doors_from_s if doors_from_s else 0.0)
        fiber.cpu_s += spent_s
        return done

    def _slice(self, fiber: Fiber) -> bool:
        """Polls, and answers doors that need no waiting, until the guest ends (True), computes on, or waits (False)."""
        self.current = fiber
        fiber.slices += 1
        began = time.perf_counter()
        try:
            while True:
                done = _poll(fiber.call)
                if done or fiber.pending is None or not self._answer_now(fiber, fiber.pending):
                    return bool(done)
                if self._spent_s + time.perf_counter() - began >= TICK_S:
                    return False
        finally:
            self.current = None
            self._spent_s += time.perf_counter() - began

    def _answer_now(self, fiber: Fiber, request: HostCallRequest) -> bool:
        if self._doors_from_s is None:
            self._doors_from_s = time.thread_time()
        try:
            answer = fiber.doors.call_now(request.name, request.arguments())
            if answer is NotImplemented:
                return False
            request.answer(answer, None)
        except HostCallError as error:
            request.answer(None, error)
        except MockForgeError:
            raise
        except Exception as error:
            raise _broken_door(fiber, request, error) from error
        return True

    async def _finish(self, fiber: Fiber) -> None:
        if fiber.deadline is None:
            fiber.deadline = self._loop.time() + fiber.budget.timeout_s
        clock = asyncio.timeout_at(fiber.deadline)
        try:
            with watched(fiber.request):
                async with clock:
                    self._running[clock] = fiber
                    while True:
                        request = fiber.pending
                        if request is not None and not request.done:
                            await self._answer(fiber, request)
                        if await self._queue(fiber):
                            return
        except TimeoutError as error:
            if self._is_closed or fiber.is_ended:
                raise PluginUnavailable(fiber.plugin, "it is being stopped") from None
            raise fiber.over("timeout_ms") from error
        finally:
            self._running.pop(clock, None)
            if self._idle is not None and not self._running and not self._idle.done():
                self._idle.set_result(None)

    async def _answer(self, fiber: Fiber, request: HostCallRequest) -> None:
        ticker = self.ticker
        ticker.active -= 1  # nothing computes here
        try:
            answer = await fiber.doors.call(request.name, request.arguments(), fiber.request)
            began_s = time.thread_time()
            request.answer(answer, None)
            fiber.cpu_s += time.thread_time() - began_s
        except HostCallError as error:
            request.answer(None, error)
        except MockForgeError:
            raise
        except Exception as error:
            raise _broken_door(fiber, request, error) from error
        finally:
            ticker.active += 1
        if ticker.asleep:
            ticker.wake()

    async def _queue(self, fiber: Fiber) -> bool:
        """Waits until the fiber ended (True) or stands at a door that has to be waited for (False)."""
        fiber.waiter = self._loop.create_future()
        (self._greedy if fiber.cpu_s > _GREEDY_AFTER_S else self._fresh).append(fiber)
        if not self._queued:
            self._queued = True
            self._loop.call_soon(self._turn)
        try:
            return bool(await fiber.waiter)
        finally:
            fiber.waiter = None

    def _close_turn(self) -> None:
        self._open_turn = False
        if not self._queued:
            self._spent_s = 0.0

    def _turn(self) -> None:
        """One loop turn's worth of guest work."""
        self._spent_s = 0.0
        if self._resting:
            self._resting -= 1
        if self._greedy and self._loop.time() >= self._overdue_s:
            self._greedy_step()
        while self._fresh and self._spent_s < TICK_S:
            self._step(self._fresh.popleft())
        if self._greedy and not self._resting and self._spent_s < TICK_S / 2:
            self._greedy_step()
        self._queued = bool(self._fresh or self._greedy)
        if self._queued:
            self._loop.call_soon(self._turn)
        else:
            self._first_poll_allowed_next_turn()

    def _greedy_step(self) -> None:
        """A slice for a guest that has had several; then the loop gets a few turns of its own, which cost little when it is idle."""
        while self._greedy:
            fiber = self._greedy.popleft()
            if fiber.waiter is not None and not fiber.waiter.done():  # else it was cancelled or timed out while it queued
                self._step(fiber)
                self._resting, self._overdue_s = _REST_TURNS, self._loop.time() + _GREEDY_EVERY_S
                return

    def _first_poll_allowed_next_turn(self) -> None:
        if not self._open_turn:
            self._open_turn = True
            self._loop.call_soon(self._close_turn)

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
        elif fiber.pending is not None and not fiber.pending.done:
            waiter.set_result(False)
        else:
            (self._greedy if fiber.cpu_s > _GREEDY_AFTER_S else self._fresh).append(fiber)

    def _is_answered(self, _env: object) -> bool:
        fiber = self.current
        if fiber is None or fiber.pending is None or not fiber.pending.done:
            return False
        fiber.pending = None
        return True

    def suspend(self, continuation: Any, request: HostCallRequest) -> None:
        """Called by a host callback, on the fiber's stack: note the request, give wasmtime the pending continuation."""
        fiber = self.current
        assert fiber is not None
        fiber.pending = request
        cell = continuation.contents
        cell.callback = self.is_answered
        cell.env = None
        cell.finalizer = NO_FINALIZER


def _broken_door(fiber: Fiber, request: HostCallRequest, error: Exception) -> PluginCrashed:
    return PluginCrashed(fiber.plugin, fiber.op, f"the door '{request.name[:40]}' failed: {type(error).__name__}: {error}")
