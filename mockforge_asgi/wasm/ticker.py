"""When a guest's time slice ends: at the next raise of its engine's epoch, which the ticker puts off while calls are short.

Before a guest runs, the ticker sets a timer (`timers.py`) for the end of the time slice, unless it is set for about then. As long as calls
end in time and others follow, it is only ever set anew: nothing ticks. A first time slice, in which nearly all calls end, takes 3 ms at
most, any other about one; for half a second after a guest was seen to compute for long, first slices too.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

import wasmtime

from mockforge_asgi.wasm.engine import Engines
from mockforge_asgi.wasm.ffi import poll, poll_briefly
from mockforge_asgi.wasm.timers import SystemTimer, Timer, new_timer

TICK_S: Final = 0.001
"""One time slice: a guest that computes yields when it is over."""
FIRST_S: Final = 0.003
"""A call's first one. A raise in a short call would cost that call a turn of the loop."""
_ALERT_S: Final = 0.5
"""A guest that computes for 3 ms at once each half second takes less than a hundredth of the loop's time: no p99 tells of it."""
_IDLE_S: Final = 1.0


class Ticker:
    """Ends time slices on the engines of one loop. `due_s` is when it raises their epochs next (`time.perf_counter`); 0.0: not at all."""

    __slots__ = ("_is_stopped", "_loop", "_new_timer", "_used_s", "_watch", "alert_until_s", "due_s", "first_left_s", "poll", "timers")

    def __init__(
        self, engines: Engines, loop: asyncio.AbstractEventLoop, new_timer: Callable[[wasmtime.Engine], Timer] = new_timer
    ) -> None:
        self._loop, self._new_timer = loop, new_timer
        self._watch: asyncio.TimerHandle | None = None
        self._is_stopped = False
        self._used_s = self.due_s = self.alert_until_s = 0.0
        self.first_left_s = FIRST_S
        """A first slice may begin when at least so much of the time is left; otherwise `first` must be called before."""
        self.timers: list[Timer] = []
        self.poll = poll_briefly
        """Runs a guest for a first slice: with the interpreter lock held, if the timers can do without."""
        engines.attend(self._add_timer)

    def alert(self) -> None:
        """A guest computes for long: keep first slices short for a while."""
        self.alert_until_s = time.perf_counter() + _ALERT_S
        if self.first_left_s > TICK_S:
            self.due_s = 0.0

    def first(self, now_s: float) -> None:
        """A first slice begins, with less time left than it may want."""
        is_alert = now_s < self.alert_until_s
        self.first_left_s = 0.7 * (TICK_S if is_alert else FIRST_S)
        self._set(now_s, TICK_S if is_alert else FIRST_S)

    def next(self, now_s: float) -> None:
        """Another slice than a call's first begins."""
        if not 0.7 * TICK_S <= self.due_s - now_s <= TICK_S:
            self._set(now_s, TICK_S)

    def _set(self, now_s: float, slice_s: float) -> None:
        self._used_s, self.due_s = now_s, now_s + slice_s
        for timer in self.timers:
            timer.set(slice_s)
        if self._watch is None and not self._is_stopped:
            self._watch = self._loop.call_later(_IDLE_S, self._rest)

    def _add_timer(self, engine: wasmtime.Engine) -> None:
        timer = self._new_timer(engine)
        self.timers.append(timer)
        if not isinstance(timer, SystemTimer):
            self.poll = poll
        self.due_s = 0.0

    def _rest(self) -> None:
        """Raise nothing while no guest has run for a while."""
        if time.perf_counter() - self._used_s < _IDLE_S:
            self._watch = self._loop.call_later(_IDLE_S, self._rest)
        else:
            self._watch = None
            self.pause()

    def pause(self) -> None:
        """Raise nothing until the next slice begins. From any thread."""
        self.due_s = 0.0
        for timer in self.timers:
            timer.stop()

    def stop(self) -> None:
        """End the timers; nothing may be in flight any more."""
        self._is_stopped = True
        if self._watch is not None:
            self._watch.cancel()
        while self.timers:
            self.timers.pop().close()
