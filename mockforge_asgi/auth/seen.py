"""What one process knows of callers by itself: who has failed lately, which lets all others pass without a look at the shared state, who
has to wait, which need not be looked up twice, and how many requests of one that failed are being decided.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from mockforge_asgi.locks import ProcessLock

_SLOTS: Final = 1 << 18
_MAX_WAITS: Final = 4096


class SeenFailures:
    """Remembers a caller for at least `lasts_s` seconds, and never more than `2 * _SLOTS` bytes.

    Some callers share a slot, more of them the more have failed: whoever is taken for another is looked up, and nothing else.
    """

    __slots__ = ("_clock", "_lasts_s", "_new", "_old", "_turns_at_s", "is_any")

    def __init__(self, lasts_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._lasts_s, self._clock = lasts_s, clock
        self._new: bytearray | None = None
        self._old: bytearray | None = None
        self._turns_at_s = 0.0
        self.is_any = False
        """Whether anybody has failed lately."""

    def add(self, caller: str) -> None:
        """It has failed."""
        self._turn()
        new = self._new or bytearray(_SLOTS)
        new[hash(caller) & _SLOTS - 1] = 1
        self._new, self.is_any = new, True

    def __contains__(self, caller: str) -> bool:
        """Whether it may have failed."""
        self._turn()
        slot = hash(caller) & _SLOTS - 1
        return any(seen is not None and seen[slot] for seen in (self._new, self._old))

    def _turn(self) -> None:
        now = self._clock()
        if now < self._turns_at_s:
            return
        self._old = self._new if now < self._turns_at_s + self._lasts_s else None
        self._new, self._turns_at_s = None, now + self._lasts_s
        self.is_any = self._old is not None


class KnownWaits:
    """How long some counts still have to wait. Nothing ends a wait before its time, so what is known of one stays true."""

    __slots__ = ("_clock", "_until_s")

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until_s: dict[str, float] = {}

    def left_s(self, key: str) -> float:
        """So long, as far as is known; 0 or less: not known."""
        until_s = self._until_s.get(key)
        return 0.0 if until_s is None else until_s - self._clock()

    def note(self, key: str, wait_s: float) -> None:
        """It has to wait so long."""
        if wait_s > 0:
            if len(self._until_s) >= _MAX_WAITS:
                self._until_s.clear()
            self._until_s[key] = self._clock() + wait_s


class UnderWay:
    """Requests that are being decided, by what counts them. Those of a parent process are none of a forked child's."""

    __slots__ = ("_counts", "_lock")

    def __init__(self) -> None:
        self._counts = Counter[str]()
        self._lock: Final = ProcessLock(forked=self._counts.clear)

    def enter(self, most: Mapping[str, int]) -> bool:
        """One more under each of the keys, if there may be so many. `leave` must follow."""
        with self._lock.here():
            if any(self._counts[key] >= number for key, number in most.items()):
                return False
            self._counts.update(most.keys())
            return True

    def leave(self, keys: Iterable[str]) -> None:
        """One less under each."""
        with self._lock.here():
            for key in keys:
                self._counts[key] -= 1
                if self._counts[key] <= 0:
                    del self._counts[key]
