"""Who gets a slice, and what the loop gets in between."""

from __future__ import annotations

import asyncio

import pytest

from mockforge_asgi.errors import LimitExceeded
from tests.wasm.guests import bench


async def test_the_loop_has_turns_of_its_own_between_slices_of_a_guest_that_computes() -> None:
    async with bench() as stand:
        guest = await stand.guest().instantiate(stand.fiber("load"))
        fiber = stand.fiber("spin", cpu_s=0.03)
        call = asyncio.ensure_future(guest.call(fiber, b"{}"))
        turns = 0
        while not call.done():
            await asyncio.sleep(0)
            turns += 1
        with pytest.raises(LimitExceeded):
            await call
        assert fiber.slices > 5
        assert turns > 2 * fiber.slices


async def test_greedy_guests_all_come_to_their_budget_beside_a_stream_of_short_calls() -> None:
    async with bench() as stand:
        quick = await stand.guest().instantiate(stand.fiber("load"))
        guests = [await stand.guest().instantiate(stand.fiber("load")) for _ in range(3)]
        fibers = [stand.fiber("spin", cpu_s=0.01) for _ in guests]
        calls = [asyncio.ensure_future(g.call(f, b"{}")) for g, f in zip(guests, fibers, strict=True)]
        while not all(c.done() for c in calls):
            assert await quick.call(stand.fiber("echo"), b"1") == 1
            await asyncio.sleep(0)
        for call, fiber in zip(calls, fibers, strict=True):
            with pytest.raises(LimitExceeded):
                await call
            assert fiber.cpu_s >= 0.01
