"""Lines that a guest prints: split at newlines, bounded, in order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

import pytest
import wasmtime
from hypothesis import given
from hypothesis import strategies as st

from mockforge_asgi.contract import Json
from mockforge_asgi.wasm.extism.kernel import KernelMemory, kernel_wasm
from mockforge_asgi.wasm.extism.log import GuestLines
from mockforge_asgi.wasm.fiber import Budget, Fiber
from mockforge_asgi.wasm.ticker import TICK_S
from tests.support.component_guests import TestDoors


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


class Busy(TestDoors):
    """Doors whose log takes that much of the processor for each line."""

    def __init__(self, line_s: float) -> None:
        super().__init__()
        self.line_s, self.told, self.turns = line_s, list[str](), list[int]()
        self.turn = 0

    def call_now(self, name: str, payload: Mapping[str, Json]) -> Json:
        """Compute."""
        ends = time.thread_time() + self.line_s
        while time.thread_time() < ends:
            pass
        self.told.append(payload["message"])
        self.turns.append(self.turn)
        return None

    async def count(self) -> None:
        """Count the loop's turns."""
        while True:
            self.turn += 1
            await asyncio.sleep(0)


async def told(doors: Busy, lines: int, cpu_s: float) -> Fiber:
    """The fiber of a call that printed so many lines, once they are told."""
    fiber = Fiber("guest", "op", Budget(cpu_s, 30.0), doors, None)
    QUIET.printed(1, b"line\n" * lines)
    counting = asyncio.ensure_future(doors.count())
    await asyncio.sleep(0)
    await QUIET.tell(fiber)
    counting.cancel()
    return fiber


@pytest.mark.parametrize("lines", [1, 16, 100])
async def test_lines_are_told_at_the_cost_of_their_call_and_a_slices_worth_in_a_turn_of_the_loop(lines: int) -> None:
    doors = Busy(TICK_S / 2)
    fiber = await told(doors, lines, cpu_s=60.0)
    assert doors.told == ["line"] * lines
    assert fiber.cpu_s >= lines * TICK_S / 2
    assert max(doors.turns.count(turn) for turn in doors.turns) <= 2


@pytest.mark.parametrize("lines", [50, 1000])
async def test_lines_beyond_the_calls_cpu_ms_are_dropped_with_a_word(lines: int) -> None:
    doors = Busy(TICK_S)
    fiber = await told(doors, lines, cpu_s=10 * TICK_S)
    assert 2 <= len(doors.told) <= 12 and 10 * TICK_S <= fiber.cpu_s
    assert doors.told[-1] == f"{lines - len(doors.told) + 1} more log lines were dropped: the call is over its limit of cpu_ms"


async def test_a_call_that_logs_nothing_pays_nothing() -> None:
    assert (await told(Busy(1.0), 0, cpu_s=1.0)).cpu_s == 0


def test_a_full_buffer_of_short_records_is_read_no_further_than_lines_are_kept() -> None:
    class Memory:
        """A kernel whose log buffer is full of records without text."""

        def take_log(self) -> bytes:
            """8,192 of them."""
            return bytes(8 << 13)

    made = GuestLines(Memory())  # type: ignore[arg-type]
    made.drain()
    assert len(made._lines) == 1000 and made._size >= 8 << 13
