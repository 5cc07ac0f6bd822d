"""Component guests: calls, doors, limits, and what a failure leaves behind."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest
from wasmtime.component import Component

from mockforge_asgi.errors import LimitExceeded, PluginFailed, PluginRejected
from mockforge_asgi.wasm.component.guest import ComponentGuest, ComponentInstance
from mockforge_asgi.wasm.fiber import GuestTrapped
from mockforge_asgi.wasm.store import StoreLimits
from tests.hostile.components import component
from tests.support.component_guests import Bench, bench


@pytest.fixture
async def stand() -> AsyncIterator[Bench]:
    async with bench() as made:
        yield made


async def instance(stand: Bench) -> ComponentInstance:
    return await stand.guest().instantiate(stand.fiber("load"))


async def test_a_call_gives_back_what_the_guest_answers(stand: Bench) -> None:
    guest = await instance(stand)
    assert await guest.call(stand.fiber("echo"), b'{"a":[1,"\xc3\xa9"]}') == {"a": [1, "é"]}
    assert not guest.broken


async def test_many_calls_reuse_one_instance_and_its_buffers(stand: Bench) -> None:
    guest = await instance(stand)
    for size in (0, 10, 5000, 70_000, 3):
        text = "x" * size
        assert await guest.call(stand.fiber("echo", output_bytes=1 << 20), f'"{text}"'.encode()) == text


async def test_describe_says_what_the_guest_is(stand: Bench) -> None:
    said = await (await instance(stand)).describe(stand.fiber("describe"))
    assert said == {"contract": "0.1", "ops": ["auth.authenticate", "response.generate"]}


async def test_a_quick_door_answers_within_the_poll(stand: Bench) -> None:
    assert await (await instance(stand)).call(stand.fiber("door.now"), b'{"k":1}') == {"now": {"k": 1}}


async def test_a_slow_door_suspends_the_guest_and_not_the_loop(stand: Bench) -> None:
    guests = [await instance(stand) for _ in range(50)]
    calls = [asyncio.ensure_future(g.call(stand.fiber("door.wait"), b'{"n":%d}' % n)) for n, g in enumerate(guests)]
    while stand.doors.waiting < 50:
        await asyncio.sleep(0)
    stand.doors.open.set()
    assert await asyncio.gather(*calls) == [{"waited": {"n": n}} for n in range(50)]


async def test_a_door_that_denies_reaches_the_guest_as_an_envelope(stand: Bench) -> None:
    guest = await instance(stand)
    with pytest.raises(PluginFailed, match="not granted") as caught:
        await guest.call(stand.fiber("door.denied"), b"{}")
    assert caught.value.code == "denied"
    assert not guest.broken


@pytest.mark.parametrize("payload", [b"[1]", b"{", b'"text"'])
async def test_a_door_takes_a_json_object_only(stand: Bench, payload: bytes) -> None:
    with pytest.raises(PluginFailed) as caught:
        await (await instance(stand)).call(stand.fiber("door.now"), payload)
    assert caught.value.code == "invalid_input"


async def test_a_failure_that_the_guest_reports_leaves_it_whole(stand: Bench) -> None:
    guest = await instance(stand)
    with pytest.raises(PluginFailed, match="no such user") as caught:
        await guest.call(stand.fiber("fail"), b'{"error":{"code":"not_found","message":"no such user","retryable":true}}')
    assert (caught.value.code, caught.value.retryable) == ("not_found", True)
    assert await guest.call(stand.fiber("echo"), b"1") == 1


@pytest.mark.parametrize("text", [b"plain words", b"[]", b'{"error":1}', b'{"error":{"message":1}}', b"null"])
async def test_error_text_that_is_no_envelope_becomes_the_message(stand: Bench, text: bytes) -> None:
    with pytest.raises(PluginFailed) as caught:
        await (await instance(stand)).call(stand.fiber("fail"), text)
    assert caught.value.code == "internal"


async def test_an_answer_that_is_not_json_is_a_failure(stand: Bench) -> None:
    with pytest.raises(PluginFailed, match="not JSON"):
        await (await instance(stand)).call(stand.fiber("echo"), b"{oops")


@pytest.mark.parametrize(("op", "words"), [("trap", "gave up"), ("recurse", "recursed too deeply"), ("memory", "gave up")])
async def test_a_trap_breaks_the_instance_and_says_why(stand: Bench, op: str, words: str) -> None:
    guest = await instance(stand)
    with pytest.raises(GuestTrapped, match=words):
        await guest.call(stand.fiber(op, cpu_s=10), b"{}")
    assert guest.broken


async def test_an_endless_loop_ends_at_its_cpu_budget(stand: Bench) -> None:
    guest = await instance(stand)
    fiber = stand.fiber("spin", cpu_s=0.02)
    with pytest.raises(LimitExceeded) as caught:
        await guest.call(fiber, b"{}")
    assert caught.value.limit == "cpu_ms"
    assert guest.broken
    assert fiber.slices > 1


async def test_a_guest_at_a_door_ends_at_its_wall_budget(stand: Bench) -> None:
    guest = await instance(stand)
    with pytest.raises(LimitExceeded) as caught:
        await guest.call(stand.fiber("door.wait", timeout_s=0.01), b"{}")
    assert caught.value.limit == "timeout_ms" and " while it waited for the host call 'door.wait'. Raise limits.timeout_ms " in str(
        caught.value
    )
    assert guest.broken


async def test_others_run_while_guests_spin(stand: Bench) -> None:
    spinners = [asyncio.ensure_future((await instance(stand)).call(stand.fiber("spin", cpu_s=0.03), b"{}")) for _ in range(5)]
    quick = await instance(stand)
    answered = 0
    while not all(s.done() for s in spinners):
        assert await quick.call(stand.fiber("echo"), b"7") == 7
        answered += 1
        await asyncio.sleep(0)
    assert answered > 20
    for spinner in spinners:
        with pytest.raises(LimitExceeded):
            await spinner


async def test_a_cancelled_call_unwinds_the_guest(stand: Bench) -> None:
    guest = await instance(stand)
    call = asyncio.ensure_future(guest.call(stand.fiber("door.wait"), b"{}"))
    while not stand.doors.waiting:
        await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert guest.broken
    guest.close()


async def test_an_answer_over_the_limit_is_refused_and_the_guest_stays_whole(stand: Bench) -> None:
    guest = await instance(stand)
    with pytest.raises(LimitExceeded) as caught:
        await guest.call(stand.fiber("echo", output_bytes=10), b'"' + b"x" * 20 + b'"')
    assert caught.value.limit == "output_kb"
    assert await guest.call(stand.fiber("count"), b"") == 2


async def test_a_component_with_an_unknown_import_is_refused_by_name(stand: Bench) -> None:
    text = '(component (import "evil:host/door@1.0.0" (instance (export "open" (func)))))'
    with pytest.raises(PluginRejected, match=r"evil:host/door@1\.0\.0"):
        stand.guest(text)


async def test_a_component_without_the_exports_is_refused(stand: Bench) -> None:
    with pytest.raises(PluginRejected, match="describe"):
        await stand.guest("(component)").instantiate(stand.fiber("load"))


async def test_what_a_guest_reports_cannot_steer_a_terminal(stand: Bench) -> None:
    guest = await stand.guest().instantiate(stand.fiber("plugin.load"))
    envelope = orjson.dumps({"error": {"message": "a\x1b[2J\nb", "code": "c\x07", "details": {"traceback": "in x\n\x9b1A"}}})
    for said, told in ((envelope, "a\\u001b[2J\nb\nin x\n\\u009b1A"), (b"no \x1bJSON", "no \\u001bJSON")):
        with pytest.raises(PluginFailed) as failed:
            await guest.call(stand.fiber("fail"), said)
        assert str(failed.value).endswith(told)
    guest.close()


async def test_nothing_stays_of_a_guest_that_ended_in_the_turn_in_which_its_caller_left(stand: Bench) -> None:
    spins = "(loop $m (local.set $i (i32.add (local.get $i) (i32.const 1))) (br_if $m (i32.lt_u (local.get $i) (i32.const 15000000))))"
    size = 8_000_000
    fills = f"(drop (memory.grow (i32.const 150))) (memory.fill (i32.const 1024) (i32.const 32) (i32.const {size}))"
    code = component(f"{spins} {fills} (return (call $answer (i32.const 1024) (i32.const {size})))")
    engine = stand.engines.get("component")
    made = ComponentGuest("guest", engine, Component(engine, code), stand.scheduler, StoreLimits(16 << 20))

    async def leave() -> bool:
        guest, fiber = await made.instantiate(stand.fiber("load")), stand.fiber("response.generate", cpu_s=30.0)
        call = asyncio.ensure_future(guest.call(fiber, b"{}"))
        while not call.done() and not (has_ended := fiber.waiter is not None and fiber.waiter.done()):
            await asyncio.sleep(0)
        call.cancel()
        with pytest.raises((asyncio.CancelledError, LimitExceeded)):
            await call
        guest.close()
        return has_ended

    await leave()
    before = _resident()
    assert all([await leave() for _ in range(10)])
    assert _resident() - before < 4 * size


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
