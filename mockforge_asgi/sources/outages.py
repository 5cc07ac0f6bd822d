"""Outages of sources: while one is down, queries are refused at once, and do not each wait for a connection."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Final

FAILURES: Final = 3
"""So many in a row are an outage."""
FIRST_S: Final = 0.1
MOST_S: Final = 1.0


class Outage:
    """What is known of one source's outages. The wait doubles from `FIRST_S` to `MOST_S`, and is drawn from its upper half."""

    __slots__ = ("_clock", "_draw", "_failures", "_until")

    def __init__(self, clock: Callable[[], float] = time.monotonic, draw: Callable[[], float] = random.random) -> None:
        self._clock, self._draw = clock, draw
        self._failures, self._until = 0, 0.0

    def wait_s(self) -> float:
        """How long nobody asks, in seconds; 0: ask now. Whoever is told 0 in an outage is the only one for a while."""
        if self._failures < FAILURES:
            return 0.0
        now = self._clock()
        if now < self._until:
            return self._until - now
        self._until = now + self._delay_s()
        return 0.0

    def failed(self) -> None:
        """The source could not be reached."""
        self._failures += 1
        if self._failures >= FAILURES:
            self._until = self._clock() + self._delay_s()

    def served(self) -> None:
        """It answered."""
        self._failures = 0

    def _delay_s(self) -> float:
        full = min(MOST_S, FIRST_S * 2.0 ** min(self._failures - FAILURES, 10))
        return full * (0.5 + self._draw() / 2)
