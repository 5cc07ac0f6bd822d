"""The kernel: every function against a model in Python, whatever a guest passes it; and the host's hands in its memory."""

from __future__ import annotations

import ctypes
import struct
from typing import Any

import pytest
import wasmtime
from hypothesis import example, given, settings
from hypothesis import strategies as st
from wasmtime import _bindings as ffi

from mockforge_asgi.wasm.extism.kernel import (
    FAULT_HANDLE,
    FAULT_MEMORY,
    FAULT_VARS,
    REPLY_NOTHING,
    REPLY_PLACED,
    REPLY_WAITS,
    Outcome,
    OutputTooLarge,
    log_records,
)
from tests.support.extism_kernel_model import LIMIT, VARS, Kernel, Model

END_AT = 0x14
"""Where the kernel keeps the end of what a call has used."""
ONE_HANDLE = ("free", "length", "length_unsafe", "load_u8", "load_u64", "error_set", "input_load_u8", "input_load_u64")
NO_ARGUMENT = ("input_offset", "input_length", "output_offset", "output_length", "error_get", "memory_bytes", "reset")
SIZES = st.one_of(
    st.integers(0, 100), st.integers(0, 1 << 64).map(lambda n: n % (1 << 64)), st.sampled_from([1 << 16, 1 << 20, 1 << 31, (1 << 32) - 1])
)


@st.composite
def steps(draw: st.DrawFn) -> tuple[Any, ...]:
    """One call: addresses are relative to a block made before (by index), to the start of memory, or wild."""
    address = st.one_of(
        st.tuples(st.just("block"), st.integers(0, 8), st.sampled_from([0, 0, 0, -16, -12, -8, 1, 8, 16, 4096])),
        st.tuples(st.just("end"), st.just(0), st.sampled_from([-17, -16, -9, -8, -7, -1, 0, 1, 16])),
        st.tuples(st.just("at"), st.just(0), st.one_of(st.integers(0, 1 << 18), st.integers(0, (1 << 64) - 1))),
    )
    match draw(st.sampled_from(["alloc", "alloc", "one", "one", "store", "pair", "none"])):
        case "alloc":
            return ("alloc", draw(SIZES))
        case "one":
            return (draw(st.sampled_from(ONE_HANDLE)), draw(address))
        case "store":
            name = draw(st.sampled_from(["store_u8", "store_u64"]))
            top = 255 if name == "store_u8" else (1 << 64) - 1
            return (name, draw(address), draw(st.one_of(st.integers(0, top), st.just(0x4D464B32 << 32 | 0xFFFFFFF0 if top > 255 else 1))))
        case "pair":
            return (draw(st.sampled_from(["output_set", "input_set"])), draw(address), draw(SIZES))
    return (draw(st.sampled_from(NO_ARGUMENT)),)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200), st.lists(steps(), max_size=40))
def test_the_kernel_does_what_the_model_does(data: bytes, calls: list[tuple[Any, ...]]) -> None:
    kernel = Kernel()
    kernel.memory.begin(data)
    model = Model(kernel.memory.heap)
    if data:
        model.input = (model.alloc(len(data)), len(data))
        model.heap[16 : 16 + len(data)] = data
    blocks = [model.input[0]]
    for name, *parts in calls:
        args = [_address(part, blocks, model) if isinstance(part, tuple) else part for part in parts]
        try:
            expected = model.call(name, *args)
        except MemoryError:
            assert kernel.fault(name, *args) == FAULT_MEMORY
            return
        assert kernel.call(name, *args) == expected, (name, args)
        if name == "alloc" and expected:
            blocks.append(expected)
    assert int.from_bytes(kernel.memory.view[END_AT : END_AT + 4], "little") == kernel.memory.heap + len(model.heap)
    taken = kernel.memory.take_output(LIMIT) if not model.error else None
    outcome = kernel.memory.finish(LIMIT) if taken is None else Outcome(taken, None)
    start, n = model.output
    assert outcome.output == (bytes(model.heap[start - model.base : start - model.base + n]) if n else b"")
    memory = bytes(kernel.memory.view)
    assert memory.count(0, kernel.memory.heap) == len(memory) - kernel.memory.heap, "something of the call is left"


def _address(part: tuple[str, int, int], blocks: list[int], model: Model) -> int:
    kind, index, offset = part
    start = {"block": blocks[index % len(blocks)], "end": model.end, "at": 0}[kind]
    return (start + offset) % (1 << 64)


def test_input_goes_where_a_call_before_has_grown_the_memory_and_reset_the_heap() -> None:
    kernel = Kernel()
    kernel.call("alloc", LIMIT * 3 // 4)
    kernel.call("reset")
    assert kernel.memory.finish(LIMIT).output == b""
    kernel.memory.begin(b"x" * (LIMIT // 2))
    assert kernel.call("input_length") == LIMIT // 2


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 400)), max_size=40))
@example([("b", 320), ("c", 384), ("b", 1), ("c", 1), ("a", 240)])
def test_variables_are_a_bounded_dictionary(changes: list[tuple[str, int]]) -> None:
    kernel = Kernel()
    expected: dict[str, bytes] = {}
    for turn, (key, size) in enumerate(changes):
        value = bytes([turn + 1]) * size
        sizes = {k: (31 + len(k) + len(v)) & ~15 for k, v in expected.items()}
        if kernel.fault("var_set", kernel.put(key.encode()), kernel.put(value)):
            assert kernel.memory.fault() == FAULT_VARS
            sizes.pop(key, 0)
            assert sum(sizes.values()) + 17 + size > VARS / 2, "it was full too early"
            return
        if size:
            expected[key] = value
        else:
            expected.pop(key, None)
        if turn % 5 == 4:
            kernel.memory.finish(0)
            kernel.memory.begin(b"")
        for name in "abcd":
            assert kernel.get(kernel.call("var_get", kernel.put(name.encode()))) == expected.get(name)


@pytest.mark.parametrize(
    ("key", "value"), [("a", b"one"), ("ab", b"two"), ("abc", None), ("long", b"x" * 300), ("empty", None), ("b", None)]
)
def test_settings_are_found_by_their_whole_name(key: str, value: bytes | None) -> None:
    kernel = Kernel()
    assert kernel.get(kernel.call("config_get", kernel.put(key.encode()))) == value
    assert kernel.call("config_get", 0) == 0


@pytest.mark.parametrize(("name", "arity"), [("config_get", 1), ("var_get", 1), ("var_set", 2), ("http_request", 2), ("mockforge_door", 2)])
@pytest.mark.parametrize("handle", [1, 16, 64, 0x1000, 0x10000, 0x20000, 0xFFFFFFFF, 1 << 32, 1 << 63, (1 << 64) - 16])
def test_a_handle_that_is_no_block_is_a_fault(name: str, arity: int, handle: int) -> None:
    kernel = Kernel()
    kernel.put(b"something")
    assert kernel.fault(name, *[handle] * arity) == FAULT_HANDLE
    assert kernel.doors == []


@pytest.mark.parametrize(
    "size", [LIMIT, (1 << 31) - 1, 1 << 31, (1 << 32) - 16, 1 << 32, 1 << 63, *((1 << 64) - n for n in (1, 16, 40, 1 << 17, 1 << 18))]
)
def test_a_giant_block_is_a_fault(size: int) -> None:
    kernel = Kernel()
    kernel.put(b"something")
    assert kernel.fault("alloc", size) == FAULT_MEMORY


def test_the_last_byte_of_the_heap_is_the_last_one() -> None:
    kernel = Kernel()
    block = kernel.put(bytes(range(1, 17)))
    end = block + 16
    for n, load, store in ((1, "load_u8", "store_u8"), (8, "load_u64", "store_u64")):
        assert kernel.call(load, end - n) == int.from_bytes(range(17 - n, 17), "little")
        for beyond in (end - n + 1, end):
            kernel.call(store, beyond, 0x77)
            assert kernel.call(load, beyond) == 0
    assert bytes(kernel.memory.view[end : end + 16]) == bytes(16)
    kernel.call("output_set", block, 16)
    for n in (17, 1 << 32, (1 << 64) - block, (1 << 64) - 1):
        kernel.call("output_set", block, n)
        kernel.call("input_set", block, n)
    kernel.call("output_set", end, 1)
    assert (kernel.call("output_length"), kernel.call("input_length")) == (16, 0)


def test_a_forged_length_is_a_fault() -> None:
    kernel = Kernel()
    block = kernel.put(b"abcdefgh")
    kernel.call("store_u64", block - 16, 0x4D464B32 << 32 | 0xFFFF)
    assert kernel.fault("var_get", block) == FAULT_HANDLE


def test_a_freed_block_is_not_given_out_again() -> None:
    kernel = Kernel()
    first = kernel.put(b"secret")
    kernel.call("free", first)
    second = kernel.put(b"other!")
    assert second > first and kernel.memory.read(first, 6) == b"secret"
    assert kernel.call("length", first) == 0


def test_control_words_log_settings_and_variables_are_out_of_reach() -> None:
    kernel = Kernel()
    before = bytes(kernel.memory.view[: kernel.memory.heap])
    for address in range(0, kernel.memory.heap, 509):
        kernel.call("store_u8", address, 255)
        kernel.call("store_u64", address, (1 << 64) - 1)
        assert kernel.call("load_u64", address) == 0
    assert bytes(kernel.memory.view[: kernel.memory.heap]) == before
    kernel.call("output_set", 0, 64)
    assert kernel.memory.finish(1 << 20).output == b""


def test_only_an_output_that_stands_alone_is_taken_at_once() -> None:
    kernel = Kernel()
    kernel.call("output_set", kernel.put(b"answer"), 6)
    assert kernel.memory.take_output(5) is None
    assert kernel.memory.take_output(6) == b"answer"
    assert bytes(kernel.memory.view[kernel.memory.heap :]).count(0) == len(kernel.memory.view) - kernel.memory.heap
    kernel.memory.begin(b"")
    kernel.call("error_set", kernel.put(b"bad news"))
    assert kernel.memory.take_output(100) is None
    assert kernel.memory.finish(100).error == b"bad news"


def test_an_output_over_the_limit_is_not_copied_but_zeroed() -> None:
    kernel = Kernel()
    block = kernel.put(b"x" * 100)
    kernel.call("output_set", block, 100)
    assert kernel.memory.take_output(99) is None
    with pytest.raises(OutputTooLarge) as raised:
        kernel.memory.finish(99)
    assert raised.value.size == 100
    assert bytes(kernel.memory.view[block : block + 100]) == bytes(100)


def test_an_error_text_is_bounded_also_when_its_length_is_forged() -> None:
    kernel = Kernel()
    block = kernel.put(b"bad news")
    kernel.call("error_set", block)
    kernel.call("store_u64", block - 16, 0x4D464B32 << 32 | 0xFFFFFFFF)
    error = kernel.memory.finish(0, 64).error
    assert error is not None and error.startswith(b"bad news") and len(error) <= 64


@pytest.mark.parametrize("end", [0, 1, 0x1000, 0x20000, (1 << 32) - 1])
def test_a_forged_end_of_the_heap_zeroes_the_heap_or_nothing(end: int) -> None:
    kernel = Kernel()
    kernel.put(b"something")
    struct.pack_into("<I", kernel.memory.view, 0x14, end)
    before = bytes(kernel.memory.view[0x40 : kernel.memory.heap])
    kernel.memory.finish(100)
    assert bytes(kernel.memory.view[0x40 : kernel.memory.heap]) == before
    kernel.memory.begin(b"next")
    assert kernel.call("input_length") == 4


def test_a_large_input_grows_the_memory_and_one_over_the_limit_is_refused() -> None:
    kernel = Kernel()
    kernel.memory.begin(b"i" * 1_000_000)
    assert kernel.call("input_length") == 1_000_000
    assert kernel.call("input_load_u64", 999_992) == int.from_bytes(b"i" * 8, "little")
    kernel.memory.finish(0)
    with pytest.raises(MemoryError):
        kernel.memory.begin(b"i" * LIMIT)


def test_a_reply_goes_where_the_next_block_will_be() -> None:
    kernel = Kernel()
    assert kernel.memory.reply(b"") == REPLY_NOTHING
    assert kernel.memory.reply(b"answer") == REPLY_PLACED
    assert kernel.get(kernel.call("alloc", 6)) == b"answer"
    assert kernel.memory.reply(b"x" * (1 << 20)) == REPLY_WAITS


def test_log_records_are_taken_once_and_cut_when_long() -> None:
    kernel = Kernel()
    kernel.call("log_debug", kernel.put(b"dropped: below the level"))
    kernel.call("log_info", kernel.put("häh".encode()))
    kernel.call("log_error", kernel.put(b"\xff" * 9000))
    first, second = log_records(kernel.memory.take_log())
    assert first == ("info", "häh")
    assert second[0] == "error" and second[1] == "\ufffd" * 8192 + " (cut)"
    kernel.call("log_error", 0x123450)
    assert kernel.memory.take_log() == b""
    assert kernel.doors == []
    for _ in range(8):
        kernel.call("log_warn", kernel.put(b"y" * 9000))
    assert kernel.doors == [1]


def test_much_configuration_makes_room_for_itself() -> None:
    settings = {f"key-{n}": "v" * 1000 for n in range(500)}
    kernel = Kernel(settings=settings, vars_bytes=1 << 18)
    assert kernel.get(kernel.call("config_get", kernel.put(b"key-499"))) == b"v" * 1000
    assert kernel.call("var_set", kernel.put(b"k"), kernel.put(b"v" * 200_000)) == 0


def test_the_base_of_the_memory_stays_when_it_grows() -> None:
    kernel = Kernel()
    base = kernel.memory.base
    kernel.call("alloc", 1_500_000)
    memory = kernel._exports["memory"]
    assert isinstance(memory, wasmtime.Memory)
    now = ffi._wasmtime_memory_data(kernel.store._context(), ctypes.byref(memory._memory))
    assert ctypes.cast(now, ctypes.c_void_p).value == base
