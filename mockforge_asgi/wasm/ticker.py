"""The clock of running guests: one thread that raises the engines' epoch, at which a guest gives the event loop back.

While calls are beyond their first time slice it ticks each millisecond. While there are only first slices, in which nearly all calls end,
it looks each 3 ms whether one has run for too long: each look takes the interpreter lock from the loop, and a tick in a short call would
cost that call a turn of the loop. So a first slice takes 4 ms at most, and any other about one; for half a second after a guest was seen to
compute for long, first slices too.
"""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Final

from mockforge_asgi.wasm.engine import Engines
from mockforge_asgi.wasm.ffi import raise_epoch

TICK_S: Final = 0.001
"""One time slice: a guest that computes yields at each tick."""
LOOK_S: Final = 0.003
"""How often first slices are looked at. One that is younger than a tick is left to the next look."""
_ALERT_S: Final = 0.5
"""A guest that computes for 4 ms at once each half second takes less than a hundredth of the loop's time: no p99 tells of it."""

_IDLE_S: Final = 0.05


class Ticker:
    """Ticks while `active` is not zero, looks at first slices, sleeps for good after a short idle time, and is woken by the next call."""

    __slots__ = ("_engines", "_stopped", "_thread", "_wake", "active", "alert_until_s", "asleep", "first_since_s", "ticks")

    def __init__(self, engines: Engines) -> None:
        self._engines, self._stopped = engines, False
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self.active = 0
        """How many calls compute beyond their first time slice; changed by the loop's thread only."""
        self.first_since_s = 0.0
        """Since when (`time.perf_counter`) the first slice of a call has been running; 0.0 when none does. Set before `asleep` is read."""
        self.alert_until_s = 0.0
        """Until when (`time.perf_counter`) a tick ends first slices whatever their age."""
        self.asleep = True
        self.ticks = 0

    def alert(self) -> None:
        """A guest computes for long: keep first slices short for a while."""
        self.alert_until_s = time.perf_counter() + _ALERT_S

    def wake(self) -> None:
        """Make sure it ticks; called when `asleep` is seen at the start of a call."""
        self.asleep = False
        if self._thread is None and not self._stopped:
            self._thread = threading.Thread(target=self._run, name="mockforge-ticker", daemon=True)
            self._thread.start()
        self._wake.set()

    async def stop(self) -> None:
        """End the thread, which the loop does not wait for; nothing may be in flight any more."""
        self._stopped = True
        self._wake.set()
        while self._thread is not None and self._thread.is_alive():
            await asyncio.sleep(TICK_S)

    def _run(self) -> None:
        idle_s, has_ticked, sleep, clock = 0.0, False, time.sleep, time.perf_counter
        while not self._stopped:
            is_alert = clock() < self.alert_until_s
            pause_s = TICK_S if self.active or is_alert or has_ticked else LOOK_S
            idle_s = 0.0 if self.active or self.first_since_s else idle_s + pause_s
            if idle_s > _IDLE_S:
                self._sleep_until_woken()
                idle_s = 0.0
            sleep(pause_s)
            since_s = self.first_since_s
            has_ticked = self.active > 0 or (since_s > 0.0 and (is_alert or clock() - since_s >= TICK_S))
            if has_ticked:
                self.ticks += 1
                for engine in self._engines.live:
                    raise_epoch(engine.ptr())

    def _sleep_until_woken(self) -> None:
        self._wake.clear()
        self.asleep = True
        if not self.active and not self.first_since_s and not self._stopped:  # a call may have begun between the last look and `asleep`
            self._wake.wait()
        self.asleep = False
