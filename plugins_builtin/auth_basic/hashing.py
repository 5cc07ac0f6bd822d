"""Hashing in threads of its own: so many at once, so many waiting, no more. A hash takes up to a tenth of a second of one core."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

A = TypeVar("A")
R = TypeVar("R")


class Busy(Exception):
    """As many are being hashed and wait as may."""


class HashingThreads:
    """`threads` run, `waiting` more may wait. The threads begin with the first call."""

    def __init__(self, threads: int, waiting: int) -> None:
        self._most = threads + waiting
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="auth-basic")
        self._under_way = 0

    def begin(self, work: Callable[[A], R], what: A) -> Future[R]:
        """What the work will give. Raises Busy. Cancelled before it has begun, it makes room; else it counts until its end."""
        if self._under_way >= self._most:
            raise Busy
        loop = asyncio.get_running_loop()
        self._under_way += 1
        try:
            future = self._threads.submit(work, what)
        except RuntimeError:  # they are being ended
            self._under_way -= 1
            raise Busy from None
        future.add_done_callback(lambda _: _tell(loop, self._ended))
        return future

    def _ended(self) -> None:
        self._under_way -= 1

    def close(self) -> None:
        """Begin no more; the threads end with what they are doing."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _tell(loop: asyncio.AbstractEventLoop, ended: Callable[[], None]) -> None:
    try:
        loop.call_soon_threadsafe(ended)
    except RuntimeError:  # the loop is closed, and so is everything on it
        pass
