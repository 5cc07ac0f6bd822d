"""Who gets a slice, what the loop gets in between, and how calls end that cannot go on."""

from __future__ import annotations

import asyncio
import time

import pytest

from mockforge_asgi.errors import LimitExceeded, PluginFailed, PluginUnavailable
from mockforge_asgi.wasm import ticker
from mockforge_asgi.wasm.fiber import Budget, Fiber
from tests.support.component_guests import bench
from tests.support.extism_guests import extism_bench, wasm_of


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


async def test_a_guest_that_computes_for_long_puts_the_ticker_on_the_alert() -> None:
    async with bench() as stand:
        guest = await stand.guest().instantiate(stand.fiber("load"))
        stand.ticker.alert_until_s = 0.0
        await guest.call(stand.fiber("echo"), b"1")
        assert stand.ticker.alert_until_s == 0.0
        with pytest.raises(LimitExceeded):
            await guest.call(stand.fiber("spin", cpu_s=0.01), b"{}")
        assert stand.ticker.alert_until_s > 0.0


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


async def test_greedy_guests_whose_callers_left_hold_up_no_other() -> None:
    async with bench() as stand:
        guests = [await stand.guest().instantiate(stand.fiber("load")) for _ in range(30)]
        fibers = [stand.fiber("spin", cpu_s=60.0) for _ in guests]
        calls = [asyncio.ensure_future(g.call(f, b"{}")) for g, f in zip(guests, fibers, strict=True)]
        while not all(fiber.cpu_s > 0.002 and fiber.slices > 2 for fiber in fibers):
            await asyncio.sleep(0)
        for call in calls[1:]:
            call.cancel()
        await asyncio.wait(calls[1:])
        for fiber in (fibers[0],) * 3:
            turns, before = 0, fiber.slices
            while fiber.slices == before:
                await asyncio.sleep(0)
                turns += 1
            assert turns < 15
        calls[0].cancel()
        await asyncio.wait(calls)


async def test_a_door_that_breaks_ends_its_own_call_and_no_other() -> None:
    def broken(name: str, payload: object) -> object:
        raise TypeError("a door's own mistake")

    async with bench() as stand:
        guests = [await stand.guest().instantiate(stand.fiber("load")) for _ in range(3)]
        spinning = asyncio.ensure_future(guests[0].call(stand.fiber("spin", cpu_s=0.05), b"{}"))
        await asyncio.sleep(0)  # the slice of this turn is used up: the call below queues
        stand.doors.call_now = broken  # type: ignore[method-assign]
        with pytest.raises(PluginFailed, match=r"the host call 'door\.now' failed: TypeError: a door's own mistake"):
            await guests[1].call(stand.fiber("door.now", timeout_s=5), b"{}")
        with pytest.raises(LimitExceeded) as ended:
            await spinning
        assert ended.value.limit == "cpu_ms"
        assert await guests[2].call(stand.fiber("echo"), b"1") == 1


@pytest.mark.parametrize("work_s", [0.0005, 0.004, 0.03])
async def test_the_work_of_a_quick_door_in_the_first_slice_is_charged_to_the_call(work_s: float) -> None:
    def works(name: str, payload: object) -> object:
        ends = time.thread_time() + work_s
        while time.thread_time() < ends:
            pass
        return {}

    async with bench() as stand:
        stand.doors.call_now = works  # type: ignore[method-assign]
        guest = await stand.guest().instantiate(stand.fiber("load"))
        fiber = stand.fiber("door.now", cpu_s=60.0)
        await guest.call(fiber, b"{}")
        assert fiber.cpu_s >= work_s


@pytest.mark.parametrize("answer", [{"n": {1}}, object()])
async def test_an_answer_that_is_no_json_ends_the_call_in_words(answer: object) -> None:
    async def give(name: str, payload: object, request: object) -> object:
        return answer

    async with bench() as stand:
        stand.doors.call = give  # type: ignore[method-assign]
        guest = await stand.guest().instantiate(stand.fiber("load"))
        with pytest.raises(PluginFailed, match=r"the host call 'door\.wait' failed: TypeError"):
            await guest.call(stand.fiber("door.wait"), b"{}")


async def test_a_door_that_times_out_by_itself_is_not_the_calls_timeout() -> None:
    async def late(name: str, payload: object, request: object) -> object:
        raise TimeoutError("the other server")

    async with bench() as stand:
        stand.doors.call = late  # type: ignore[method-assign]
        guest = await stand.guest().instantiate(stand.fiber("load"))
        with pytest.raises(PluginFailed, match="the other server") as failed:
            await guest.call(stand.fiber("door.wait"), b"{}")
        assert not isinstance(failed.value, LimitExceeded)


async def test_a_guest_that_stands_at_doors_in_between_has_no_more_processor_time() -> None:
    computes_and_asks = wasm_of("""(module
      (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
      (import "extism:host/env" "store_u64" (func $store (param i64 i64)))
      (import "extism:host/user" "mockforge_door" (func $door (param i64 i64) (result i64)))
      (func (export "f") (result i32) (local $n i32) (local $name i64)
        (loop $forever
          (local.set $n (i32.const 200000))
          (loop $compute (br_if $compute (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
          (local.set $name (call $alloc (i64.const 8)))
          (call $store (local.get $name) (i64.const 0x6161616161616161))
          (drop (call $door (local.get $name) (i64.const 0)))
          (br $forever))
        (i32.const 0)))""")
    async with extism_bench() as stand:
        guest = await stand.instance(computes_and_asks)
        with pytest.raises(LimitExceeded) as ended:
            await guest.invoke(stand.fiber(cpu_s=0.01, timeout_s=2.0), "f", b"")
        assert ended.value.limit == "cpu_ms"


async def test_nothing_ticks_while_every_guest_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ticker, "_IDLE_S", 0.02)
    async with bench() as stand:
        guest = await stand.guest().instantiate(stand.fiber("load"))
        call = asyncio.ensure_future(guest.call(stand.fiber("door.wait"), b"{}"))
        while not stand.doors.waiting:
            await asyncio.sleep(0)
        while stand.ticker.due_s:
            await asyncio.sleep(0.01)
        stand.doors.open.set()
        assert await call == {"waited": {}}


async def test_closing_ends_the_calls_that_still_run() -> None:
    async with bench() as stand:
        spinner, waiter, late = [await stand.guest().instantiate(stand.fiber("load")) for _ in range(3)]
        calls = [
            asyncio.ensure_future(spinner.call(stand.fiber("spin", cpu_s=60.0), b"{}")),
            asyncio.ensure_future(waiter.call(stand.fiber("door.wait"), b"{}")),
        ]
        while not stand.doors.waiting:
            await asyncio.sleep(0)
        await stand.scheduler.close()
        stand.ticker.stop()
        for call in calls:
            with pytest.raises(PluginUnavailable, match="being stopped"):
                await call
        with pytest.raises(PluginUnavailable, match="being stopped"):
            await late.call(stand.fiber("spin", cpu_s=60.0), b"{}")
        assert spinner.broken and waiter.broken


async def test_a_fixed_budget_is_not_said_to_be_the_operators() -> None:
    async with bench() as stand:
        guest = await stand.guest().instantiate(stand.fiber("load"))
        fiber = Fiber("guest", "spin", Budget(0.01, 30.0, is_fixed=True), stand.doors, None)
        with pytest.raises(LimitExceeded, match="over cpu_ms=10, which is fixed for this step"):
            await guest.call(fiber, b"{}")


async def test_a_greedy_guest_gets_its_share_of_a_busy_loop() -> None:
    """Else an instance that is being made while requests pour in would never be ready."""
    async with bench() as stand:
        guest = await stand.guest().instantiate(stand.fiber("load"))
        fiber = stand.fiber("spin", cpu_s=0.02)
        call = asyncio.ensure_future(guest.call(fiber, b"{}"))
        turns = 0
        while not call.done():
            time.sleep(0.008)  # noqa: ASYNC251 - a turn of a busy loop
            await asyncio.sleep(0)
            turns += 1
        with pytest.raises(LimitExceeded):
            await call
        assert turns < 2 * fiber.slices
