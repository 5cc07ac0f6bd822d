"""Passwords that were right a moment ago, remembered by a keyed hash: neither the password nor a plain hash of it is kept.

Without this, each request of a browser would cost a tenth of a second of one core, and a hundred pages would stop a server.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from secrets import token_bytes

from mockforge_plugin import Allow

from .header import Credentials


@dataclass(frozen=True, slots=True)
class _Verified:
    allow: Allow
    until_s: float


class VerifiedPasswords:
    """At most `entries`, each for `for_s` seconds after it was hashed; 0: none. The key is this object's own, and dies with it."""

    def __init__(self, for_s: float, entries: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._for_s, self._most, self._clock, self._key = for_s, entries, clock, token_bytes(32)
        self._held: OrderedDict[bytes, _Verified] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    def get(self, sent: Credentials) -> Allow | None:
        """Whom they were let pass as."""
        if not self._held:
            return None
        digest = self.digest(sent)
        found = self._held.get(digest)
        if found is None:
            return None
        if self._clock() >= found.until_s:
            del self._held[digest]
            return None
        return found.allow

    def put(self, sent: Credentials, allow: Allow) -> None:
        """They were right; whoever was so longest ago is forgotten for them."""
        if self._for_s <= 0:
            return
        digest = self.digest(sent)
        self._held.pop(digest, None)
        self._held[digest] = _Verified(allow, self._clock() + self._for_s)
        if len(self._held) > self._most:
            self._held.popitem(last=False)

    def digest(self, sent: Credentials) -> bytes:
        """What stands for a name and a password, which no control character is in."""
        return blake2b(sent.user + b"\0" + sent.password, key=self._key, digest_size=32).digest()
