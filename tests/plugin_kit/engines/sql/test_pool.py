"""The pool: never more than so many, in turn, and nothing is lost, whoever leaves when."""

from __future__ import annotations

import asyncio
import contextlib
import random

import pytest

from mockforge_plugin.engines.sql.failures import SqlError
from mockforge_plugin.engines.sql.pool import Pool, PoolLimits


class Made:
    """A connection to nothing, counted."""

    alive: set[Made]

    def __init__(self, alive: set[Made]) -> None:
        self.alive, self.is_usable = alive, True
        alive.add(self)

    async def end(self) -> None:
        await asyncio.sleep(0)
        self.alive.discard(self)


def pool(alive: set[Made], **limits: float) -> Pool[Made]:  # type: ignore[type-var]  # of a connection the pool asks no more
    async def opening() -> Made:
        await asyncio.sleep(0)
        return Made(alive)

    return Pool(opening, PoolLimits(**{"most": 3, "wait_s": 5.0, **limits}), "a server")  # type: ignore[arg-type, type-var]


async def test_thousands_that_leave_at_any_moment_lose_no_connection() -> None:
    alive, draw = set[Made](), random.Random(7)
    connections = pool(alive)
    served = 0

    async def use() -> None:
        nonlocal served
        connection, _, _ = await connections.take()
        is_good = False
        try:
            assert len(alive) <= 3
            await asyncio.sleep(0)
            is_good = draw.random() > 0.1
            served += 1
        finally:
            connections.give_back(connection, is_good=is_good)

    async def leaves() -> None:
        task = asyncio.create_task(use())
        for _ in range(draw.randrange(8)):
            await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    await asyncio.gather(*(use() if n % 3 else leaves() for n in range(900)))
    assert served >= 600 and connections.size <= 3 and not connections._waiting and not connections._born
    await connections.close()
    await asyncio.sleep(0)
    assert (alive, connections.size) == (set(), 0)


async def test_who_waits_too_long_or_comes_too_late_is_told_so() -> None:
    connections = pool(set(), most=1, wait_s=0.01, queue=1)
    first, _, _ = await connections.take()
    waiting = asyncio.create_task(connections.take())
    await asyncio.sleep(0)
    with pytest.raises(SqlError, match="wait for a connection already") as full:
        await connections.take()
    with pytest.raises(SqlError, match=r"pool\.max") as late:
        await waiting
    assert full.value.details["busy"] is late.value.details["busy"] is True
    connections.give_back(first)
    assert (await connections.take())[0] is first


async def test_an_old_one_and_one_that_is_gone_are_not_lent_again() -> None:
    alive = set[Made]()
    connections = pool(alive, recycle_s=60.0)
    first, _, was_used = await connections.take()
    assert not was_used
    connections.give_back(first)
    first.is_usable = False
    second, _, _ = await connections.take()
    assert second is not first
    connections.give_back(second)
    assert (await connections.take(is_fresh=True))[0] is not second


async def test_an_opening_that_fails_leaves_its_place() -> None:
    tries = 0

    async def opening() -> Made:
        nonlocal tries
        tries += 1
        raise SqlError("down", "unavailable")

    connections: Pool[Made] = Pool(opening, PoolLimits(most=1), "a server")  # type: ignore[type-var]
    for _ in range(3):
        with pytest.raises(SqlError, match="down"):
            await connections.take()
    assert (tries, connections.size) == (3, 0)
