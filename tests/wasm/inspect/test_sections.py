"""Walking the sections of WebAssembly files."""

from __future__ import annotations

import pytest
import wasmtime
from hypothesis import given
from hypothesis import strategies as st

from mockforge_asgi.wasm.inspect.binary import Malformed, TooMany
from mockforge_asgi.wasm.inspect.sections import COMPONENT_HEADER, CORE_HEADER, WasmFacts, walk, without_custom_sections

MODULE = """
(module
  (import "env" "log" (func (param i32)))
  (import "env" "mem" (memory 2 4))
  (import "env" "tab" (table 1 funcref))
  (import "env" "glob" (global (mut i64)))
  (memory (export "memory") 3)
  (table 5 funcref)
  (func $start)
  (func (export "big") (param i32) (result i32) (i32.add (i32.const 1) (i32.mul (local.get 0) (i32.const 1000000))))
  (start $start)
  (data (i32.const 0) "hello"))
"""
COMPONENT = """
(component
  (import "mockforge:plugin/host@0.1.0" (instance (export "call" (func (param "door" string) (result string)))))
  (import "plain" (func (param "a" u32)))
  (core module $m (memory 1) (func (export "f") (result i32) (i32.const 1)))
  (core module (memory 4) (func (nop)) (func))
  (core instance $i (instantiate $m))
  (func (export "answer") (result s32) (canon lift (core func $i "f"))))
"""


def test_the_lists_of_a_module_are_counted() -> None:
    assert walk(bytes(wasmtime.wat2wasm(MODULE)), "core") == WasmFacts(imports=4, exports=2, memory_pages=3)


def test_a_component_has_the_lists_and_the_largest_memory_of_all_within_it() -> None:
    assert walk(bytes(wasmtime.wat2wasm(COMPONENT)), "component") == WasmFacts(imports=2, exports=2, memory_pages=4)


@pytest.mark.parametrize("length", range(9, len(wasmtime.wat2wasm(MODULE)), 7))
def test_a_truncated_module_is_malformed_or_ends_at_a_section(length: int) -> None:
    whole = bytes(wasmtime.wat2wasm(MODULE))
    try:
        assert walk(whole[:length], "core").imports <= 4
    except Malformed:
        pass


@pytest.mark.parametrize(
    ("section", "why"),
    [
        (b"\x63\x00", "unknown number"),
        (b"\x02\xff\xff\xff\xff\xff\x01", "longer than its format"),
        (b"\x02\xff\xff\xff\xff\x1f", "larger than its format"),
        (b"\x02\x7f", "longer than the file"),
        (b"\x02\x05\xff\xff\xff\xff\x0f", "a list says it is longer"),
    ],
)
def test_a_lie_in_a_section_is_named(section: bytes, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        walk(CORE_HEADER + section, "core")


def test_components_nested_without_end_are_refused() -> None:
    inner = COMPONENT_HEADER
    for _ in range(12):
        inner = COMPONENT_HEADER + b"\x04" + bytes([len(inner) & 0x7F | 0x80, len(inner) >> 7]) + inner
    with pytest.raises(Malformed, match="too deeply"):
        walk(inner, "component")


@given(st.binary(max_size=300))
def test_garbage_is_read_or_refused_and_nothing_else(garbage: bytes) -> None:
    for header, kind in ((CORE_HEADER, "core"), (COMPONENT_HEADER, "component")):
        try:
            walk(header + garbage, kind)  # type: ignore[arg-type]  # the table's strings are literals
        except Malformed:
            pass


@given(st.data(), st.sampled_from(["core", "component"]))
def test_a_damaged_file_is_read_or_refused_and_nothing_else(data: st.DataObject, kind: str) -> None:
    wasm = bytearray(wasmtime.wat2wasm(MODULE if kind == "core" else COMPONENT))
    for _ in range(data.draw(st.integers(1, 4))):
        wasm[data.draw(st.integers(8, len(wasm) - 1))] = data.draw(st.integers(0, 255))
    try:
        walk(bytes(wasm), kind)  # type: ignore[arg-type]  # sampled from the literals
    except Malformed:
        pass


def test_lists_are_read_as_far_as_asked_for_however_they_are_nested() -> None:
    bodies = CORE_HEADER + b"\x03\x82\x02\x80\x02" + bytes(256)
    module = b"\x01" + bytes([len(bodies) & 0x7F | 0x80, len(bodies) >> 7]) + bodies
    with pytest.raises(TooMany, match="more than 500 entries"):
        walk(COMPONENT_HEADER + module * 2, "component", most=500)


def test_sections_are_read_as_many_as_asked_for() -> None:
    with pytest.raises(TooMany, match="more than 500 entries"):
        walk(CORE_HEADER + b"\0\1\0" * 501, "core", most=500)
    assert walk(CORE_HEADER + b"\0\1\0" * 500, "core", most=500) == WasmFacts()


def test_globals_are_entries_too() -> None:
    module = bytes(wasmtime.wat2wasm(f"(module {'(global i32 (i32.const 0))' * 500})"))
    assert walk(module, "core", most=503) == WasmFacts()
    with pytest.raises(TooMany):
        walk(module, "core", most=499)


@pytest.mark.parametrize(("text", "kind"), [(MODULE, "core"), (COMPONENT, "component")])
def test_names_are_left_out_wherever_they_are_nested_and_the_rest_stays(text: str, kind: str) -> None:
    named = text.replace("(func (nop))", "(func $secretly (nop))").replace("(func $start)", "(func $secretly) (func $start)")
    wasm = bytes(wasmtime.wat2wasm(named))
    assert b"secretly" in wasm
    bare = without_custom_sections(wasm)
    assert b"secretly" not in bare and b"\x04name" not in bare
    assert walk(wasm, kind) == walk(bare, kind)  # type: ignore[arg-type]  # literals of the table
    assert without_custom_sections(bare) == bare


def test_a_section_that_lies_is_not_left_out() -> None:
    with pytest.raises(Malformed, match="longer than the file"):
        without_custom_sections(CORE_HEADER + b"\0\x7f")
