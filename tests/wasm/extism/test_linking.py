"""What an Extism plugin may import, and how it is brought to life."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from mockforge_asgi.errors import PluginRejected
from tests.support.extism_guests import ExtismBench, extism_bench, wasm_of, wat


@pytest.fixture
async def stand() -> AsyncIterator[ExtismBench]:
    async with extism_bench() as made:
        yield made


@pytest.mark.parametrize(
    ("imported", "words"),
    [
        ('"extism:host/env" "teleport" (func)', "extism:host/env teleport is not known"),
        ('"extism:host/env" "memory" (memory 1)', "extism:host/env memory is not known"),
        ('"extism:host/env" "door" (func (param i32) (result i64))', "extism:host/env door is not known"),
        ('"extism:host/env" "alloc" (func (param i32) (result i32))', r"has the type \(i32\)->\(i32\), here it is \(i64\)->\(i64\)"),
        ('"extism:host/user" "other" (func)', "extism:host/user other is not known"),
        ('"wasi_snapshot_preview1" "fd_write" (global i32)', "fd_write has the type GlobalType"),
        ('"kernel" "memory" (memory 1)', "kernel memory is not known"),
        ('"mockforge" "door" (func (param i32) (result i64))', "mockforge door is not known"),
        ('"\\1b[2Jevil" "\\u{202e}\\0a" (func)', r"\\x1b\[2Jevil \\u202e\\n is not known"),
        (f'"{"a" * 50_000}" "b" (func)', "a… b is not known"),
    ],
)
async def test_an_unknown_import_is_refused_by_name(stand: ExtismBench, imported: str, words: str) -> None:
    with pytest.raises(PluginRejected, match=words):
        stand.guest(wasm_of(f"(module (import {imported}))"))


@pytest.mark.parametrize(
    ("exports", "order"),
    [
        (("_initialize", "hs_init", "__wasm_call_ctors"), b"ih"),
        (("hs_init",), b"h"),
        (("_initialize", "__wasm_call_ctors"), b"c"),
        (("_initialize",), b"i"),
        ((), b""),
    ],
)
async def test_initialisers_run_once_and_in_order(stand: ExtismBench, exports: tuple[str, ...], order: bytes) -> None:
    letters = {"_initialize": "(func", "hs_init": "(func", "__wasm_call_ctors": "(func"}
    letter = {"_initialize": 105, "hs_init": 104, "__wasm_call_ctors": 99}
    parameters = {"hs_init": "(param i32 i32)"}
    functions = [
        f'{letters[name]} (export "{name}") {parameters.get(name, "")} (i32.store8 (global.get $n) (i32.const {letter[name]}))'
        "(global.set $n (i32.add (global.get $n) (i32.const 1))))"
        for name in exports
    ]
    body = f"""(global $n (mut i32) (i32.const 0)) {" ".join(functions)}
      (func (export "order") (result i32) (local $p i64) (if (i32.eqz (global.get $n)) (then (return (i32.const 0))))
        (local.set $p (call $alloc (i64.extend_i32_u (global.get $n)))) (call $store_u8 (local.get $p) (i32.load8_u (i32.const 0)))
        (if (i32.gt_u (global.get $n) (i32.const 1)) (then
          (call $store_u8 (i64.add (local.get $p) (i64.const 1)) (i32.load8_u (i32.const 1)))))
        (call $output_set (local.get $p) (i64.extend_i32_u (global.get $n))) (i32.const 0))"""
    ours = await stand.instance(wat(body, "alloc", "store_u8", "output_set"))
    for _ in range(2):
        assert await ours.invoke(stand.fiber(), "order", b"") == order
