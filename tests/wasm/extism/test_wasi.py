"""WASI for Extism guests: shims that check every pointer."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from mockforge_asgi.errors import PluginFailed
from tests.support.extism_guests import ExtismBench, extism_bench, wasm_of


@pytest.fixture
async def stand() -> AsyncIterator[ExtismBench]:
    async with extism_bench() as made:
        yield made


WASI_GUEST = r"""(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "env" "abort" (func $abort (param i32 i32 i32 i32)))
  (memory (export "memory") 1) (data (i32.const 100) "hello\n")
  (func $expect (param i32 i32) (if (i32.ne (local.get 0) (local.get 1)) (then (unreachable))))
  (func (export "write") (result i32)
    (i32.store (i32.const 0) (i32.const 100)) (i32.store (i32.const 4) (i32.const 6))
    (call $expect (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16)) (i32.const 0))
    (call $expect (i32.load (i32.const 16)) (i32.const 6))
    (call $expect (call $fd_write (i32.const 3) (i32.const 0) (i32.const 1) (i32.const 16)) (i32.const 8))
    (call $expect (call $fd_write (i32.const 1) (i32.const 65532) (i32.const 1) (i32.const 16)) (i32.const 21))
    (call $expect (call $fd_write (i32.const 1) (i32.const 0) (i32.const -1) (i32.const 16)) (i32.const 28))
    (call $expect (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const -1)) (i32.const 21))
    (i32.store (i32.const 4) (i32.const -1)) (i32.store (i32.const 0) (i32.const -2))
    (call $expect (call $fd_write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 16)) (i32.const 21))
    (i32.const 0))
  (func (export "facts") (result i32)
    (call $expect (call $clock (i32.const 1) (i64.const 0) (i32.const 200)) (i32.const 0))
    (call $expect (i32.load (i32.const 200)) (i32.const 42))
    (call $expect (call $clock (i32.const 9) (i64.const 0) (i32.const 200)) (i32.const 28))
    (call $expect (call $clock (i32.const 0) (i64.const 0) (i32.const 65535)) (i32.const 21))
    (call $expect (call $random (i32.const 300) (i32.const 4)) (i32.const 0))
    (call $expect (i32.load (i32.const 300)) (i32.const 0xabababab))
    (call $expect (call $random (i32.const 300) (i32.const -4)) (i32.const 28))
    (call $expect (call $random (i32.const 65535) (i32.const 2)) (i32.const 21))
    (call $expect (call $sizes (i32.const 400) (i32.const 404)) (i32.const 0))
    (call $expect (call $poll (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)) (i32.const 28))
    (call $expect (call $open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i64.const 0) (i64.const 0)
      (i32.const 0) (i32.const 0)) (i32.const 44))
    (i32.const 0))
  (func (export "leave") (result i32) (call $exit (i32.const 7)) (i32.const 0))
  (func (export "give_up") (result i32) (call $abort (i32.const 0) (i32.const 0) (i32.const 12) (i32.const 1)) (i32.const 0)))"""


async def test_wasi_is_shims_that_check_every_pointer(stand: ExtismBench) -> None:
    ours = await stand.instance(wasm_of(WASI_GUEST))
    await ours.invoke(stand.fiber(), "write", b"")
    assert stand.doors.log[0] == ("info", "hello")
    await ours.invoke(stand.fiber(), "facts", b"")
    with pytest.raises(PluginFailed, match="left with status 7"):
        await ours.invoke(stand.fiber(), "leave", b"")
    with pytest.raises(PluginFailed, match=r"abort \(line 12\)"):
        await (await stand.instance(wasm_of(WASI_GUEST))).invoke(stand.fiber(), "give_up", b"")


ABORTING = r"""(module
  (import "env" "abort" (func $abort (param i32 i32 i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 100) "\08\00\00\00b\00a\00d\00!\00") (data (i32.const 200) "\08\00\00\00a\00.\00t\00s\00")
  (data (i32.const 300) "\ff\ff\ff\7f") (data (i32.const 400) "\04\00\00\00\0a\00\00\d8")
  (func (export "run") (result i32) (call $abort (i32.const {message}) (i32.const {file}) (i32.const 12) (i32.const 3)) (i32.const 0)))"""


@pytest.mark.parametrize(
    ("message", "file", "told"),
    [
        (104, 204, "bad! (a.ts:12:3)"),
        (104, 0, "bad! (line 12)"),
        (0, 204, "its code called abort (a.ts:12:3)"),
        (0, 0, "its code called abort (line 12)"),
        (2, -1, "its code called abort (line 12)"),
        (65536, 65540, "its code called abort (line 12)"),
        (65534, 3, "its code called abort (line 12)"),
        (404, 0, "\\n\ufffd (line 12)"),
    ],
)
async def test_abort_of_assemblyscript_is_told_in_its_own_words(stand: ExtismBench, message: int, file: int, told: str) -> None:
    ours = await stand.instance(wasm_of(ABORTING.replace("{message}", str(message)).replace("{file}", str(file))))
    with pytest.raises(PluginFailed) as failed:
        await ours.invoke(stand.fiber(), "run", b"")
    assert failed.value.message.endswith(told)


async def test_a_message_of_any_length_is_cut(stand: ExtismBench) -> None:
    ours = await stand.instance(wasm_of(ABORTING.replace("{message}", "304").replace("{file}", "0")))
    with pytest.raises(PluginFailed) as failed:
        await ours.invoke(stand.fiber(), "run", b"")
    assert len(failed.value.message) < 9000


async def test_a_start_function_has_no_wasi_and_is_not_harmed(stand: ExtismBench) -> None:
    ours = await stand.instance(
        wasm_of("""(module (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
          (memory (export "memory") 1) (global $got (mut i32) (i32.const 0))
          (func $start (global.set $got (call $random (i32.const 0) (i32.const 8)))) (start $start)
          (func (export "got") (result i32) (global.get $got)))""")
    )
    with pytest.raises(PluginFailed, match="returned 52"):
        await ours.invoke(stand.fiber(), "got", b"")
