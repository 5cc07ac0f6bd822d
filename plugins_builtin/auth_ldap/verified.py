"""Logins that were right a moment ago, by a salted digest: neither names nor passwords are kept."""

from __future__ import annotations

import hashlib
import hmac
import os
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from .credentials import Credentials

T = TypeVar("T")


class Verified(Generic[T]):
    """At most `entries`, each for `seconds`; with 0 seconds nothing is kept."""

    def __init__(self, seconds: float, entries: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._entries, self._clock = seconds, entries, clock
        self._salt = os.urandom(32)
        self._kept: OrderedDict[bytes, tuple[float, T]] = OrderedDict()

    def get(self, credentials: Credentials) -> T | None:
        """What was kept for just these."""
        if not self._kept:
            return None
        key = self._key(credentials)
        until_s, value = self._kept.get(key, (0.0, None))
        if value is not None and until_s <= self._clock():
            del self._kept[key]
            return None
        return value

    def keep(self, credentials: Credentials, value: T) -> None:
        """Keep it; the oldest goes where there are too many."""
        if self._seconds <= 0:
            return
        key = self._key(credentials)
        self._kept[key] = (self._clock() + self._seconds, value)
        self._kept.move_to_end(key)
        if len(self._kept) > self._entries:
            self._kept.popitem(last=False)

    def _key(self, credentials: Credentials) -> bytes:
        name = credentials.name.encode()
        return hmac.digest(self._salt, len(name).to_bytes(4, "big") + name + credentials.password.encode(), hashlib.sha256)
