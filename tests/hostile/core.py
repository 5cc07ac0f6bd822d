"""Hostile core modules: Extism guests in WebAssembly text, one trick each. Every one is a response plugin."""

from __future__ import annotations

import json

import wasmtime

from tests.support.extism_guests import ENV, SIGNATURES

_SIGNATURES = {
    **SIGNATURES,
    "input_set": "(param i64 i64)",
    "length_unsafe": "(param i64) (result i64)",
    "memory_bytes": "(result i64)",
    "reset": "",
    "input_load_u64": "(param i64) (result i64)",
}
_WASI = {
    "fd_write": "(param i32 i32 i32 i32) (result i32)",
    "poll_oneoff": "(param i32 i32 i32 i32) (result i32)",
    "proc_exit": "(param i32)",
    "random_get": "(param i32 i32) (result i32)",
    "clock_time_get": "(param i32 i64 i32) (result i32)",
}
_DOOR = '(import "extism:host/user" "mockforge_door" (func $door (param i64 i64) (result i64)))'
ANSWERS_NULL = '(func (export "response_generate") (result i32) (i32.const 0))'
_TEXT = """
  (func $text (param $at i32) (param $n i32) (result i64) (local $block i64) (local $i i32)
    (local.set $block (call $alloc (i64.extend_i32_u (local.get $n))))
    (block $done (loop $next
      (br_if $done (i32.ge_u (local.get $i) (local.get $n)))
      (call $store_u8 (i64.add (local.get $block) (i64.extend_i32_u (local.get $i)))
        (i32.load8_u (i32.add (local.get $at) (local.get $i))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br $next)))
    (local.get $block))"""
"""Copies bytes of the guest's own memory to a new block."""


def text_of(body: str, *imports: str, memory: str = '(memory (export "memory") 1)') -> str:
    """A module that imports those kernel, WASI and door functions under their own names."""
    lines = []
    for name in imports:
        if name == "door":
            lines.append(_DOOR)
        elif name in _WASI:
            lines.append(f'(import "wasi_snapshot_preview1" "{name}" (func ${name} {_WASI[name]}))')
        else:
            lines.append(f'(import "{ENV}" "{name}" (func ${name} {_SIGNATURES[name]}))')
    return f"(module {' '.join(lines)} {memory} {body})"


def module(body: str, *imports: str, memory: str = '(memory (export "memory") 1)') -> bytes:
    """`text_of` as a binary."""
    return bytes(wasmtime.wat2wasm(text_of(body, *imports, memory=memory)))


def generates(body: str, *imports: str, more: str = "", memory: str = '(memory (export "memory") 1)') -> bytes:
    """A plugin whose `response_generate` runs that body, which has locals `$a`, `$b` (i64) and `$i` (i32)."""
    return module(f'{more} (func (export "response_generate") (result i32) {_LOCALS} {body} (i32.const 0))', *imports, memory=memory)


def answers(document: str | bytes, *, export: str = "response_generate", more: str = "") -> bytes:
    """A plugin that answers these bytes, whatever it is asked."""
    data = document.encode() if isinstance(document, str) else document
    quoted = _quoted(data)
    pages = max(1, -(-len(data) // 65536))
    body = f"(local.set $b (call $text (i32.const 0) (i32.const {len(data)}))) (call $output_set (local.get $b) (i64.const {len(data)}))"
    return module(
        f'(data (i32.const 0) "{quoted}") {_TEXT} {more} (func (export "{export}") (result i32) (local $b i64) {body} (i32.const 0))',
        "alloc",
        "store_u8",
        "output_set",
        memory=f'(memory (export "memory") {pages})',
    )


def _quoted(data: bytes) -> str:
    return f"\\{data.hex(chr(92))}" if data else ""


def described(document: object) -> bytes:
    """A plugin that says this of itself."""
    return answers(json.dumps(document), export="describe", more=ANSWERS_NULL)


def asks(door: str, payload: str | bytes, *, again: bool = False) -> bytes:
    """A plugin that asks a door, without end when told `again`, and answers what it was told as the text of its answer."""
    data = payload.encode() if isinstance(payload, str) else payload
    quoted = _quoted(door.encode() + data)
    pages = max(1, -(-(len(data) + len(door)) // 65536))
    n = len(door)
    call = f"(call $door (call $text (i32.const 0) (i32.const {n})) (call $text (i32.const {n}) (i32.const {len(data)})))"
    body = f"(loop $more (drop {call}) (br $more))" if again else f"(call $output_set (local.tee $b {call}) (call $length (local.get $b)))"
    return module(
        f'(data (i32.const 0) "{quoted}") {_TEXT} (func (export "response_generate") (result i32) (local $b i64) {body} (i32.const 0))',
        "alloc",
        "store_u8",
        "output_set",
        "length",
        "door",
        memory=f'(memory (export "memory") {pages})',
    )


def unfolding_name(depth: int) -> str:
    """A C++ name of some hundred bytes: types of two of the type before, 2^depth of them when it is written out."""
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    seen = ["S_", *(f"S{f'{digits[i // 36]}' if i > 35 else ''}{digits[i % 36]}_" for i in range(depth))]
    return "_Z1f1AIiiE" + "".join(f"S_I{seen[i]}{seen[i]}E" for i in range(1, depth))


def wide(exports: int, values: int) -> str:
    """A function of that many arguments and results, exported that often."""
    types = " i32" * values
    return f"(func $w (param{types}) (result{types}) (unreachable)) " + "".join(f'(export "w{n}" (func $w))' for n in range(exports))


_LOCALS = "(local $a i64) (local $b i64) (local $i i32)"
SPIN = "(loop $forever (br $forever))"
GOOD = answers('{"status":200,"headers":[],"body":{"text":"good"}}')


def spins_in(export: str) -> bytes:
    """A plugin that never comes back from that export, and is well otherwise."""
    return module(f'{ANSWERS_NULL} (func (export "{export}") (result i32) {SPIN} (i32.const 0))')
