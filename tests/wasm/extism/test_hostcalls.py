"""What Extism guests ask of their host: doors, HTTP, log lines."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from mockforge_asgi.errors import HostCallError, PluginFailed
from tests.support.extism_guests import PLAIN, ExtismBench, extism_bench, wat


@pytest.fixture
async def stand() -> AsyncIterator[ExtismBench]:
    async with extism_bench() as made:
        yield made


async def test_a_plugin_reaches_every_door(stand: ExtismBench) -> None:
    ours = await stand.instance(PLAIN.read_bytes())
    stand.doors.answer = {"value": [1, 2]}
    knock = {"door": "kv.get", "payload": {"key": "k"}}
    assert json.loads(await ours.invoke(stand.fiber(), "knock", json.dumps(knock).encode())) == {"ok": {"value": [1, 2]}}
    assert stand.doors.asked == [("kv.get", {"key": "k"})]
    denied = json.loads(await ours.invoke(stand.fiber(), "knock", b'{"door": "secret.get", "payload": {}}'))
    assert denied["error"]["code"] == "denied"
    nonsense = json.loads(await ours.invoke(stand.fiber(), "knock", b'{"door": "kv.get", "payload": 3}'))
    assert nonsense["error"]["code"] == "invalid_input"


@pytest.mark.parametrize("size", [60_000, 70_000, 1_000_000])
async def test_a_large_answer_of_a_door_arrives_whole(stand: ExtismBench, size: int) -> None:
    ours = await stand.instance(PLAIN.read_bytes(), memory_bytes=16 << 20)
    stand.doors.answer = "y" * size
    got = await ours.invoke(stand.fiber(output_bytes=4 << 20), "knock", b'{"door": "kv.get", "payload": {}}')
    assert json.loads(got) == {"ok": "y" * size}


async def test_a_refused_http_request_ends_the_call_with_the_doors_reason(stand: ExtismBench) -> None:
    ours = await stand.instance(PLAIN.read_bytes())
    stand.doors.answer = HostCallError("denied", "http://x.example is not granted")
    with pytest.raises(PluginFailed, match="not granted") as failed:
        await ours.invoke(stand.fiber(), "fetch", b"http://x.example")
    assert failed.value.code == "denied" and ours.broken


async def test_log_lines_reach_the_log_door_also_when_the_call_fails(stand: ExtismBench) -> None:
    ours = await stand.instance(PLAIN.read_bytes())
    await ours.invoke(stand.fiber(), "logs", b"x")
    assert stand.doors.log == [("debug", "debug x"), ("info", "info x"), ("warn", "warn x"), ("error", "error x")]
    doomed = await stand.instance(
        wat(
            """(func (export "f") (result i32) (local $p i64)
              (local.set $p (call $alloc (i64.const 2))) (call $store_u8 (local.get $p) (i32.const 104))
              (call $log_info (local.get $p)) (unreachable))""",
            "alloc", "store_u8", "log_info",
        )
    )  # fmt: skip
    with pytest.raises(PluginFailed):
        await doomed.invoke(stand.fiber(), "f", b"")
    assert stand.doors.log[-1] == ("info", "h\0")


async def test_a_flood_of_log_lines_is_cut(stand: ExtismBench) -> None:
    flood = await stand.instance(
        wat(
            """(func (export "f") (result i32) (local $n i32)
              (loop $l (call $log_info (call $alloc (i64.const 10000)))
                (br_if $l (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 200)))) (i32.const 0))""",
            "alloc", "log_info",
        )
    )  # fmt: skip
    await flood.invoke(stand.fiber(), "f", b"")
    assert len(stand.doors.log) < 40 and "dropped" in stand.doors.log[-1][1] and stand.doors.log[0][1].endswith("(cut)")


async def test_headers_of_an_answer_are_of_the_call_that_asked_for_it(stand: ExtismBench) -> None:
    """A reused instance serves somebody else with the next call."""
    ours = await stand.instance(
        wat(
            """(func $tell (local $h i64)
              (local.set $h (call $http_headers)) (call $output_set (local.get $h) (call $length (local.get $h))))
            (func (export "ask") (result i32) (drop (call $http_request (call $input_offset) (i64.const 0))) (call $tell) (i32.const 0))
            (func (export "look") (result i32) (call $tell) (i32.const 0))""",
            "http_request", "http_headers", "input_offset", "output_set", "length",
        )
    )  # fmt: skip
    stand.doors.answer = {"status": 200, "headers": [["X-A", "b"], ["Set-Cookie", "one"], ["Set-Cookie", "two"]], "body": {"text": "x"}}
    asked = await ours.invoke(stand.fiber(), "ask", b'{"url": "http://x.example"}')
    assert json.loads(asked) == {"x-a": "b", "set-cookie": "one, two"}
    assert await ours.invoke(stand.fiber(), "look", b"") == b""
