"""What is kept for all workers: a bounded number of records, of which a new one takes the oldest one's place.

So whoever asks for a million codes makes others' codes be forgotten, and neither fills the storage nor locks anybody out.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from mockforge_plugin import HostError, kv

_HANDLE: Final = re.compile(r"([0-9]{1,6})\.([A-Za-z0-9_-]{20,64})")
_NAME: Final = re.compile(r"([0-9]{1,6})\.([A-Za-z0-9_-]{16})")
_TRIES: Final = 20


@dataclass(frozen=True, slots=True)
class Handle:
    """Where a record is, and a secret that whoever was told of it knows; as text, `slot.secret`."""

    slot: int
    secret: str

    @classmethod
    def read(cls, text: str) -> Handle | None:
        """That of a text from outside; None for others."""
        found = _HANDLE.fullmatch(text[:100])
        return None if found is None else cls(int(found[1]), found[2])

    def __str__(self) -> str:
        return f"{self.slot}.{self.secret}"


def new_secret() -> str:
    """192 random bits. Not the host's chance, which an operator may seed."""
    return secrets.token_urlsafe(24)


def digest(secret: str) -> str:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def is_secret(text: str, kept: str | None) -> bool:
    """Whether that is the secret of which the digest was kept. Takes as long wherever it differs."""
    return kept is not None and hmac.compare_digest(digest(text), kept)


class Ring:
    """Up to `size` records, each forgotten after `ttl_s`, under keys that begin with `name`."""

    def __init__(self, name: str, size: int, ttl_s: float) -> None:
        self._name, self._size, self._ttl_s = name, size, ttl_s

    async def add(self, record: Mapping[str, Any]) -> tuple[Handle, dict[str, Any]]:
        """Keep a record; who has its handle finds it again. Its `id`, which opens nothing, tells it from those that come after it."""
        slot = (await kv.incr(f"{self._name}/next")) % self._size
        secret = new_secret()
        kept = {**record, "id": new_secret()[:16], "secret": digest(secret)}
        await kv.set(self._key(slot), kept, ttl_s=self._ttl_s)
        return Handle(slot, secret), kept

    async def at(self, slot: int) -> dict[str, Any] | None:
        """The record that is there now, whosever it is."""
        found = await kv.get(self._key(slot)) if slot < self._size else None
        return found if isinstance(found, dict) else None

    async def named(self, name: str) -> dict[str, Any] | None:
        """The record of a name, which is `slot.id`, from outside."""
        found = _NAME.fullmatch(name[:100])
        record = None if found is None else await self.at(int(found[1]))
        return record if found is not None and record is not None and record["id"] == found[2] else None

    async def find(self, handle: Handle | None) -> dict[str, Any] | None:
        """The record of a handle."""
        record = None if handle is None else await self.at(handle.slot)
        return record if handle is not None and record is not None and is_secret(handle.secret, record["secret"]) else None

    async def change(self, slot: int, record_id: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> bool:
        """Put what `change` makes of the record in its place, if nobody else changed it meanwhile; else again.

        False where it is gone. What `change` raises comes out, and nothing is changed.
        """
        for _ in range(_TRIES):
            before = await self.at(slot)
            if before is None or before["id"] != record_id:
                return False
            if await kv.compare_and_set(self._key(slot), before, change(before), ttl_s=self._ttl_s):
                return True
        raise HostError("the record is changed by too many at once", code="unavailable", retryable=True)

    async def remove(self, slot: int) -> None:
        """Forget the record there."""
        await kv.delete(self._key(slot))

    def _key(self, slot: int) -> str:
        return f"{self._name}/{slot}"
