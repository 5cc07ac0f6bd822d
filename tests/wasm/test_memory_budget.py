"""Memory that is short: no plugin is left without, no room that is free is overlooked, and the sum is right whatever happens."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mockforge_asgi.config import InstancesConfig
from mockforge_asgi.errors import PluginFailed, PluginUnavailable
from mockforge_asgi.wasm.instance import Instance, PooledInstance
from mockforge_asgi.wasm.memory_budget import MemoryBudget
from mockforge_asgi.wasm.pool import PluginPool
from tests.support.pool_instances import Thing, make, soon


async def turns(n: int = 10) -> None:
    for _ in range(n):
        await asyncio.sleep(0)


@pytest.mark.parametrize("crashes", [False, True])
@pytest.mark.parametrize("room", [1, 2, 4])
async def test_a_plugin_that_is_always_busy_leaves_room_for_the_others(crashes: bool, room: int) -> None:
    shared = MemoryBudget(asyncio.get_running_loop(), room * 100)
    busy, other = (PluginPool(shared, name, make, InstancesConfig(), 100) for name in ("busy", "other"))
    is_over = False

    async def use() -> None:
        while not is_over:
            held = await busy.acquire(soon())
            await asyncio.sleep(0)
            held.instance.broken = crashes
            held.born_s -= 0.01  # its age, without the time
            busy.release(held)

    users = [asyncio.ensure_future(use()) for _ in range(8)]
    await turns(50)
    assert busy.live == max(1, room - 1)
    for _ in range(3):
        other.release(await other.acquire(soon()))
        await turns()
    is_over = True
    await asyncio.gather(*users)
    assert shared.charged == 100 * (busy.live + other.live) <= room * 100


async def test_a_small_one_gets_the_room_that_is_too_small_for_the_one_before_it() -> None:
    shared = MemoryBudget(asyncio.get_running_loop(), 300)
    holder, large, small = (PluginPool(shared, n, make, InstancesConfig(), charge) for n, charge in (("h", 100), ("l", 250), ("s", 100)))
    held = [await holder.acquire(soon()) for _ in range(3)]
    waiting = asyncio.ensure_future(large.acquire(soon()))
    await turns()
    getting = asyncio.ensure_future(small.acquire(soon()))
    await turns()
    holder.discard(held.pop())
    await getting
    waiting.cancel()


async def test_room_for_several_is_had_by_several() -> None:
    shared = MemoryBudget(asyncio.get_running_loop(), 300)
    large = PluginPool(shared, "large", make, InstancesConfig(), 300)
    small = [PluginPool(shared, str(i), make, InstancesConfig(), 100) for i in range(3)]
    held = await large.acquire(soon())
    getting = [asyncio.ensure_future(p.acquire(soon())) for p in small]
    await turns()
    large.discard(held)
    assert len(await asyncio.gather(*getting)) == 3


async def test_who_has_one_takes_no_room_that_one_without_waits_for() -> None:
    shared = MemoryBudget(asyncio.get_running_loop(), 300)
    has, without = PluginPool(shared, "has", make, InstancesConfig(), 100), PluginPool(shared, "without", make, InstancesConfig(), 200)
    PluginPool(shared, "third", make, InstancesConfig(), 100)  # one of each does not fit: no room is kept
    held = [await has.acquire(soon()) for _ in range(3)]
    getting = asyncio.ensure_future(without.acquire(soon()))
    more = [asyncio.ensure_future(has.acquire(soon())) for _ in range(2)]
    await turns()
    for each in held[:2]:
        has.discard(each)
        await turns()
    await getting
    has.release(held[2])
    has.release(await more[0])
    await more[1]


@pytest.mark.parametrize("idle", [0, 1, 2])
@pytest.mark.parametrize("calls", [5, 16, 40])
async def test_calls_of_one_plugin_take_no_other_plugins_last_instance(calls: int, idle: int) -> None:
    """Whether the other has it idle, is about to have it, or has more than one, of which it keeps one."""
    shared = MemoryBudget(asyncio.get_running_loop(), 500)
    guard, hog = PluginPool(shared, "guard", make, InstancesConfig(), 100), PluginPool(shared, "hog", make, InstancesConfig(max=50), 100)
    mine = [await guard.acquire(soon()) for _ in range(idle)]
    for held in mine:
        guard.release(held)
        held.used_s -= 3600.0
    sleeping = [asyncio.ensure_future(hog.acquire(soon())) for _ in range(calls)]
    await turns(50)
    assert (hog.live, guard.live) == (4, min(idle, 1))
    held = guard.acquire_now() or await guard.acquire(asyncio.get_running_loop().time() + 0.01)
    assert not idle or held is mine[-1]
    for each in sleeping:
        each.cancel()


@pytest.mark.parametrize("ends", [True, False])
async def test_an_instance_that_goes_away_leaves_its_room_to_its_plugin(ends: bool) -> None:
    """As after each request with `per_request`, or after a crash; at once, or after it has taken its leave."""
    shared, left = MemoryBudget(asyncio.get_running_loop(), 300), asyncio.Event()
    guard, hog = PluginPool(shared, "guard", make, InstancesConfig(), 100), PluginPool(shared, "hog", make, InstancesConfig(), 100)

    async def leave(instance: Instance) -> None:
        await left.wait()
        instance.close()

    guard.dismiss = leave
    held = await guard.acquire(soon())
    waiting = [asyncio.ensure_future(hog.acquire(soon())) for _ in range(4)]
    await turns()
    held.instance.broken = ends
    guard.discard(held)
    await turns()
    left.set()
    await turns()
    assert (hog.live, guard.live) == (2, 0)
    assert await guard.acquire(asyncio.get_running_loop().time() + 0.01)
    for each in waiting:
        each.cancel()


async def test_the_last_one_goes_only_where_one_of_each_does_not_fit_and_for_who_has_none() -> None:
    shared = MemoryBudget(asyncio.get_running_loop(), 200)
    a, b, c = (PluginPool(shared, name, make, InstancesConfig(), 100) for name in "abc")
    assert shared.one_each_bytes == 300
    first, second = await a.acquire(soon()), await b.acquire(soon())
    a.release(first)
    first.used_s -= 3600.0
    with pytest.raises(PluginUnavailable, match="one of each"):
        await b.acquire(asyncio.get_running_loop().time())
    assert a.live == 1
    await c.acquire(soon())
    assert (a.live, b.live, c.live) == (0, 1, 1)
    b.release(second)


async def test_a_plugin_that_closes_keeps_no_room() -> None:
    shared = MemoryBudget(asyncio.get_running_loop(), 200)
    old, hog = PluginPool(shared, "old", make, InstancesConfig(), 100), PluginPool(shared, "hog", make, InstancesConfig(), 100)
    await hog.acquire(soon())
    waiting = asyncio.ensure_future(hog.acquire(soon()))
    await turns()
    assert not waiting.done()
    await old.close(0)
    assert await waiting


async def test_a_generation_that_is_replaced_counts_once() -> None:
    shared = MemoryBudget(asyncio.get_running_loop(), 100)
    for _ in range(2):
        PluginPool(shared, "p", make, InstancesConfig(), 100)
    assert shared.one_each_bytes == 100


class Stand:
    """One plugin's pool, the calls that use it, and gates before whatever takes time."""

    def __init__(self, shared: MemoryBudget, name: str, charge: int, limits: InstancesConfig) -> None:
        self.pool: PluginPool = PluginPool(shared, name, self._make, limits, charge)
        self.calls: list[asyncio.Task[PooledInstance]] = []
        self.held: list[PooledInstance] = []
        self.births: list[asyncio.Future[bool]] = []
        self.deaths: list[asyncio.Future[None]] = []
        self.things: list[Thing] = []
        self.closing: asyncio.Task[None] | None = None

    async def _make(self) -> Instance:
        born: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.births.append(born)
        try:
            if not await born:
                raise PluginFailed(self.pool.plugin, "plugin.init", "no")
        finally:
            self.births.remove(born)
        self.things.append(Thing())
        return self.things[-1]

    async def dismiss(self, instance: Instance) -> None:
        gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.deaths.append(gone)
        try:
            await gone
        finally:
            self.deaths.remove(gone)
            instance.close()

    def settle(self) -> None:
        """What has become of the calls."""
        for call in [call for call in self.calls if call.done()]:
            self.calls.remove(call)
            if not call.cancelled() and (error := call.exception()) is None:
                self.held.append(call.result())
            else:
                assert call.cancelled() or isinstance(error, PluginFailed | PluginUnavailable), error


NAMES: Final = {"a": 100, "b": 100, "c": 250}
plugins = st.sampled_from(sorted(NAMES))
picks = st.integers(0, 7)


@settings(max_examples=60, stateful_step_count=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
class PoolMachine(RuleBasedStateMachine):
    """Calls that come, leave, end well and crash, instances that fail to be made, leave slowly, and plugins that close, in any order."""

    CAP = 400
    """Too little for one instance of each."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.shared = MemoryBudget(self.loop, self.CAP)
        limits = InstancesConfig(max=2, max_waiting=3, warm=1, recycle_calls=4)
        self.stands = {name: Stand(self.shared, name, charge, limits) for name, charge in NAMES.items()}
        self.ever: list[Stand] = list(self.stands.values())
        self.limits = limits

    def run(self, doing: Callable[[], object]) -> None:
        """Do it on the loop, then let everything happen that can."""

        async def all_of_it() -> None:
            doing()
            for _ in range(12):
                await asyncio.sleep(0)
                for stand in self.ever:
                    stand.settle()

        self.loop.run_until_complete(all_of_it())

    def which(self, pick: int, has: Callable[[Stand], object]) -> Stand | None:
        """One of the current plugins that have such."""
        found = [stand for stand in self.stands.values() if has(stand)]
        return found[pick % len(found)] if found else None

    @rule(name=plugins, times=st.integers(1, 5))
    def call(self, name: str, times: int) -> None:
        stand = self.stands[name]

        def doing() -> None:
            for _ in range(times):
                stand.calls.append(self.loop.create_task(stand.pool.acquire(self.loop.time() + 3600)))

        self.run(doing)

    @rule(name=plugins)
    def call_in_vain(self, name: str) -> None:
        stand = self.stands[name]
        self.run(lambda: stand.calls.append(self.loop.create_task(stand.pool.acquire(self.loop.time()))))

    @rule(pick=picks)
    def leave(self, pick: int) -> None:
        if (stand := self.which(pick, lambda stand: stand.calls)) is not None:
            self.run(stand.calls[pick % len(stand.calls)].cancel)

    @rule(pick=picks, crashes=st.booleans(), leaves=st.booleans(), ages=st.booleans())
    def give(self, pick: int, crashes: bool, leaves: bool, ages: bool) -> None:
        """An instance comes back, and in the same turn the call leaves that would have got it."""
        if (stand := self.which(pick, lambda stand: stand.held)) is None:
            return
        held = stand.held.pop(pick % len(stand.held))
        held.instance.broken = crashes
        held.born_s -= 5.0 * ages

        def doing() -> None:
            stand.pool.release(held)
            if leaves and stand.calls:
                stand.calls[0].cancel()

        self.run(doing)

    @rule(pick=picks, works=st.sampled_from([True, True, True, False]), leaves=st.booleans())
    def born(self, pick: int, works: bool, leaves: bool) -> None:
        if (stand := self.which(pick, lambda stand: stand.births)) is None:
            return

        def doing() -> None:
            stand.births[0].set_result(works)
            if leaves and stand.calls:
                stand.calls[0].cancel()

        self.run(doing)

    @rule(name=plugins)
    def prepare(self, name: str) -> None:
        self.run(self.stands[name].pool.prepare)

    @rule(name=plugins)
    def says_goodbye(self, name: str) -> None:
        self.stands[name].pool.dismiss = self.stands[name].dismiss

    @rule(pick=picks)
    def gone(self, pick: int) -> None:
        deaths = [death for stand in self.ever for death in stand.deaths]
        if deaths:
            self.run(lambda: deaths[pick % len(deaths)].set_result(None))

    @rule(name=plugins)
    def refuse(self, name: str) -> None:
        stand = self.stands[name]
        self.run(lambda: stand.pool.refuse_waiting(lambda: PluginUnavailable(name, "it is in quarantine")))
        assert not stand.calls

    @precondition(lambda self: len(self.ever) < 8)
    @rule(name=plugins)
    def reload(self, name: str) -> None:
        """A new generation takes over; the old one closes while its calls run."""
        old = self.stands[name]
        self.stands[name] = new = Stand(self.shared, name, NAMES[name], self.limits)
        self.ever.append(new)

        def doing() -> None:
            old.closing = self.loop.create_task(old.pool.close(3600))

        self.run(doing)
        assert not old.calls, "those that waited got their answer"

    @invariant()
    def the_sum_is_right(self) -> None:
        shared = self.shared
        assert shared.charged == sum(stand.pool.live * stand.pool.charge for stand in self.ever) <= self.CAP
        for stand in self.ever:
            pool, open_things = stand.pool, sum(not thing.closed for thing in stand.things)
            assert pool.live == open_things + len(stand.births)
            assert 0 <= pool.live <= pool.limits.max
            assert len(pool._waiting) <= pool.limits.max_waiting
            assert len(stand.births) <= 1
        assert shared.leaving == sum(len(stand.deaths) * stand.pool.charge for stand in self.ever)

    @invariant()
    def nobody_has_what_another_has(self) -> None:
        for stand in self.ever:
            out = [held.instance for held in (*stand.held, *stand.pool.idle)]
            assert len({id(each) for each in out}) == len(out)
            assert not any(isinstance(each, Thing) and each.closed for each in out)
            assert len(out) + len(stand.births) + len(stand.deaths) == stand.pool.live

    @invariant()
    def nobody_waits_for_what_is_there(self) -> None:
        for name, stand in self.stands.items():
            pool = stand.pool
            if not stand.calls:
                continue
            assert not pool.idle, f"{name} waits with an instance idle"
            if pool.live == 0:
                idle = sum(other.pool.charge * len(other.pool.idle) for other in self.ever)
                short = self.shared.charged - self.shared.leaving - idle + pool.charge > self.CAP
                others = any(
                    other.births or other.deaths or (other.calls and other.pool.live == 0) for other in self.ever if other is not stand
                )
                assert short or others or self.shared.leaving, f"{name} waits, and there is room"

    @invariant()
    def there_is_room_for_one_of_each(self) -> None:
        shared, now = self.shared, [stand.pool for stand in self.ever]
        if len(now) == len(NAMES) and sum(NAMES.values()) <= self.CAP:
            kept = sum(pool.charge for pool in now if pool.live == pool.leaving)
            assert shared.charged - shared.leaving + kept <= self.CAP
            assert not any(stand.calls and not stand.pool.live for stand in self.ever)

    def teardown(self) -> None:
        def doing() -> None:
            for stand in self.ever:
                for held in stand.held:
                    stand.pool.release(held)
                stand.held.clear()
                if stand.closing is None:
                    stand.closing = self.loop.create_task(stand.pool.close(3600))

        async def ended() -> None:
            for _ in range(60):
                for stand in self.ever:
                    stand.settle()
                    for held in stand.held:
                        stand.pool.release(held)
                    stand.held.clear()
                    for death in stand.deaths:
                        if not death.done():
                            death.set_result(None)
                await asyncio.sleep(0)
            closings: list[Awaitable[None]] = [stand.closing for stand in self.ever if stand.closing is not None]
            await asyncio.wait_for(asyncio.gather(*closings), 5)

        self.run(doing)
        self.loop.run_until_complete(ended())
        assert (self.shared.charged, self.shared.leaving, len(self.shared.starved)) == (0, 0, 0)
        assert not any(stand.calls for stand in self.ever)
        self.loop.close()


class RoomyMachine(PoolMachine):
    """The same where one of each fits: room for it is kept."""

    CAP = 600


TestPool = PoolMachine.TestCase
TestRoomyPool = RoomyMachine.TestCase
