"""Deadlines around drivers, all of which can hang when they are cancelled.

A query runs in a task of its own. At its deadline, or when whoever asked has left, it is cancelled; one that does not end within
`GRACE_S` is left to itself, and its slot stays taken until it ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

T = TypeVar("T")

GRACE_S: Final = 0.25
MAX_RUNNING: Final = 256
"""How many queries of one source run at once, those that were left to themselves among them."""


class TooManyRunning(Exception):
    """No slot is free."""


class Slots:
    """The running queries of one source."""

    __slots__ = ("_most", "_running")

    def __init__(self, most: int = MAX_RUNNING) -> None:
        self._most = most
        self._running: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._running)

    async def run(self, work: Coroutine[Any, Any, T], timeout_s: float) -> T:
        """The result. Raises TimeoutError at the deadline, TooManyRunning, and what the work raises."""
        if len(self._running) >= self._most:
            work.close()
            raise TooManyRunning
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._ended)
        try:
            done, _ = await asyncio.wait((task,), timeout=timeout_s)
        except asyncio.CancelledError:
            task.cancel()
            raise
        if not done:
            task.cancel()
            await asyncio.wait((task,), timeout=GRACE_S)
            raise TimeoutError
        return task.result()

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # of one that was left to itself nobody else asks
