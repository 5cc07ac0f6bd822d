"""A pool of connections: so many at most, opened when they are needed, given to whoever waits longest.

A connection that is ended keeps its place until the server was told, so that there are never more than `most`. SQLAlchemy's pool was
measured beside it: its greenlet and checkout cost as much as a look-up by primary key.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from mockforge_plugin.engines.sql.connections import Connection
from mockforge_plugin.engines.sql.failures import busy

C = TypeVar("C", bound=Connection)


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """How many connections, how long one is waited for, and how old one becomes."""

    most: int = 5
    wait_s: float = 0.5
    recycle_s: float = 1800.0
    queue: int = 1000


class Pool(Generic[C]):
    """Connections that `opening` makes."""

    def __init__(self, opening: Callable[[], Awaitable[C]], limits: PoolLimits, what: str) -> None:
        self._opening, self._limits, self._what = opening, limits, what
        self._idle: deque[tuple[C, float]] = deque()
        self._born: dict[C, float] = {}
        """Those that are lent, and when they were opened."""
        self._waiting: deque[asyncio.Future[tuple[C, float] | None]] = deque()
        self._ending: set[asyncio.Task[None]] = set()
        self.size = 0
        """How many there are: idle, lent, being opened, being ended."""
        self._is_closed = False

    def __str__(self) -> str:
        return f"{self.size} of {self._limits.most} connections, {len(self._idle)} of them idle, {len(self._waiting)} queries waiting"

    async def take(self, *, is_fresh: bool = False) -> tuple[C, float, bool]:
        """(a connection, how long it was waited for in seconds, whether it was used before). Raises SqlError."""
        found = None
        began_s = time.monotonic()
        while not is_fresh and self._idle:
            connection, born_s = self._idle.pop()
            if connection.is_usable and began_s - born_s < self._limits.recycle_s:
                self._born[connection] = born_s
                return connection, 0.0, True
            self._end(connection)
        if self.size >= self._limits.most and is_fresh and self._idle:
            self._end(self._idle.popleft()[0])
        if self.size >= self._limits.most:
            found = await self._waited()
        else:
            self.size += 1
        if found is not None:
            connection, born_s = found
            self._born[connection] = born_s
            return connection, time.monotonic() - began_s, True
        return await self._opened(), time.monotonic() - began_s, False

    async def _opened(self) -> C:
        """A new connection, whose place is taken already."""
        try:
            connection = await self._opening()
        except BaseException:
            self._leave()
            raise
        self._born[connection] = time.monotonic()
        return connection

    async def _waited(self) -> tuple[C, float] | None:
        """A connection that was given back, or None for the place of one that is gone."""
        if len(self._waiting) >= self._limits.queue:
            raise busy(f"{self._what}: {self._limits.queue} queries wait for a connection already")
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[tuple[C, float] | None] = loop.create_future()
        self._waiting.append(waiter)
        clock = loop.call_later(self._limits.wait_s, _give_up, waiter)
        try:
            return await waiter
        except TimeoutError:
            self._forget(waiter)
            what = f"{self._what}: all {self._limits.most} connections were in use for {self._limits.wait_s:g} s"
            raise busy(f"{what}; raise pool.max, or ask for less") from None
        except asyncio.CancelledError:
            self._forget(waiter)
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:  # given in the same moment
                self._hand_on(waiter.result())
            raise
        finally:
            clock.cancel()

    def _forget(self, waiter: asyncio.Future[tuple[C, float] | None]) -> None:
        with suppress(ValueError):  # passed over by whoever gave a connection back
            self._waiting.remove(waiter)

    def give_back(self, connection: C, *, is_good: bool = True) -> None:
        """Take it back; one that is not good is ended."""
        born_s = self._born.pop(connection)
        is_young = time.monotonic() - born_s < self._limits.recycle_s
        if is_good and connection.is_usable and is_young and not self._is_closed:
            self._hand_on((connection, born_s))
        else:
            self._end(connection)

    def _hand_on(self, found: tuple[C, float] | None) -> None:
        """To whoever waits longest, else back."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(found)
                return
        if found is None:
            self.size -= 1
        else:
            self._idle.append(found)

    def _leave(self) -> None:
        self._hand_on(None)

    def _end(self, connection: C) -> None:
        """End it aside; its place is free once it has ended."""
        task = asyncio.get_running_loop().create_task(connection.end())
        self._ending.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._ending.discard(task)
        self._leave()

    async def close(self) -> None:
        """End the idle ones, and wait for those that are being ended; those that are lent end when they come back."""
        self._is_closed = True
        while self._idle:
            self._end(self._idle.pop()[0])
        if self._ending:
            await asyncio.wait(set(self._ending), timeout=2)


def _give_up(waiter: asyncio.Future[Any]) -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError())
