"""Turns: one slice a turn of the loop, however many wait."""

from __future__ import annotations

import asyncio

from mockforge_asgi.templates.turns import Turns


async def test_of_many_that_compute_one_goes_on_in_a_turn_of_the_loop() -> None:
    turns, slices, most = Turns(), 0, 0
    is_over = False

    async def others() -> None:
        nonlocal slices, most
        while not is_over:
            most, slices = max(most, slices), 0
            await asyncio.sleep(0)

    async def computes() -> None:
        nonlocal slices
        for _ in range(20):
            await turns()
            slices += 1

    beside = asyncio.create_task(others())
    await asyncio.gather(*(computes() for _ in range(30)))
    is_over = True
    await beside
    assert most == 1


async def test_each_goes_on_in_its_order() -> None:
    turns, seen = Turns(), list[int]()

    async def computes(n: int) -> None:
        for _ in range(3):
            await turns()
            seen.append(n)

    await asyncio.gather(*map(computes, range(4)))
    assert seen == [0, 1, 2, 3] * 3


async def test_who_is_cancelled_holds_up_nobody() -> None:
    turns = Turns()
    waiting = [asyncio.create_task(turns()) for _ in range(4)]
    await asyncio.sleep(0)
    for task in waiting[:2]:
        task.cancel()
    assert await asyncio.gather(*waiting[2:]) == [None, None]


def test_a_loop_that_ended_early_holds_up_no_other() -> None:
    turns = Turns()

    async def leaves() -> None:
        left = [asyncio.create_task(turns()) for _ in range(2)]
        await asyncio.sleep(0)
        assert not any(task.done() for task in left)

    for _ in range(3):
        asyncio.run(leaves())
        asyncio.run(turns())
