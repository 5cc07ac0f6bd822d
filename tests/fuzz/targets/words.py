"""The host's hands in a kernel memory that holds anything: they stay inside it, and leave a heap that is all zero.

No guest reaches the control words; this asks what a mistake in the kernel would cost. An input is eight words of a call, then the
head of the log buffer, then bytes for the heap.
"""

from __future__ import annotations

import struct
from random import Random

from mockforge_asgi.wasm.extism.kernel import (
    LOG_LEVELS,
    REPLY_NOTHING,
    REPLY_PLACED,
    REPLY_WAITS,
    Outcome,
    OutputTooLarge,
    log_records,
)
from tests.fuzz.fuzzing import Choices, Target
from tests.support.extism_kernel_model import LIMIT, Kernel

LOG_AT, LOG_END_AT, END_AT, ARGUMENTS_AT = 0x1000, 0x34, 0x14, 0x40
MAX_OUTPUT, MAX_ERROR = 4096, 64


def check(data: bytes) -> None:
    """Put it there, and do all that a host does."""
    choices, kernel = Choices(data), Kernel()
    memory = kernel.memory
    heap, size, view = memory.heap, len(memory.view), memory.view
    words = [_word(choices, heap, size) for _ in range(8)]
    struct.pack_into("<8I", view, 0, *words)
    struct.pack_into("<8I", view, ARGUMENTS_AT, *(_word(choices, heap, size) for _ in range(8)))
    struct.pack_into("<I", view, LOG_END_AT, LOG_AT + choices.number(2) if choices.number() % 2 else choices.number(4))
    log = choices.take(choices.number())
    view[LOG_AT : LOG_AT + len(log)] = log
    rest = choices.rest()[: size - heap]
    view[heap : heap + len(rest)] = rest
    before = bytes(view[0x80:LOG_AT]) + bytes(view[0x10000:heap])
    assert all(level in LOG_LEVELS and text.encode() is not None for level, text in log_records(memory.take_log()))
    for at in memory.arguments():
        _peek(memory.read, at, 64)
        _peek(memory.write, at, b"")
    _reply(kernel, rest[:100])
    used = min(max(struct.unpack_from("<I", view, END_AT)[0], heap), size)
    taken = memory.take_output(MAX_OUTPUT) if choices.number() % 2 else None
    try:
        outcome = memory.finish(MAX_OUTPUT, MAX_ERROR) if taken is None else Outcome(taken, None)
    except OutputTooLarge as error:
        assert error.size > MAX_OUTPUT
    except ValueError:
        assert not (heap <= words[2] <= words[2] + words[3] <= size and heap <= words[4] <= size)
    else:
        assert isinstance(outcome, Outcome) and len(outcome.output) <= MAX_OUTPUT and len(outcome.error or b"") <= MAX_ERROR
    assert bytes(view[heap:used]).count(0) == used - heap, "something of the call is left"
    assert bytes(view[0x80:LOG_AT]) + bytes(view[0x10000:heap]) == before, "written below the heap"
    memory.begin(b"next")
    assert memory.read(heap + 16, 4) == b"next" and memory.size <= LIMIT


def _word(choices: Choices, heap: int, size: int) -> int:
    match choices.number() % 4:
        case 0:
            return heap + choices.number(2)
        case 1:
            return (size + choices.number() - 128) % (1 << 32)
        case 2:
            return choices.number()
    return choices.number(4)


def _peek(touch: object, at: int, what: object) -> None:
    try:
        touch(at, what)  # type: ignore[operator]  # KernelMemory.read or .write
    except ValueError:
        pass


def _reply(kernel: Kernel, data: bytes) -> None:
    memory, end = kernel.memory, struct.unpack_from("<I", kernel.memory.view, END_AT)[0]
    answer = memory.reply(data)
    assert answer in (REPLY_NOTHING, REPLY_PLACED, REPLY_WAITS) and (answer == REPLY_NOTHING) == (not data)
    if answer == REPLY_PLACED:
        assert memory.read(end + 16, len(data)) == data
        memory.write(end + 16, bytes(len(data)))


TARGET = Target(check, 1_000, tuple(Random(n).randbytes(60 * n) for n in range(1, 8)), max_bytes=1024)
