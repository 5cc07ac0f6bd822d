"""Extism guests: calls of our contract, limits, hostile code, and what a failure leaves behind."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mockforge_asgi.errors import LimitExceeded, PluginFailed
from mockforge_asgi.wasm.extism.guest import ExtismOptions
from mockforge_asgi.wasm.extism.instance import ExtismInstance
from tests.support.extism_guests import ECHO, GREET, PLAIN, ExtismBench, extism_bench, wat


@pytest.fixture
async def stand() -> AsyncIterator[ExtismBench]:
    async with extism_bench() as made:
        yield made


async def test_the_quickstart_plugin_greets(stand: ExtismBench) -> None:
    document = {"request": {"path": "/hello/Ada", "path_params": {"name": "Ada"}, "principal": {"id": "demo"}}, "fingerprint": "f"}
    plain = await stand.instance(GREET.read_bytes())
    said = await plain.call(stand.fiber("response.generate"), json.dumps(document).encode())
    assert (said["status"], json.loads(said["body"]["text"])) == (200, {"hello": "Ada", "path": "/hello/Ada", "caller": "demo"})
    templated = await stand.instance(GREET.read_bytes(), ExtismOptions({"template": "greeting.json"}))
    said = await templated.call(stand.fiber("response.generate"), json.dumps(document).encode())
    assert said == {"status": 200, "headers": [["content-type", "application/json"]], "template": "greeting.json",
                    "vars": {"name": "Ada", "path": "/hello/Ada", "caller": "demo"}}  # fmt: skip
    del document["request"]["path_params"]  # type: ignore[attr-defined]
    assert await plain.call(stand.fiber("response.generate"), json.dumps(document).encode()) is None


async def test_exports_say_which_operations_there_are(stand: ExtismBench) -> None:
    ours = await stand.instance(GREET.read_bytes())
    assert await ours.describe(stand.fiber()) == {"contract": "0.1", "ops": ["response.generate"]}
    with pytest.raises(PluginFailed, match="auth_authenticate") as failed:
        await ours.call(stand.fiber("auth.authenticate"), b"{}")
    assert failed.value.code == "unsupported_op"


async def test_an_error_envelope_is_taken_apart(stand: ExtismBench) -> None:
    ours = await stand.instance(PLAIN.read_bytes())
    said = {"error": {"code": "not_found", "message": "no such user", "retryable": True, "details": {"id": 4}}}
    with pytest.raises(PluginFailed, match="no such user") as failed:
        await ours.invoke(stand.fiber(), "fail", json.dumps(said).encode())
    assert (failed.value.code, failed.value.retryable, failed.value.details) == ("not_found", True, {"id": 4})


LAST_WORDS = wat(
    f"""(func $say (local $at i64)
      (local.set $at (call $alloc (i64.const 8)))
      (call $store_u64 (local.get $at) (i64.const {int.from_bytes(b"line 12!", "little")}))
      (call $error_set (local.get $at)))
    (func (export "panics") (result i32) (call $say) (unreachable))
    (func (export "silent") (result i32) (unreachable))
    (func $deep (export "recurses") (result i32) (call $say) (i32.add (i32.const 1) (call $deep)))
    (func (export "forges") (result i32) (call $error_set (i64.const 77)) (unreachable))""",
    "alloc",
    "store_u64",
    "error_set",
)


@pytest.mark.parametrize(
    ("export", "words"),
    [
        ("panics", "line 12!$"),
        ("silent", "gave up"),
        ("recurses", "needs more memory|recursed too deeply"),
        ("forges", "no live block|gave up"),
    ],
)
async def test_a_guest_that_gives_up_is_told_in_its_last_words(stand: ExtismBench, export: str, words: str) -> None:
    ours = await stand.instance(LAST_WORDS)
    with pytest.raises(PluginFailed, match=words) as failed:
        await ours.invoke(stand.fiber(), export, b"")
    assert ours.broken and ("line 12!" in str(failed.value)) == (export == "panics")


async def test_memory_without_end_is_a_limit(stand: ExtismBench) -> None:
    greedy = wat('(func (export "f") (result i32) (loop $l (drop (call $alloc (i64.const 100000))) (br $l)) (i32.const 0))', "alloc")
    ours = await stand.instance(greedy, memory_bytes=2 << 20)
    with pytest.raises(LimitExceeded) as failed:
        await ours.invoke(stand.fiber(), "f", b"")
    assert failed.value.limit == "memory_mb" and ours.broken


async def test_an_input_that_does_not_fit_is_a_limit(stand: ExtismBench) -> None:
    ours = await stand.instance(ECHO, memory_bytes=1 << 20)
    assert len(await ours.invoke(stand.fiber(), "echo", b"x" * 500_000)) == 500_000
    with pytest.raises(LimitExceeded) as failed:
        await ours.invoke(stand.fiber(), "echo", b"x" * 2_000_000)
    assert failed.value.limit == "memory_mb"


async def test_an_output_over_the_limit_is_not_copied_and_leaves_the_instance_whole(stand: ExtismBench) -> None:
    ours = await stand.instance(ECHO)
    with pytest.raises(LimitExceeded) as failed:
        await ours.invoke(stand.fiber(output_bytes=10), "echo", b"eleven bytes")
    assert failed.value.limit == "output_kb" and not ours.broken
    assert await ours.invoke(stand.fiber(output_bytes=10), "echo", b"ten bytes!") == b"ten bytes!"


async def test_a_call_without_input_sees_none_of_an_earlier_calls_length(stand: ExtismBench) -> None:
    ours = await stand.instance(ECHO)
    assert [await ours.invoke(stand.fiber(), "echo", data) for data in (b"abc", b"", b"d", b"")] == [b"abc", b"", b"d", b""]


async def test_variables_without_end_are_a_limit(stand: ExtismBench) -> None:
    body = """(func (export "f") (result i32) (local $k i64)
      (loop $l (local.set $k (call $alloc (i64.const 8))) (call $store_u64 (local.get $k) (local.get $k))
        (call $var_set (local.get $k) (call $alloc (i64.const 1000))) (br $l)) (i32.const 0))"""
    ours = await stand.instance(wat(body, "alloc", "store_u64", "var_set"), ExtismOptions(vars_bytes=16 << 10))
    with pytest.raises(LimitExceeded, match=r"limits\.vars_kb=16\. Raise it"):
        await ours.invoke(stand.fiber(), "f", b"")


@pytest.mark.parametrize(
    "spin", ['(func (export "f") (result i32) (loop $l (br $l)) (i32.const 0))', "(func $s (loop $l (br $l))) (start $s)"]
)
async def test_a_spinning_guest_is_ended(stand: ExtismBench, spin: str) -> None:
    async def run() -> None:
        guest = stand.guest(wat(spin))
        ours = await guest.instantiate(stand.fiber(cpu_s=0.02))
        stand.made.append(ours)
        await ours.invoke(stand.fiber(cpu_s=0.02), "f", b"")

    with pytest.raises(LimitExceeded) as failed:
        await run()
    assert failed.value.limit == "cpu_ms"


async def test_a_panic_breaks_the_instance(stand: ExtismBench) -> None:
    ours = await stand.instance(PLAIN.read_bytes())
    with pytest.raises(PluginFailed, match="unreachable"):
        await ours.invoke(stand.fiber(), "panics", b"")
    assert ours.broken


@pytest.mark.parametrize("function", ["config_get", "var_get"])
async def test_a_wild_handle_ends_the_call(stand: ExtismBench, function: str) -> None:
    ours = await stand.instance(
        wat(f'(func (export "f") (result i32) (drop (call ${function} (i64.const 0x123450))) (i32.const 0))', function)
    )
    with pytest.raises(PluginFailed, match="no live block"):
        await ours.invoke(stand.fiber(), "f", b"")


SPY = wat(
    """(func (export "peek") (result i32) (local $p i64)  ;; what lies in fresh memory, and all around the input
      (local.set $p (call $alloc (i64.const 4096))) (call $output_set (local.get $p) (i64.const 4096)) (i32.const 0))
    (func (export "echo") (result i32) (call $output_set (call $input_offset) (call $input_length)) (i32.const 0))""",
    "alloc", "output_set", "input_offset", "input_length",
)  # fmt: skip


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 200_000), min_size=1, max_size=4))
def test_nothing_of_a_call_is_left_for_the_next(sizes: list[int]) -> None:
    async def calls() -> None:
        async with extism_bench() as stand:
            ours = await stand.instance(SPY)
            for size in sizes:
                assert await ours.invoke(stand.fiber(), "echo", b"s" * size) == b"s" * size
                assert await ours.invoke(stand.fiber(), "peek", b"") == bytes(4096)

    asyncio.run(calls())


async def test_variables_belong_to_one_instance(stand: ExtismBench) -> None:
    guest = stand.guest(PLAIN.read_bytes())
    totals = []
    for _ in range(2):
        ours = await guest.instantiate(stand.fiber())
        stand.made.append(ours)
        await ours.invoke(stand.fiber(), "count_vowels", b"aaa")
        totals.append(json.loads(await ours.invoke(stand.fiber(), "count_vowels", b"aaa"))["total"])
    assert totals == [6, 6]


async def test_many_guests_wait_at_doors_together(stand: ExtismBench) -> None:
    stand.doors.open.clear()
    stand.doors.answer = {"status": 200, "headers": [], "body": {"text": "there"}}
    guest = stand.guest(PLAIN.read_bytes())
    guests = [await guest.instantiate(stand.fiber()) for _ in range(50)]
    stand.made.extend(guests)
    calls = [asyncio.ensure_future(one.invoke(stand.fiber(), "fetch", f"http://h{n}".encode())) for n, one in enumerate(guests)]
    while stand.doors.waiting < 50:
        await asyncio.sleep(0)
    stand.doors.open.set()
    assert {json.loads(answer)["body"] for answer in await asyncio.gather(*calls)} == {"there"}
    assert {payload["url"] for _, payload in stand.doors.asked} == {f"http://h{n}" for n in range(50)}


async def test_a_cancelled_call_unwinds_the_guest(stand: ExtismBench) -> None:
    stand.doors.open.clear()
    ours = await stand.instance(PLAIN.read_bytes())
    call = asyncio.ensure_future(ours.invoke(stand.fiber(), "fetch", b"http://h"))
    while not stand.doors.waiting:
        await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert ours.broken


async def test_a_door_that_never_answers_is_a_timeout(stand: ExtismBench) -> None:
    stand.doors.open.clear()
    ours: ExtismInstance = await stand.instance(PLAIN.read_bytes())
    with pytest.raises(LimitExceeded) as failed:
        await ours.invoke(stand.fiber(timeout_s=0.05), "fetch", b"http://h")
    assert failed.value.limit == "timeout_ms"
