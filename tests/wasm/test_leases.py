"""Calls that are left, and plugins that are closed, at any turn of the loop: nothing leaks, and nobody waits for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from mockforge_asgi.config import InstancesConfig
from mockforge_asgi.contract import Json, Lease
from mockforge_asgi.errors import LimitExceeded, PluginFailed, PluginUnavailable
from mockforge_asgi.events import EventStream
from mockforge_asgi.exact_json import dumps
from mockforge_asgi.wasm.component.guest import ComponentInstance
from mockforge_asgi.wasm.fiber import Budget, Fiber
from mockforge_asgi.wasm.host import HostOptions, WasmHost
from mockforge_asgi.wasm.memory_budget import MemoryBudget
from tests.support.component_guests import Bench, TestDoors, bench

EMPTY = dumps({})
OPS = ("echo", "spin", "trap", "door.now", "door.wait")


@pytest.fixture
async def stand() -> AsyncIterator[Bench]:
    async with bench() as made:
        yield made


async def opened(stand: Bench, *, per_request: bool, most: int = 2, timeout_s: float = 30.0) -> WasmHost:
    """A started host with room for two instances."""
    options = HostOptions("guest", "1.0.0", {}, Budget(0.01, timeout_s), per_request, InstancesConfig(max=most), 1, drain_s=0.02)
    host = WasmHost(options, stand.guest(), stand.doors, MemoryBudget(asyncio.get_running_loop()), EventStream())
    await host.open()
    await host.start()
    return host


async def use(lease: Lease, *ops: str) -> list[Json]:
    """One request: its calls one after the other, then its end."""
    try:
        return [await lease.call(op, EMPTY) for op in ops]
    finally:
        lease.release()


async def turns(n: int) -> None:
    for _ in range(n):
        await asyncio.sleep(0)


async def settled(host: WasmHost, stand: Bench) -> None:
    """Nothing is held, nothing waits, and every instance is counted once."""
    pool = host._pool
    while pool._making is not None or pool._leaving:
        await asyncio.sleep(0)
    assert not pool.is_waited_for
    assert pool.live == len(pool.idle) and pool._memory.charged == pool.live * pool.charge
    assert not any(held.instance.broken for held in pool.idle)
    assert not stand.scheduler._running


@pytest.mark.parametrize("per_request", [False, True])
@pytest.mark.parametrize("op", OPS)
async def test_a_call_that_is_left_at_any_turn_leaks_nothing(stand: Bench, per_request: bool, op: str) -> None:
    host = await opened(stand, per_request=per_request)
    for after in range(25):
        calls = [asyncio.ensure_future(use(host.lease(), "echo", op)) for _ in range(4)]
        await turns(after)
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)
        await settled(host, stand)
        assert await use(host.lease(), "echo") == [{}]
    await host.close()
    assert (host._pool.live, host._pool._memory.charged) == (0, 0)


@pytest.mark.parametrize("per_request", [False, True])
async def test_who_waits_gets_the_instance_of_whoever_leaves_at_any_turn(stand: Bench, per_request: bool) -> None:
    host = await opened(stand, per_request=per_request, most=1)
    for after in range(25):
        first = asyncio.ensure_future(use(host.lease(), "door.wait"))
        second, third = (asyncio.ensure_future(use(host.lease(), "echo")) for _ in range(2))
        await turns(after)
        first.cancel()
        await turns(after % 5)
        second.cancel()
        assert await third == [{}]
        await asyncio.wait([first, second])
        await settled(host, stand)
    await host.close()


@pytest.mark.parametrize("per_request", [False, True])
async def test_a_plugin_that_is_closed_at_any_turn_ends_or_refuses_every_call(stand: Bench, per_request: bool) -> None:
    for after in range(20):
        host = await opened(stand, per_request=per_request)
        calls = [asyncio.ensure_future(use(host.lease(), "echo", op)) for op in OPS]
        await turns(after)
        closing = asyncio.ensure_future(host.close())
        late = asyncio.ensure_future(use(host.lease(), "echo"))
        ends = await asyncio.gather(*calls, late, return_exceptions=True)
        await closing
        assert all(isinstance(end, list | PluginFailed | PluginUnavailable) for end in ends), ends
        assert isinstance(ends[-1], PluginUnavailable)
        assert (host._pool.live, host._pool._memory.charged) == (0, 0)
        assert not stand.scheduler._running


async def test_no_instance_is_in_two_hands(stand: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    host, busy = await opened(stand, per_request=False), set[int]()
    call_it = ComponentInstance.call

    async def watched(instance: ComponentInstance, fiber: Fiber, payload: bytes) -> Json:
        assert id(instance) not in busy
        busy.add(id(instance))
        try:
            return await call_it(instance, fiber, payload)
        finally:
            busy.remove(id(instance))

    monkeypatch.setattr(ComponentInstance, "call", watched)
    calls = [asyncio.ensure_future(use(host.lease(), OPS[i % 4])) for i in range(80)]
    for i, call in enumerate(calls):
        await turns(i % 3)
        if i % 5 == 0:
            call.cancel()
    ends = await asyncio.gather(*calls, return_exceptions=True)
    assert not any(isinstance(end, AssertionError) for end in ends)
    assert sum(isinstance(end, LimitExceeded) for end in ends) > 5
    await settled(host, stand)
    await host.close()


async def test_a_wait_counts_against_the_calls_own_time(stand: Bench) -> None:
    host = await opened(stand, per_request=False, most=1, timeout_s=0.05)
    held = await host._pool.acquire(asyncio.get_running_loop().time() + 30)
    with pytest.raises(PluginUnavailable, match="came free in time"):
        await use(host.lease(), "echo")
    host._pool.release(held)
    assert await use(host.lease(), "echo") == [{}]
    await host.close()


class Hog:
    """A call that uses up the whole turn of the loop in which it begins."""

    def __init__(self, stand: Bench) -> None:
        self.fiber, self._scheduler = Fiber("hog", "spin", Budget(), TestDoors(), None), stand.scheduler

    def begin(self) -> None:
        """A minute passes."""
        self._scheduler._count(60.0)

    def set_exception(self, error: Exception) -> None:
        """It does not mind."""


def use_up(stand: Bench, n: int = 1) -> None:
    """This turn of the loop and some more, for calls that come from now on."""
    for _ in range(n):
        stand.scheduler.arrive(Hog(stand))


async def test_calls_that_come_when_guests_have_used_up_the_turn_hold_no_instances_and_begin_in_their_order(stand: Bench) -> None:
    host = await opened(stand, per_request=False, most=8)
    use_up(stand)
    calls = [asyncio.ensure_future(host.lease().call("count", EMPTY)) for _ in range(9)]
    await asyncio.sleep(0)
    assert host._pool.arriving == 9 and len(host._pool.idle) == host._pool.live == 1
    assert await asyncio.gather(*calls) == [1, 2, 3, 4, 5, 6, 7, 8, 9]  # of the one instance
    assert host._pool.live == 1
    await settled(host, stand)
    await host.close()


async def test_calls_that_waited_for_one_instance_all_run_in_the_turn_in_which_it_comes_free(stand: Bench) -> None:
    host = await opened(stand, per_request=False, most=1)
    holds = asyncio.ensure_future(host.lease().call("door.wait", EMPTY))
    while not stand.doors.waiting:
        await asyncio.sleep(0)
    calls = [asyncio.ensure_future(host.lease().call("count", EMPTY)) for _ in range(8)]
    await turns(3)
    assert len(host._pool._waiting) == 8
    stand.doors.open.set()
    await holds
    passed = 0
    while not all(call.done() for call in calls):
        await asyncio.sleep(0)
        passed += 1
    assert [call.result() for call in calls] == [2, 3, 4, 5, 6, 7, 8, 9]
    assert passed < 8
    await host.close()


async def test_a_call_whose_turn_does_not_come_in_time_is_refused(stand: Bench) -> None:
    host = await opened(stand, per_request=False, timeout_s=0.0)
    use_up(stand, 5)
    with pytest.raises(PluginUnavailable, match="sandboxed calls that came before took all the time"):
        await use(host.lease(), "echo")
    await settled(host, stand)
    await host.close()


async def test_no_more_calls_wait_for_their_turn_than_may_wait(stand: Bench) -> None:
    host = await opened(stand, per_request=False)
    host._pool.limits = InstancesConfig(max=1, max_waiting=2)
    use_up(stand, 2)
    ends = await asyncio.gather(*(use(host.lease(), "echo") for _ in range(5)), return_exceptions=True)
    assert ends[:3] == [[{}]] * 3
    assert all(isinstance(end, PluginUnavailable) and "3 calls already wait" in end.message for end in ends[3:])
    await settled(host, stand)
    await host.close()


@pytest.mark.parametrize("op", ["echo", "spin", "door.wait"])
async def test_a_call_that_is_left_while_it_waits_for_its_turn_or_just_then_leaks_nothing(stand: Bench, op: str) -> None:
    host = await opened(stand, per_request=False)
    for after in range(12):
        use_up(stand, 4)
        calls = [asyncio.ensure_future(use(host.lease(), op)) for _ in range(4)]
        await turns(after)
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)
        await settled(host, stand)
        assert await use(host.lease(), "echo") == [{}]
    await host.close()


async def test_calls_that_wait_for_their_turn_end_with_their_plugin_or_with_everything(stand: Bench) -> None:
    host, other = await opened(stand, per_request=False), await opened(stand, per_request=False)
    other.host_calls = TestDoors()
    use_up(stand, 9)
    first, second = (asyncio.ensure_future(use(each.lease(), "echo")) for each in (host, other))
    await asyncio.sleep(0)
    stand.scheduler.end(host.host_calls)
    with pytest.raises(PluginUnavailable, match="being stopped"):
        await first
    assert not second.done()
    await stand.scheduler.close()
    with pytest.raises(PluginUnavailable, match="being stopped"):
        await second
    for each in (host, other):
        await settled(each, stand)
        await each.close()
