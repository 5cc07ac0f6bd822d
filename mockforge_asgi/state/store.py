"""The StateStore interface, the key space that callers use, and `open_store`.

Everything that must be true for all workers at once goes through here: scenario state, counters, nonces, replay
caches, the key-value host calls. What an operation means is `state/operations.py`; where cells live is the store's affair.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from mockforge_asgi.errors import ConfigError, StateError
from mockforge_asgi.exact_json import Json
from mockforge_asgi.state.operations import (
    AddIfAbsent,
    CompareAndSet,
    Delete,
    Get,
    Incr,
    Operation,
    Set,
    check_by,
    check_key,
    check_ttl,
    encode_value,
)

MAX_LISTED = 1000


@dataclass(frozen=True, slots=True)
class Quota:
    """What one key space may hold. Bytes are those of keys (UTF-8) and values (JSON text)."""

    max_keys: int = 10_000
    max_bytes: int = 16 * 1024 * 1024
    max_value_bytes: int = 1024 * 1024


class StateStore(Protocol):
    """Where cells live. Every operation is atomic, for all workers where `shared_between_workers`."""

    shared_between_workers: bool
    url: str

    def is_split(self, space: str) -> bool:
        """Whether another worker is known to keep that key space for itself."""
        ...

    async def open(self) -> None:
        """Make ready; done by the first use otherwise. Raises StateError."""
        ...

    async def apply(self, space: str, quota: Quota, operation: Operation) -> Json:
        """Run one operation in one key space. Raises StateError."""
        ...

    def apply_now(self, space: str, quota: Quota, operation: Operation) -> Json:
        """The same without waiting, or `NotImplemented` where the store must wait. Raises StateError."""
        ...

    async def keys(self, space: str, prefix: str, limit: int) -> list[str]:
        """The live keys that start so, in order, at most `limit`."""
        ...

    async def clear(self, space: str) -> int:
        """Remove everything in the key space; gives the number of keys."""
        ...

    async def close(self) -> None:
        """Give back files and threads. The store may be opened again."""
        ...


class KeySpace:
    """One owner's part of a store, under its quota: the six operations, each atomic."""

    __slots__ = ("name", "quota", "store")

    def __init__(self, store: StateStore, name: str, quota: Quota | None = None) -> None:
        self.store, self.name, self.quota = store, check_key(name), quota or Quota()

    async def get(self, key: str) -> Json:
        """The value, or None."""
        return await self.run(Get(check_key(key)))

    async def set(self, key: str, value: Json, *, ttl_s: float | None = None) -> None:
        """Store the value, for `ttl_s` seconds or for good; None deletes."""
        await self.run(self.op_set(key, value, ttl_s))

    async def delete(self, key: str) -> bool:
        """Remove the key; whether it was there."""
        return bool(await self.run(Delete(check_key(key))))

    async def add_if_absent(self, key: str, value: Json, *, ttl_s: float | None = None) -> bool:
        """Store the value where there is none; whether it did."""
        return bool(await self.run(self.op_add(key, value, ttl_s)))

    async def incr(self, key: str, by: int = 1, *, ttl_s: float | None = None) -> int:
        """Count up from 0; the new value. `ttl_s` counts from the first increment."""
        return int(await self.run(Incr(check_key(key), check_by(by), check_ttl(ttl_s))))

    async def compare_and_set(self, key: str, expected: Json, value: Json, *, ttl_s: float | None = None) -> bool:
        """Store `value` where `expected` is (None: absent); whether it did."""
        return bool(await self.run(self.op_swap(key, expected, value, ttl_s)))

    async def keys(self, prefix: str = "", *, limit: int = MAX_LISTED) -> list[str]:
        """The live keys that start so, in order."""
        return await self.store.keys(self.name, prefix, limit)

    async def clear(self) -> int:
        """Remove everything; the number of keys there were."""
        return await self.store.clear(self.name)

    async def run(self, operation: Operation) -> Json:
        """Run an operation made by one of the `op_` methods."""
        return await self.store.apply(self.name, self.quota, operation)

    def run_now(self, operation: Operation) -> Json:
        """The same without waiting, or `NotImplemented`."""
        return self.store.apply_now(self.name, self.quota, operation)

    def op_set(self, key: str, value: Json, ttl_s: float | None) -> Set:
        """A checked Set."""
        return Set(check_key(key), encode_value(value, self.quota.max_value_bytes), check_ttl(ttl_s))

    def op_add(self, key: str, value: Json, ttl_s: float | None) -> AddIfAbsent:
        """A checked AddIfAbsent."""
        data = encode_value(value, self.quota.max_value_bytes)
        if data is None:
            raise StateError("null cannot be added; null and absent are the same", code="invalid_input")
        return AddIfAbsent(check_key(key), data, check_ttl(ttl_s))

    def op_swap(self, key: str, expected: Json, value: Json, ttl_s: float | None) -> CompareAndSet:
        """A checked CompareAndSet."""
        most = self.quota.max_value_bytes
        return CompareAndSet(check_key(key), encode_value(expected, most), encode_value(value, most), check_ttl(ttl_s))


def open_store(url: str, place: str = "") -> StateStore:
    """The store that a `state: {url: ...}` line names: `memory://` or `sqlite:///state.db` (four slashes: absolute). Raises ConfigError.

    `place` names the configuration, by which other workers are found.
    """
    from mockforge_asgi.state.memory import MemoryStore
    from mockforge_asgi.state.sqlite import SqliteStore

    if url in ("memory://", "memory:"):
        return MemoryStore(place=place)
    if url.startswith("sqlite:///") and len(url) > len("sqlite:///"):
        return SqliteStore(url.removeprefix("sqlite:///"))
    raise ConfigError(
        f"state.url {url!r} is not known. Use 'memory://' for one worker or 'sqlite:///path/to/state.db' for several on one machine."
    )
