"""Hashing in threads: so many at once, so many waiting, none for a client that has left."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from plugins_builtin.auth_basic.hashing import Busy, HashingThreads


class Work:
    """Work that ends when it is told to, and knows how many do it at once."""

    def __init__(self) -> None:
        self.release = threading.Event()
        self.at_once = self.most = self.done = 0
        self._lock = threading.Lock()

    def __call__(self, what: str) -> str:
        with self._lock:
            self.at_once += 1
            self.most = max(self.most, self.at_once)
        assert self.release.wait(20)
        with self._lock:
            self.at_once -= 1
            self.done += 1
        return what


async def run(threads: HashingThreads, work: Callable[[str], object], what: str) -> object:
    return await asyncio.wrap_future(threads.begin(work, what))


async def test_so_many_at_once_so_many_wait_and_the_rest_are_refused_at_once() -> None:
    threads, work = HashingThreads(2, 3), Work()
    accepted = [asyncio.ensure_future(run(threads, work, str(i))) for i in range(5)]
    await asyncio.sleep(0)
    for _ in range(10):
        with pytest.raises(Busy):
            await run(threads, work, "one too many")
    work.release.set()
    assert await asyncio.gather(*accepted) == ["0", "1", "2", "3", "4"]
    assert work.most == 2
    while threads._under_way:
        await asyncio.sleep(0)
    assert await run(threads, work, "again") == "again"
    threads.close()


async def test_work_of_a_client_that_has_left_is_not_begun_and_makes_room() -> None:
    threads, work = HashingThreads(1, 2), Work()
    waiting = [asyncio.ensure_future(run(threads, work, str(i))) for i in range(3)]
    await asyncio.sleep(0)
    for each in waiting[1:]:
        each.cancel()
    await asyncio.gather(*waiting[1:], return_exceptions=True)
    while threads._under_way > 1:
        await asyncio.sleep(0)
    work.release.set()
    assert await waiting[0] == "0" and work.done == 1
    threads.close()


async def test_an_exception_reaches_whoever_waits_and_makes_room() -> None:
    threads = HashingThreads(1, 0)

    def broken(what: str) -> None:
        raise ValueError(what)

    for _ in range(3):
        with pytest.raises(ValueError, match="x"):
            await run(threads, broken, "x")
        while threads._under_way:
            await asyncio.sleep(0)
    threads.close()


async def test_once_ended_they_take_nothing() -> None:
    threads = HashingThreads(1, 1)
    threads.close()
    with pytest.raises(Busy):
        await run(threads, str, "x")
    assert threads._under_way == 0
