"""The clock and the randomness that guests are given: the operating system's, or frozen and seeded for reproducible runs."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class ClockAndRandom:
    """Clock and randomness as functions. `REAL` is the operating system's."""

    unix_ns: Callable[[], int] = time.time_ns
    monotonic_ns: Callable[[], int] = time.monotonic_ns
    random_bytes: Callable[[int], bytes] = os.urandom

    def frozen_at(self, unix_s: float) -> ClockAndRandom:
        """The same with a clock that stands still."""
        at = int(unix_s * 1_000_000_000)
        return replace(self, unix_ns=lambda: at, monotonic_ns=lambda: 0)

    def seeded(self, seed: str) -> ClockAndRandom:
        """The same with randomness that repeats: one stream for each call of this, whoever draws from it."""
        return replace(self, random_bytes=_Stream(seed).take)

    def for_kinds(self, kinds: Iterable[str]) -> ClockAndRandom:
        """What a plugin of these kinds gets: one that authenticates always the real ones."""
        return REAL if "auth" in kinds else self


class _Stream:
    """Bytes by SHA-256 over the seed and a counter."""

    def __init__(self, seed: str) -> None:
        self._seed, self._count = hashlib.sha256(seed.encode()).digest(), 0

    def take(self, size: int) -> bytes:
        made = bytearray()
        while len(made) < size:
            made += hashlib.sha256(self._seed + self._count.to_bytes(8, "big")).digest()
            self._count += 1
        return bytes(made[:size])


REAL = ClockAndRandom()
