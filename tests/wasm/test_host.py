"""The sandboxed host: opening, both isolation modes, events, stopping."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from mockforge_asgi.config import InstancesConfig
from mockforge_asgi.contract import Json
from mockforge_asgi.errors import ConfigError, LimitExceeded, PluginFailed, PluginRejected, PluginUnavailable
from mockforge_asgi.events import CallFinished, EventStream
from mockforge_asgi.exact_json import dumps
from mockforge_asgi.wasm.fiber import Budget, Fiber
from mockforge_asgi.wasm.host import HostOptions, WasmHost
from mockforge_asgi.wasm.memory_budget import MemoryBudget
from mockforge_asgi.wasm.scheduler import Scheduler
from tests.support.component_guests import COMPONENT, Bench, TestDoors, bench, idle_scheduler
from tests.support.extism_guests import extism_bench, wat


@pytest.fixture
async def stand() -> AsyncIterator[Bench]:
    async with bench() as made:
        yield made


def host(
    stand: Bench,
    *,
    per_request: bool = False,
    text: str = COMPONENT,
    cpu_s: float = 0.05,
    limits: InstancesConfig | None = None,
    events: EventStream | None = None,
) -> WasmHost:
    options = HostOptions("guest", "1.0.0", {}, Budget(cpu_s, 30.0), per_request, limits or InstancesConfig())
    pool = MemoryBudget(asyncio.get_running_loop())
    return WasmHost(options, stand.guest(text), stand.doors, pool, events or EventStream())


async def opened(stand: Bench, **kwargs: object) -> WasmHost:
    made = host(stand, **kwargs)  # type: ignore[arg-type]
    await made.open()
    await made.start()
    return made


EMPTY = dumps({})


async def test_open_gives_what_the_plugin_says_of_itself(stand: Bench) -> None:
    assert (await host(stand).open()).ops == {"auth.authenticate", "response.generate"}


@pytest.mark.parametrize(("said", "words"), [('{\\"contract\\":\\"9.9\\"}', "9.9"), ("[1]", "JSON object"), ("oops", "not JSON")])
async def test_a_plugin_that_describes_itself_wrongly_is_rejected(stand: Bench, said: str, words: str) -> None:
    from tests.support.component_guests import DESCRIPTION

    size = len(said.replace("\\", ""))
    text = COMPONENT.replace(DESCRIPTION, said).replace(
        f"(i32.const {len(DESCRIPTION.replace(chr(92), ''))})) (i32.const 0))", f"(i32.const {size})) (i32.const 0))"
    )
    with pytest.raises(PluginRejected, match=words):
        await host(stand, text=text).open()


async def test_reused_instances_keep_their_memory_between_calls(stand: Bench) -> None:
    made = await opened(stand)
    lease = made.lease()
    assert [await lease.call("count", EMPTY) for _ in range(3)] == [1, 2, 3]


async def test_per_request_instances_keep_it_within_one_request_only(stand: Bench) -> None:
    made = await opened(stand, per_request=True)
    for _ in range(3):
        lease = made.lease()
        assert [await lease.call("count", EMPTY) for _ in range(2)] == [1, 2]
        lease.release()


@pytest.mark.parametrize("per_request", [False, True])
async def test_64_requests_at_once_each_get_their_own_answer(stand: Bench, per_request: bool) -> None:
    made = await opened(stand, per_request=per_request)

    async def request(n: int) -> Json:
        lease = made.lease()
        try:
            return await lease.call("door.wait", dumps({"n": n})), await lease.call("echo", dumps(n))
        finally:
            lease.release()

    calls = [asyncio.ensure_future(request(n)) for n in range(64)]
    while stand.doors.waiting < 16:
        await asyncio.sleep(0)
    stand.doors.open.set()
    assert await asyncio.gather(*calls) == [({"waited": {"n": n}}, n) for n in range(64)]


async def test_an_instance_that_broke_is_not_used_again(stand: Bench) -> None:
    made = await opened(stand)
    lease = made.lease()
    assert await lease.call("count", EMPTY) == 1
    with pytest.raises(PluginFailed):
        await lease.call("trap", EMPTY)
    assert await lease.call("count", EMPTY) == 1


async def test_after_a_crash_a_request_gets_no_second_instance(stand: Bench) -> None:
    made = await opened(stand, per_request=True)
    lease = made.lease()
    with pytest.raises(LimitExceeded):
        await lease.call("spin", EMPTY)
    with pytest.raises(PluginUnavailable, match="earlier call"):
        await lease.call("count", EMPTY)
    lease.release()


async def test_every_call_is_an_event(stand: Bench) -> None:
    events, seen = EventStream(), []
    made = await opened(stand, events=events)
    events.subscribe(lambda e: seen.append(e), CallFinished)
    lease = made.lease()
    await lease.call("echo", EMPTY)
    with pytest.raises(PluginFailed):
        await lease.call("trap", EMPTY)
    with pytest.raises(LimitExceeded):
        await lease.call("spin", EMPTY)
    assert [(e.op, e.outcome) for e in seen if isinstance(e, CallFinished)] == [("echo", "ok"), ("trap", "failed"), ("spin", "limit")]


async def test_a_closed_host_refuses_calls_and_ends_running_ones_first(stand: Bench) -> None:
    made = await opened(stand)
    running = asyncio.ensure_future(made.lease().call("door.wait", EMPTY))
    while not stand.doors.waiting:
        await asyncio.sleep(0)
    closing = asyncio.ensure_future(made.close())
    await asyncio.sleep(0)
    with pytest.raises(PluginUnavailable, match="being stopped"):
        await made.lease().call("echo", EMPTY)
    stand.doors.open.set()
    assert await running == {"waited": {}}
    await closing


def brief(stand: Bench, *, per_request: bool = False) -> WasmHost:
    """A host that waits a moment only for its calls to end."""
    options = HostOptions("guest", "1.0.0", {}, Budget(60.0, 60.0), per_request, InstancesConfig(), drain_s=0.05)
    return WasmHost(options, stand.guest(), stand.doors, MemoryBudget(asyncio.get_running_loop()), EventStream())


async def test_calls_that_outlast_the_drain_time_are_ended_and_no_others(stand: Bench) -> None:
    made, other = brief(stand), await opened(stand)
    other_doors = other.host_calls = TestDoors()
    await made.open()
    await made.start()
    others = asyncio.ensure_future(other.lease().call("door.wait", EMPTY))
    running = [asyncio.ensure_future(made.lease().call(op, EMPTY)) for op in ("door.wait", "spin", "spin")]
    while not (stand.doors.waiting and other_doors.waiting):
        await asyncio.sleep(0)
    await made.close()
    for call in running:
        with pytest.raises(PluginUnavailable, match="being stopped"):
            await call
    assert (made._pool.live, made._pool._memory.charged) == (0, 0)
    other_doors.open.set()
    assert await others == {"waited": {}}
    await other.close()


async def test_a_lease_that_outlasts_the_drain_time_takes_no_more_calls(stand: Bench) -> None:
    made = brief(stand, per_request=True)
    await made.open()
    await made.start()
    lease = made.lease()
    assert await lease.call("count", EMPTY) == 1
    await made.close()
    with pytest.raises(PluginUnavailable, match="being stopped"):
        await lease.call("count", EMPTY)
    lease.release()
    assert made._pool.live == 0


@dataclass
class Watching:
    """Counts what the host tells of making instances."""

    said: list[str] = field(default_factory=list)

    def made(self) -> None:
        """Noted."""
        self.said.append("made")

    def unmade(self, error: PluginFailed) -> None:
        """Noted."""
        self.said.append(error.op)


async def test_who_watches_hears_of_each_instance_made_or_not() -> None:
    refusal: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
    refusal.set_exception(PluginFailed("guest", "plugin.init", "no database"))
    made, guest = scripted({"plugin.init": None, "echo": 1}, per_request=True)
    made.watch = watch = Watching()
    await made.open()
    await made.start()
    guest.said["plugin.init"] = refusal
    lease = made.lease()
    await lease.call("echo", EMPTY)
    lease.release()
    with pytest.raises(PluginFailed, match="no database"):
        await made.lease().call("echo", EMPTY)
    assert watch.said == ["made", "plugin.init"]
    await made.close()


@dataclass
class Scripted:
    """A guest whose answers the test writes down."""

    said: dict[str, Json]
    calls: list[str] = field(default_factory=list)
    broken: bool = False
    closed: int = 0
    memory_bytes: int = 0
    scheduler: Scheduler = field(default_factory=idle_scheduler)

    async def instantiate(self, fiber: Fiber) -> Scripted:
        """Itself."""
        return self

    async def describe(self, fiber: Fiber) -> Json:
        """The given operations."""
        return {"contract": "0.1", "ops": list(self.said)}

    async def begin(self, fiber: Fiber, payload: bytes) -> Json:
        """The given answer; a future is waited for."""
        self.calls.append(fiber.op)
        said = self.said[fiber.op]
        return await said if isinstance(said, asyncio.Future) else said

    def close(self) -> None:
        """Counted."""
        self.closed += 1


def scripted(said: dict[str, Json], *, per_request: bool = False) -> tuple[WasmHost, Scripted]:
    guest = Scripted(said)
    options = HostOptions("guest", "1.0.0", {"a": 1}, Budget(), per_request, InstancesConfig(warm=0))
    return WasmHost(options, guest, TestDoors(), MemoryBudget(asyncio.get_running_loop()), EventStream()), guest


async def test_the_lifecycle_runs_in_order() -> None:
    made, guest = scripted({f"plugin.{name}": None for name in ("validate_config", "init", "start", "stop")})
    await made.open()
    await made.start()
    await made.close()
    assert guest.calls == [f"plugin.{name}" for name in ("validate_config", "init", "start", "init", "stop")]
    assert guest.closed >= 2


async def test_a_refused_configuration_lists_every_fault() -> None:
    made, _ = scripted({"plugin.validate_config": [{"path": "header", "message": "must not be empty"}, "and more"]})
    with pytest.raises(ConfigError) as caught:
        await made.open()
    assert [p.place for p in caught.value.problems] == ["plugins.guest.config.header", "plugins.guest.config"]


async def test_a_plugin_that_never_started_is_not_stopped() -> None:
    made, guest = scripted({"plugin.validate_config": ["no"], "plugin.init": None, "plugin.start": None, "plugin.stop": None})
    with pytest.raises(ConfigError):
        await made.open()
    await made.close()
    assert guest.calls == ["plugin.validate_config"]


async def test_a_lease_released_in_mid_call_gives_its_instance_back_when_the_call_has_ended() -> None:
    answer = asyncio.get_running_loop().create_future()
    made, guest = scripted({"echo": answer}, per_request=True)
    lease = made.lease()
    first, second = (asyncio.ensure_future(lease.call("echo", EMPTY)) for _ in range(2))
    while not guest.calls:
        await asyncio.sleep(0)
    lease.release()
    assert guest.closed == 0
    answer.set_result(7)
    assert await first == 7
    with pytest.raises(PluginUnavailable, match="is over"):
        await second
    with pytest.raises(PluginUnavailable, match="is over"):
        await lease.call("echo", EMPTY)
    assert (guest.closed, made._pool.live) == (1, 0)


async def test_a_lease_released_while_it_waits_for_an_instance_leaks_none() -> None:
    made, guest = scripted({"echo": 1}, per_request=True)
    gate = asyncio.Event()

    async def slowly(fiber: Fiber) -> Scripted:
        await gate.wait()
        return guest

    guest.instantiate = slowly  # type: ignore[method-assign]
    lease = made.lease()
    call = asyncio.ensure_future(lease.call("echo", EMPTY))
    for _ in range(3):
        await asyncio.sleep(0)
    lease.release()
    gate.set()
    with pytest.raises(PluginUnavailable, match="is over"):
        await call
    assert (guest.calls, made._pool.live) == ([], 0)


async def test_a_call_that_gets_no_instance_is_an_event_too() -> None:
    answer = asyncio.get_running_loop().create_future()
    guest, events, seen = Scripted({"echo": answer}), EventStream(), []
    events.subscribe(lambda event: seen.append(event), CallFinished)
    options = HostOptions("guest", "1.0.0", {}, Budget(timeout_s=0.01), pool=InstancesConfig(warm=0, max=1))
    lease = WasmHost(options, guest, TestDoors(), MemoryBudget(asyncio.get_running_loop()), events).lease()
    running = asyncio.ensure_future(lease.call("echo", EMPTY))
    while not guest.calls:
        await asyncio.sleep(0)
    with pytest.raises(PluginUnavailable):
        await lease.call("echo", EMPTY)
    assert [event.outcome for event in seen if isinstance(event, CallFinished)] == ["unavailable"]
    answer.set_result(1)
    await running


async def test_stop_runs_when_the_last_call_has_ended_and_destroy_in_every_instance() -> None:
    answer = asyncio.get_running_loop().create_future()
    made, guest = scripted({**{f"plugin.{name}": None for name in ("init", "start", "stop", "destroy")}, "echo": answer})
    await made.open()
    await made.start()
    call = asyncio.ensure_future(made.lease().call("echo", EMPTY))
    while "echo" not in guest.calls:
        await asyncio.sleep(0)
    closing = asyncio.ensure_future(made.close())
    for _ in range(5):
        await asyncio.sleep(0)
    assert "plugin.stop" not in guest.calls
    answer.set_result(1)
    await asyncio.gather(call, closing)
    names = [name.removeprefix("plugin.") for name in guest.calls]
    assert names == ["init", "start", "echo", "destroy", "init", "stop", "destroy"]
    assert guest.closed == 4  # the one that was asked what it is, the one in use, the one that stopped; the code itself


async def test_who_waits_for_room_waits_a_moment_only_for_a_farewell() -> None:
    async with bench() as stand:
        room = MemoryBudget(asyncio.get_running_loop(), 1)
        first, second = (
            WasmHost(HostOptions(name, "1", {}, Budget(1.0, 30.0), charge_bytes=1), stand.guest(), stand.doors, room, EventStream())
            for name in ("first", "second")
        )
        for each in (first, second):
            await each.open()
        seen: list[Fiber] = []
        make_fiber = first.fiber

        def fiber(op: str, **more: Any) -> Fiber:
            """A `destroy` that waits at a door for ever."""
            seen.append(made := make_fiber("door.wait" if op == "plugin.destroy" else op, **more))
            return made

        first.fiber = fiber  # type: ignore[method-assign]  # the guest has no destroy of its own
        first._ops, first._pool.dismiss = frozenset({"plugin.destroy"}), first._dismiss
        await first.start()
        assert await second.lease().call("echo", EMPTY) == {}
        assert (seen[-1].op, seen[-1].budget.timeout_s) == ("door.wait", 1.0)
        for each in (second, first):
            await each.close()
        assert room.charged == 0


async def test_a_destroy_that_fails_frees_the_instance_anyway() -> None:
    refusal: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
    refusal.set_exception(PluginFailed("guest", "plugin.destroy", "no"))
    made, guest = scripted({"plugin.destroy": refusal, "echo": 1}, per_request=True)
    await made.open()
    await made.start()
    lease = made.lease()
    assert await lease.call("echo", EMPTY) == 1
    lease.release()
    await made.close()
    assert guest.calls[-1] == "plugin.destroy" and made._pool.live == 0


_EXITS = "(func $exit (call $output_set (call $input_offset) (call $input_length)) (call $proc_exit (i32.const 0)))"


def _exits(*exports: str) -> bytes:
    """A guest that gives back its input and leaves with status 0, in each of those exports."""
    body = "".join(f'(func (export "{name}") (call $exit))' for name in exports)
    return wat(_EXITS + body, "output_set", "input_offset", "input_length", "proc_exit")


@pytest.mark.parametrize("per_request", [False, True])
async def test_each_call_of_a_guest_that_leaves_with_status_0_takes_a_new_instance(per_request: bool) -> None:
    async with extism_bench() as stand:
        options = HostOptions("guest", "1.0.0", {}, Budget(), per_request)
        guest = stand.guest(_exits("response_generate", "plugin_start", "plugin_stop"))
        made = WasmHost(options, guest, stand.doors, MemoryBudget(asyncio.get_running_loop()), EventStream())
        await made.open()
        await made.start()
        lease = made.lease()
        assert [await lease.call("response.generate", dumps({"n": n})) for n in range(3)] == [{"n": n} for n in range(3)]
        lease.release()
        assert not any(held.instance.broken for held in made._pool.idle)
        await made.close()


async def test_a_guest_that_leaves_in_init_is_not_made() -> None:
    async with extism_bench() as stand:
        guest = stand.guest(_exits("plugin_init"))
        made = WasmHost(
            HostOptions("guest", "1.0.0", {}, Budget()), guest, stand.doors, MemoryBudget(asyncio.get_running_loop()), EventStream()
        )
        await made.open()
        with pytest.raises(PluginFailed, match=r"plugin\.init: its code left with status 0"):
            await made.start()
        await made.close()


async def test_a_guest_that_leaves_when_it_has_described_itself_checks_its_configuration_in_a_new_instance() -> None:
    text = b'{"contract": "0.1", "ops": ["plugin.validate_config"]}  '
    words = "".join(f"(call $store_u64 (i64.add (local.get $a) (i64.const {at})) (i64.const {int.from_bytes(text[at : at + 8], 'little')}))"
                    for at in range(0, len(text), 8))  # fmt: skip
    describe = f"""(global $used (mut i32) (i32.const 0))
      (func (export "describe") (local $a i64) (if (global.get $used) (then (unreachable))) (global.set $used (i32.const 1))
        (local.set $a (call $alloc (i64.const {len(text)}))) {words}
        (call $output_set (local.get $a) (i64.const {len(text)})) (call $proc_exit (i32.const 0)))
      (func (export "plugin_validate_config") (if (global.get $used) (then (unreachable))))"""
    async with extism_bench() as stand:
        made = WasmHost(
            HostOptions("guest", "1.0.0", {}, Budget()),
            stand.guest(wat(describe, "alloc", "store_u64", "output_set", "proc_exit")),
            stand.doors,
            MemoryBudget(asyncio.get_running_loop()),
            EventStream(),
        )
        assert (await made.open()).ops == {"plugin.validate_config"}
        await made.close()
