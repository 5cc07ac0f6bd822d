"""Lines that a guest prints: split at newlines, bounded, in order."""

from __future__ import annotations

import wasmtime
from hypothesis import given
from hypothesis import strategies as st

from mockforge_asgi.wasm.guest_lines import GuestLines
from mockforge_asgi.wasm.kernel import KernelMemory, kernel_wasm


def lines() -> GuestLines:
    """Lines over a kernel that nobody uses."""
    store = wasmtime.Store()
    linker = wasmtime.Linker(store.engine)
    linker.define_func("mockforge", "door", wasmtime.FuncType([wasmtime.ValType.i32()], [wasmtime.ValType.i64()]), lambda _: 0)
    memory = linker.instantiate(store, wasmtime.Module(store.engine, kernel_wasm())).exports(store)["memory"]
    assert isinstance(memory, wasmtime.Memory)
    made = GuestLines(KernelMemory(store._context(), memory._memory))
    _ALIVE.append(store)
    return made


_ALIVE: list[wasmtime.Store] = []
QUIET = lines()


@given(st.text(st.characters(blacklist_characters="\n", blacklist_categories=["Cs"]), max_size=200), st.data())
def test_a_line_printed_in_pieces_is_one_line(text: str, data: st.DataObject) -> None:
    raw = text.encode()
    cut = data.draw(st.integers(0, len(raw)))
    QUIET.printed(1, raw[:cut])
    QUIET.printed(1, raw[cut:] + b"\n")
    assert QUIET.take() == ([("info", text)] if text else [])


def test_standard_error_is_a_warning_and_unfinished_lines_are_told_at_the_end() -> None:
    QUIET.printed(2, b"half")
    QUIET.printed(1, b"one\n\ntwo\n")
    assert QUIET.take() == [("info", "one"), ("info", "two"), ("warn", "half")]
    assert QUIET.take() == []


def test_printing_without_end_is_bounded() -> None:
    for _ in range(1000):
        QUIET.printed(1, b"x" * 9000)
    told = QUIET.take()
    assert sum(len(message) for _, message in told) < 300_000 and "dropped" in told[-1][1]


def test_many_short_lines_are_as_bounded_as_long_ones() -> None:
    QUIET.printed(1, b"\n" * 60_000 + b"a\n")
    assert [message for _, message in QUIET.take()] == ["about 59002 bytes of log lines were dropped: too many in one call"]
    for _ in range(20):
        QUIET.printed(1, b"x\n" * 900)
    told = QUIET.take()
    assert 1000 < len(told) < 2000 and "dropped" in told[-1][1]
    QUIET.printed(1, b"again\n")
    assert QUIET.take() == [("info", "again")]
