"""State in this process's memory: quick, bounded, and not shared between workers."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable

from mockforge_asgi.errors import StateError
from mockforge_asgi.exact_json import Json
from mockforge_asgi.locks import ProcessLock
from mockforge_asgi.state.operations import Cell, Operation, key_size
from mockforge_asgi.state.store import Quota
from mockforge_asgi.state.workers import is_alone

_PURGED_PER_WRITE = 4


class _Space:
    __slots__ = ("cells", "size")

    def __init__(self) -> None:
        self.cells: dict[str, Cell] = {}
        self.size = 0


class MemoryStore:
    """Cells in dictionaries, for all threads of a process. In a forked child it starts empty: memory is never shared, so it never looks
    shared."""

    shared_between_workers = False
    url = "memory://"

    def __init__(self, *, place: str = "", max_bytes: int = 256 * 1024 * 1024, clock: Callable[[], float] = time.monotonic) -> None:
        """`place` names the configuration, by which other workers are found."""
        self._place, self._max_bytes, self._clock = place, max_bytes, clock
        self._lock = ProcessLock(forked=self._reset)
        self._reset()

    def _reset(self) -> None:
        self._size = 0
        self._spaces: dict[str, _Space] = {}
        self._ends: list[tuple[float, str, str]] = []

    def is_split(self, space: str) -> bool:
        """See StateStore."""
        return bool(self._place) and not is_alone(f"{self._place} {space}")

    async def open(self) -> None:
        """Nothing to make ready."""

    async def close(self) -> None:
        """Nothing is open; what it holds goes with it."""

    async def apply(self, space: str, quota: Quota, operation: Operation) -> Json:
        """See StateStore."""
        return self.apply_now(space, quota, operation)

    def apply_now(self, space: str, quota: Quota, operation: Operation) -> Json:
        """See StateStore; here it always answers."""
        with self._lock.here():
            now, key = self._clock(), operation.key
            held = self._spaces.get(space)
            cell = None if held is None else held.cells.get(key)
            if cell is not None and cell.expires_at is not None and cell.expires_at <= now:
                self._store(space, key, None)
                cell = None
            after, answer = operation.step(cell, now)
            if after is not cell:
                if after is not None:
                    self._check_room(space, quota, key, cell, after, now)
                self._store(space, key, after)
                self._purge(now, _PURGED_PER_WRITE)
            return answer

    async def keys(self, space: str, prefix: str, limit: int) -> list[str]:
        """See StateStore."""
        with self._lock.here():
            self._purge(self._clock(), None)
            held = self._spaces.get(space)
            return sorted(k for k in held.cells if k.startswith(prefix))[:limit] if held else []

    async def clear(self, space: str) -> int:
        """See StateStore."""
        with self._lock.here():
            self._purge(self._clock(), None)
            held = self._spaces.pop(space, None)
            self._size -= held.size if held else 0
            return len(held.cells) if held else 0

    def _check_room(self, space: str, quota: Quota, key: str, before: Cell | None, after: Cell, now: float) -> None:
        size = len(after.data) + (key_size(key) if before is None else -len(before.data))
        for attempt in range(2):
            held = self._spaces.get(space)
            keys, held_size = (len(held.cells), held.size) if held else (0, 0)
            too_many = before is None and keys + 1 > quota.max_keys
            if not too_many and (size <= 0 or held_size + size <= quota.max_bytes) and (size <= 0 or self._size + size <= self._max_bytes):
                return
            if attempt == 0:
                self._purge(now, None)
        if self._size + size > self._max_bytes:
            raise StateError(f"the memory store is full ({self._max_bytes} bytes for all)", code="limit")
        raise StateError(quota_message(space, quota), code="limit")

    def _store(self, space: str, key: str, cell: Cell | None) -> None:
        held = self._spaces.get(space)
        if held is None:
            held = self._spaces[space] = _Space()
        before = held.cells.pop(key, None)
        change = 0 if before is None else -len(before.data) - key_size(key)
        if cell is not None:
            held.cells[key] = cell
            change += len(cell.data) + key_size(key)
            if cell.expires_at is not None:
                self._push_end(cell.expires_at, space, key)
        held.size += change
        self._size += change
        if not held.cells:
            del self._spaces[space]

    def _push_end(self, at: float, space: str, key: str) -> None:
        heapq.heappush(self._ends, (at, space, key))
        if len(self._ends) > 1024 and len(self._ends) > 4 * sum(len(s.cells) for s in self._spaces.values()):
            self._ends = [(c.expires_at, n, k) for n, s in self._spaces.items() for k, c in s.cells.items() if c.expires_at is not None]
            heapq.heapify(self._ends)

    def _purge(self, now: float, most: int | None) -> None:
        while self._ends and self._ends[0][0] <= now and most != 0:
            _, space, key = heapq.heappop(self._ends)
            held = self._spaces.get(space)
            cell = held.cells.get(key) if held else None
            if cell is not None and cell.expires_at is not None and cell.expires_at <= now:
                self._store(space, key, None)
            most = None if most is None else most - 1


def quota_message(space: str, quota: Quota) -> str:
    """The words for a full key space."""
    held = f"{quota.max_keys} keys and {quota.max_bytes} bytes"
    return f"key space {space!r} is full: its quota is {held}. Delete keys, use ttl_s, or raise the grant."
