"""The pool: reuse, bounds, recycling, eviction under the cap, draining."""

from __future__ import annotations

import asyncio

import pytest

from mockforge_asgi.config import InstancesConfig
from mockforge_asgi.errors import PluginFailed, PluginUnavailable
from mockforge_asgi.wasm.instance import Instance
from mockforge_asgi.wasm.memory_budget import MemoryBudget
from mockforge_asgi.wasm.pool import PluginPool
from tests.support.pool_instances import Thing, make, soon


def pool(
    limits: InstancesConfig | None = None, *, cap: int = 1000, charge: int = 100, shared: MemoryBudget | None = None, name: str = "p"
) -> PluginPool:
    shared = shared or MemoryBudget(asyncio.get_running_loop(), cap)
    return PluginPool(shared, name, make, limits or InstancesConfig(), charge)


async def test_an_instance_given_back_is_taken_again() -> None:
    p = pool()
    first = await p.acquire(soon())
    p.release(first)
    assert p.acquire_now() is first
    assert p.acquire_now() is None


async def test_a_broken_instance_is_freed_and_its_charge_returned() -> None:
    p = pool()
    held = await p.acquire(soon())
    held.instance.broken = True
    p.release(held)
    assert isinstance(held.instance, Thing) and held.instance.closed
    assert (p.live, p._memory.charged) == (0, 0)


async def test_an_old_instance_is_replaced() -> None:
    p = pool(InstancesConfig(recycle_calls=2))
    first = await p.acquire(soon())
    p.release(first)
    p.release(await p.acquire(soon()))
    assert await p.acquire(soon()) is not first


async def test_another_is_made_ready_for_an_old_one_before_a_call_wants_it() -> None:
    p = pool(InstancesConfig(recycle_calls=1))
    first = await p.acquire(soon())
    p.release(first)
    while p._making is not None:
        await asyncio.sleep(0)
    assert (p.live, len(p.idle)) == (1, 1) and p.idle[0] is not first


async def test_preparing_what_is_ready_makes_none_later() -> None:
    p = pool()
    p.release(await p.acquire(soon()))
    p.prepare()
    held = [await p.acquire(soon()), await p.acquire(soon())]
    while p._making is not None:
        await asyncio.sleep(0)
    assert (p.live, len(p.idle)) == (2, 0)
    for each in held:
        p.release(each)


async def test_a_call_over_the_maximum_waits_for_one_that_ends() -> None:
    p = pool(InstancesConfig(max=1))
    held = await p.acquire(soon())
    waiting = asyncio.ensure_future(p.acquire(soon()))
    await asyncio.sleep(0)
    p.release(held)
    assert await waiting is held


async def test_a_wait_over_its_deadline_says_so() -> None:
    p = pool(InstancesConfig(max=1))
    await p.acquire(soon())
    with pytest.raises(PluginUnavailable, match="came free in time"):
        await p.acquire(asyncio.get_running_loop().time())


async def test_the_queue_is_bounded() -> None:
    p = pool(InstancesConfig(max=1, max_waiting=1))
    held = await p.acquire(soon())
    waiting = asyncio.ensure_future(p.acquire(soon()))
    await asyncio.sleep(0)
    with pytest.raises(PluginUnavailable, match="already wait"):
        await p.acquire(soon())
    p.release(held)
    await waiting


async def test_a_cancelled_wait_passes_its_turn_on() -> None:
    p = pool(InstancesConfig(max=1))
    held = await p.acquire(soon())
    first, second = (asyncio.ensure_future(p.acquire(soon())) for _ in range(2))
    await asyncio.sleep(0)
    p.release(held)
    first.cancel()
    assert await second is held
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_the_cap_evicts_the_longest_idle_instance_of_any_plugin() -> None:
    shared = MemoryBudget(asyncio.get_running_loop(), 500)
    a, b, c = (pool(shared=shared, name=name) for name in "abc")
    for p, age_s in ((a, 5), (b, 6)):
        held = [await p.acquire(soon()) for _ in range(2)]
        for each in held:
            p.release(each)
            each.used_s -= age_s
    for _ in range(2):
        await c.acquire(soon())
    assert (a.live, b.live, c.live, shared.charged) == (2, 1, 2, 500)


async def test_a_plugin_without_memory_waits_for_another_plugins_instance() -> None:
    shared = MemoryBudget(asyncio.get_running_loop(), 100)
    a, b = pool(shared=shared, name="a"), pool(shared=shared, name="b")
    held = await a.acquire(soon())
    waiting = asyncio.ensure_future(b.acquire(soon()))
    await asyncio.sleep(0)
    a.release(held)
    assert (await waiting).instance is not held.instance
    assert (a.live, b.live) == (0, 1)


async def test_instances_are_prepared_ahead() -> None:
    p = pool(InstancesConfig(warm=3))
    p.prepare()
    while len(p.idle) < 3:
        await asyncio.sleep(0)
    assert p.live == 3


async def test_an_instance_that_cannot_be_made_costs_nothing() -> None:
    async def broken() -> Thing:
        raise PluginFailed("p", "plugin.init", "no")

    shared = MemoryBudget(asyncio.get_running_loop(), 1000)
    p = PluginPool(shared, "p", broken, InstancesConfig(), 100)
    with pytest.raises(PluginFailed):
        await p.acquire(soon())
    assert (p.live, shared.charged) == (0, 0)


async def test_closing_waits_for_running_calls_and_refuses_new_ones() -> None:
    p = pool()
    held, idle = await p.acquire(soon()), await p.acquire(soon())
    p.release(idle)
    closing = asyncio.ensure_future(p.close(30))
    await asyncio.sleep(0)
    assert isinstance(idle.instance, Thing) and idle.instance.closed
    with pytest.raises(PluginUnavailable, match="being stopped"):
        await p.acquire(soon())
    p.release(held)
    await closing
    assert isinstance(held.instance, Thing) and held.instance.closed


async def test_calls_that_outlast_the_drain_time_are_ended_and_waited_for() -> None:
    p = pool()
    held = await p.acquire(soon())
    await p.close(0.001, lambda: p.release(held))
    assert isinstance(held.instance, Thing) and held.instance.closed and p.live == 0


async def test_calls_that_wait_are_refused_together() -> None:
    p = pool(InstancesConfig(max=1))
    await p.acquire(soon())
    waiting = [asyncio.ensure_future(p.acquire(soon())) for _ in range(3)]
    await asyncio.sleep(0)
    p.refuse_waiting(lambda: PluginUnavailable("p", "it is in quarantine"))
    for one in await asyncio.gather(*waiting, return_exceptions=True):
        assert isinstance(one, PluginUnavailable)
    assert not p.is_waited_for


async def test_busy_plugins_do_not_take_each_others_instances() -> None:
    shared = MemoryBudget(asyncio.get_running_loop(), 200)
    a, b = pool(shared=shared, name="a"), pool(shared=shared, name="b")
    mine, theirs = await a.acquire(soon()), await b.acquire(soon())
    b.release(theirs)
    second = asyncio.ensure_future(a.acquire(soon()))
    await asyncio.sleep(0)
    assert not second.done()
    a.release(mine)
    assert await second is mine
    assert (a.live, b.live) == (1, 1)


async def test_an_instance_goes_to_the_call_that_has_waited_longest() -> None:
    p = pool(InstancesConfig(max=1))
    held = await p.acquire(soon())
    waiting = [asyncio.ensure_future(p.acquire(soon())) for _ in range(3)]
    await asyncio.sleep(0)
    for task in waiting:
        p.release(held)
        assert p.acquire_now() is None
        assert await task is held


async def test_one_instance_is_made_at_a_time() -> None:
    gate, made = asyncio.Event(), 0

    async def slowly() -> Thing:
        nonlocal made
        made += 1
        await gate.wait()
        return Thing()

    p = PluginPool(MemoryBudget(asyncio.get_running_loop(), 1000), "p", slowly, InstancesConfig(), 100)
    tasks = [asyncio.ensure_future(p.acquire(soon())) for _ in range(3)]
    for _ in range(3):
        await asyncio.sleep(0)
    assert made == 1
    gate.set()
    assert len({id(held) for held in await asyncio.gather(*tasks)}) == 3


async def test_many_calls_that_starve_for_memory_end_in_order() -> None:
    shared = MemoryBudget(asyncio.get_running_loop(), 200)
    a, b = (
        pool(InstancesConfig(max_waiting=5000), shared=shared, name="a"),
        pool(InstancesConfig(max_waiting=5000), shared=shared, name="b"),
    )

    async def use(p: PluginPool) -> None:
        held = await p.acquire(soon())
        await asyncio.sleep(0)
        p.release(held)

    await asyncio.gather(*(use(p) for _ in range(2000) for p in (a, b)))
    assert (a.live, b.live, shared.charged) == (1, 1, 200)


async def test_a_call_takes_what_comes_free_while_an_instance_is_being_made_for_it() -> None:
    gate, first = asyncio.Event(), True

    async def slowly() -> Thing:
        nonlocal first
        if not first:
            await gate.wait()
        first = False
        return Thing()

    p = PluginPool(MemoryBudget(asyncio.get_running_loop(), 1000), "p", slowly, InstancesConfig(), 100)
    held = await p.acquire(soon())
    waiting = asyncio.ensure_future(p.acquire(soon()))
    while p.live < 2:
        await asyncio.sleep(0)
    p.release(held)
    assert await waiting is held
    gate.set()
    for _ in range(5):
        await asyncio.sleep(0)
    assert (p.live, len(p.idle)) == (2, 1)


async def test_a_call_that_gives_up_leaves_the_instance_made_for_it_to_the_next() -> None:
    gate, made = asyncio.Event(), 0

    async def slowly() -> Thing:
        nonlocal made
        made += 1
        await gate.wait()
        return Thing()

    p = PluginPool(MemoryBudget(asyncio.get_running_loop(), 1000), "p", slowly, InstancesConfig(), 100)
    with pytest.raises(PluginUnavailable, match="in time"):
        await p.acquire(asyncio.get_running_loop().time() + 0.01)
    gate.set()
    assert await p.acquire(soon()) is not None
    assert made == 1


async def test_each_call_that_waits_is_told_why_no_instance_can_be_made() -> None:
    async def broken() -> Thing:
        await asyncio.sleep(0)
        raise PluginFailed("p", "plugin.init", "no")

    p = PluginPool(MemoryBudget(asyncio.get_running_loop(), 1000), "p", broken, InstancesConfig(), 100)
    ended = await asyncio.gather(*(p.acquire(soon()) for _ in range(3)), return_exceptions=True)
    assert [type(error) for error in ended] == [PluginFailed] * 3
    assert p.live == 0


async def test_closing_ends_what_is_being_made() -> None:
    async def never() -> Thing:
        await asyncio.Event().wait()
        return Thing()

    shared = MemoryBudget(asyncio.get_running_loop(), 1000)
    p = PluginPool(shared, "p", never, InstancesConfig(), 100)
    waiting = asyncio.ensure_future(p.acquire(soon()))
    await asyncio.sleep(0)
    await p.close(30)
    with pytest.raises(PluginUnavailable, match="being stopped"):
        await waiting
    assert (p.live, shared.charged) == (0, 0)


async def test_nothing_is_evicted_for_an_instance_that_would_not_fit_even_so() -> None:
    shared = MemoryBudget(asyncio.get_running_loop(), 200)
    small, large = pool(shared=shared, name="small"), pool(shared=shared, name="large", charge=150)
    busy, idle = await small.acquire(soon()), await small.acquire(soon())
    small.release(idle)
    with pytest.raises(PluginUnavailable, match=r"fill limits\.pool_memory_mb"):
        await large.acquire(asyncio.get_running_loop().time())
    assert isinstance(idle.instance, Thing) and not idle.instance.closed
    small.discard(busy)
    assert (await large.acquire(soon())).instance is not None


@pytest.mark.parametrize(("full", "words"), [(True, r"plugins\.p\.instances\.max\b"), (False, "was not ready in time")])
async def test_a_wait_in_vain_says_what_it_waited_for(full: bool, words: str) -> None:
    never = asyncio.Event()

    async def slowly() -> Thing:
        await never.wait()
        return Thing()

    shared = MemoryBudget(asyncio.get_running_loop(), 1000)
    p = PluginPool(shared, "p", make if full else slowly, InstancesConfig(max=1 if full else 2), 100)
    if full:
        await p.acquire(soon())
    with pytest.raises(PluginUnavailable, match=words):
        await p.acquire(asyncio.get_running_loop().time())
    await p.close(0)


async def test_an_evicted_instance_takes_its_leave_before_another_gets_its_room() -> None:
    shared = MemoryBudget(asyncio.get_running_loop(), 200)
    a, b = pool(shared=shared, name="a"), pool(shared=shared, name="b", charge=150)
    may_leave, left = asyncio.Event(), 0

    async def slowly(instance: Instance) -> None:
        nonlocal left
        await may_leave.wait()
        instance.close()
        left += 1

    a.dismiss = slowly
    for held in [await a.acquire(soon()), await a.acquire(soon())]:
        a.release(held)
    waiting = asyncio.ensure_future(b.acquire(soon()))
    for _ in range(5):
        await asyncio.sleep(0)
    assert (left, waiting.done(), shared.charged) == (0, False, 200)
    may_leave.set()
    await waiting
    assert (left, a.live, shared.charged, shared.leaving) == (2, 0, 150, 0)
