"""The clock of running guests: one thread that raises the engines' epoch each millisecond while a call is in flight."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Final

from wasmtime import _bindings as ffi

from mockforge_asgi.wasm.engine import Engines

TICK_S: Final = 0.001
"""One time slice: a guest that computes yields at each tick."""

_IDLE_TICKS: Final = 50


class Ticker:
    """Ticks while `active` is not zero; sleeps for good after a short idle time and is woken by the next call."""

    __slots__ = ("_engines", "_stopped", "_thread", "_wake", "active", "asleep", "ticks")

    def __init__(self, engines: Engines) -> None:
        self._engines, self._stopped = engines, False
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self.active = 0
        """How many calls are in flight; changed by the loop's thread only."""
        self.asleep = True
        self.ticks = 0

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
        idle = 0
        sleep, raise_epoch = time.sleep, ffi._wasmtime_engine_increment_epoch
        while not self._stopped:
            idle = 0 if self.active else idle + 1
            if idle > _IDLE_TICKS:
                self._sleep_until_woken()
                idle = 0
            sleep(TICK_S)
            if self.active:
                self.ticks += 1
                for engine in self._engines.live:
                    raise_epoch(engine.ptr())

    def _sleep_until_woken(self) -> None:
        self._wake.clear()
        self.asleep = True
        if not self.active and not self._stopped:  # a call may have begun between the last look and `asleep`
            self._wake.wait()
        self.asleep = False
