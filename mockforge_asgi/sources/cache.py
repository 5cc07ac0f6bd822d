"""Results that may be given again: for a time, within so many bytes, and made once where several ask at the same time."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Final

from mockforge_asgi.exact_json import Json, dumps, loads

MAX_BYTES: Final = 32 << 20
"""The most that is kept, as JSON text, of all sources together; the one that was used longest ago goes first."""


class ResultCache:
    """Results by source and key. They are kept as text, so that nobody changes what others are given."""

    def __init__(self, *, max_bytes: int = MAX_BYTES, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_bytes, self._clock = max_bytes, clock
        self._kept: OrderedDict[tuple[str, Hashable], tuple[float, bytes]] = OrderedDict()
        self._size = 0
        self._making: dict[tuple[str, Hashable], asyncio.Task[bytes]] = {}
        self._epochs: dict[str, int] = {}

    def get(self, source: str, key: Hashable) -> Json | None:
        """What is kept, and is not too old."""
        found = self._kept.get((source, key))
        if found is None:
            return None
        if found[0] <= self._clock():
            self._drop((source, key))
            return None
        self._kept.move_to_end((source, key))
        return loads(found[1])

    async def get_or_make(self, source: str, key: Hashable, for_s: float, make: Callable[[], Awaitable[Json]]) -> tuple[Json, bool]:
        """(the result, whether it was there or being made). One that is being made goes on when whoever asks for it leaves."""
        if (found := self.get(source, key)) is not None:
            return found, True
        task, is_shared = self._making.get((source, key)), True
        if task is None:
            task, is_shared = asyncio.create_task(self._make(source, key, for_s, make)), False
            self._making[source, key] = task
            task.add_done_callback(lambda done: self._made((source, key), done))
        return loads(await asyncio.shield(task)), is_shared

    async def _make(self, source: str, key: Hashable, for_s: float, make: Callable[[], Awaitable[Json]]) -> bytes:
        epoch = self._epochs.get(source, 0)
        text = dumps(await make())
        if epoch == self._epochs.get(source, 0):
            self._keep((source, key), text, self._clock() + for_s)
        return text

    def _made(self, key: tuple[str, Hashable], task: asyncio.Task[bytes]) -> None:
        if self._making.get(key) is task:
            del self._making[key]
        if not task.cancelled():
            task.exception()  # whoever waits has it; nobody may be left

    def _keep(self, key: tuple[str, Hashable], text: bytes, until: float) -> None:
        self._drop(key)
        if len(text) * 4 > self._max_bytes:
            return
        self._kept[key] = until, text
        self._size += len(text)
        while self._size > self._max_bytes:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: tuple[str, Hashable]) -> None:
        found = self._kept.pop(key, None)
        self._size -= 0 if found is None else len(found[1])

    def clear(self, source: str) -> None:
        """Forget the results of a source, also those that are being made: whoever asks from now on sees what is there now."""
        self._epochs[source] = self._epochs.get(source, 0) + 1
        for key in [key for key in self._kept if key[0] == source]:
            self._drop(key)
        for key in [key for key in self._making if key[0] == source]:
            del self._making[key]
