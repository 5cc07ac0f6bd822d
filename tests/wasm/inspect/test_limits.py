"""Static checks: what is refused before compiling, and in which words."""

from __future__ import annotations

import gzip

import pytest
import wasmtime
from hypothesis import given
from hypothesis import strategies as st

from mockforge_asgi.errors import PluginRejected
from mockforge_asgi.wasm.inspect.limits import TRUSTED, Caps, inspect
from mockforge_asgi.wasm.inspect.sections import CORE_HEADER

MODULE = bytes(wasmtime.wat2wasm('(module (import "env" "log" (func)) (import "wasi:http" "x" (func)) (memory 20) (func) (func))'))
COMPONENT = bytes(wasmtime.wat2wasm("(component)"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"(module)", "is text"),
        (b"  \n;; hello\n(module)", "is text"),
        (b"\x7fELF\x02\x01\x01" + b"\0" * 20, "Compiled code is never taken"),
        (gzip.compress(MODULE, mtime=0), "gzip"),
        (b"\0asm\x02\0\0\0", "unknown version"),
        (b"\0asm", "unknown version"),
        (b"PK\x03\x04", "not a WebAssembly binary"),
        (b"", "is empty"),
        (MODULE[:-2], "not valid WebAssembly"),
    ],
)
def test_what_is_not_webassembly_is_refused_by_name(content: bytes, words: str) -> None:
    with pytest.raises(PluginRejected, match=words) as refusal:
        inspect(content, plugin="odd")
    assert refusal.value.plugin == "odd"
    assert len(refusal.value.problems) == 1


def test_code_that_wasmtime_compiled_is_refused() -> None:
    compiled = bytes(wasmtime.Module(wasmtime.Engine(), MODULE).serialize())
    with pytest.raises(PluginRejected, match="Compiled code is never taken"):
        inspect(compiled, plugin="sneaky")


@pytest.mark.parametrize(("wasm", "expect", "words"), [(COMPONENT, "core", "is a component"), (MODULE, "component", "is a core module")])
def test_the_other_kind_is_refused_with_the_manifest_line_to_change(wasm: bytes, expect: str, words: str) -> None:
    with pytest.raises(PluginRejected, match=words):
        inspect(wasm, plugin="p", expect=expect)  # type: ignore[arg-type]  # the table's strings are literals


def test_every_list_that_is_too_long_is_told_at_once() -> None:
    wasm = bytes(wasmtime.wat2wasm('(module (import "a" "b" (func)) (export "c" (func 0)))'))
    with pytest.raises(PluginRejected) as refusal:
        inspect(wasm, plugin="p", caps=Caps(names=0))
    assert [p.what.split(";")[0] for p in refusal.value.problems] == ["has 1 imports", "has 1 exports"]


def test_a_file_over_the_size_cap_is_not_even_walked() -> None:
    with pytest.raises(PluginRejected, match="100 bytes"):
        inspect(b"\0asm" + b"x" * 96, plugin="p", caps=Caps(file_bytes=99))


def test_a_list_of_millions_is_refused_before_it_is_read() -> None:
    bodies = b"\x80\x80\x80\x0a" + bytes(10 << 21)
    section = b"\x03" + b"\x84\x80\x80\x0a" + bodies
    with pytest.raises(PluginRejected, match="more than 200,000 entries"):
        inspect(CORE_HEADER + section, plugin="p")


def test_trusted_files_have_no_caps() -> None:
    assert inspect(MODULE, plugin="p", caps=TRUSTED).imports == 2


@given(st.binary(max_size=64))
def test_whatever_is_uploaded_it_is_facts_or_a_refusal(content: bytes) -> None:
    try:
        inspect(content, plugin="p")
    except PluginRejected:
        pass
