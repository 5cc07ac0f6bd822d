"""The kernel's functions called in any order with any arguments, against the model; then the host's hands on what is left.

An input is a script: a byte for the function, then its arguments. Handles are those of earlier blocks, moved a little, or wild.
"""

from __future__ import annotations

from random import Random

from mockforge_asgi.wasm.extism.kernel import FAULT_HANDLE, FAULT_MEMORY, FAULT_VARS, LOG_LEVELS, log_records
from tests.fuzz.fuzzing import Choices, Target
from tests.support.extism_kernel_model import LIMIT, Kernel, Model

NO_ARGUMENT = ("input_offset", "input_length", "output_offset", "output_length", "error_get", "memory_bytes", "reset")
ONE_HANDLE = ("free", "length", "length_unsafe", "load_u8", "load_u64", "error_set", "input_load_u8", "input_load_u64")
MODELLED = (*NO_ARGUMENT, *ONE_HANDLE, "alloc", "alloc", "alloc", "store_u8", "store_u64", "store_u64", "input_set", "output_set")
OTHERS = ("config_get", "var_get", "var_set", "http_request", "mockforge_door", *(f"log_{level}" for level in LOG_LEVELS))
"""Functions that the model does not know: they may fault, and must stay inside."""
MOVES = (0, 0, 0, 0, -16, -12, -8, 8, 16, 1, -1, 4096)
MARK = 0x4D464B32


def check(data: bytes) -> None:
    """Run the script on both."""
    choices = Choices(data)
    kernel, given = Kernel(), choices.take(choices.number() % 64)
    kernel.memory.begin(given)
    model = Model(kernel.memory.heap)
    if given:
        model.input = (model.alloc(len(given)), len(given))
        model.heap[16 : 16 + len(given)] = given
    blocks = [model.input[0]]
    for _ in range(60):
        if choices.is_over:
            break
        if choices.number() % 8 == 0:
            if _other(kernel, model, choices, blocks):
                return
            continue
        name = choices.one_of(MODELLED)
        arguments = _arguments(name, choices, blocks, model)
        try:
            expected = model.call(name, *arguments)
        except MemoryError:
            assert kernel.fault(name, *arguments) == FAULT_MEMORY, (name, arguments)
            return
        assert kernel.call(name, *arguments) == expected, (name, arguments)
        if name == "alloc" and expected:
            blocks.append(expected)
    assert kernel.memory.read(kernel.memory.heap, len(model.heap)) == bytes(model.heap), "the heap is not what it should be"
    outcome = kernel.memory.finish(LIMIT)
    start, n = model.output
    assert outcome.output == (bytes(model.heap[start - model.base : start - model.base + n]) if n else b"")
    assert (outcome.error is None) == (model.error == 0) and len(outcome.error or b"") <= 65_536
    _clean(kernel)
    for level, text in log_records(kernel.memory.take_log()):
        assert level in LOG_LEVELS and len(text) <= 8192 + 6


def _other(kernel: Kernel, model: Model, choices: Choices, blocks: list[int]) -> bool:
    """One call of a function without a model; True when it ended the call. What it writes lies beyond what there was."""
    name = choices.one_of(OTHERS)
    arguments = [_address(choices, blocks, model) for _ in range(2 if name in ("var_set", "http_request", "mockforge_door") else 1)]
    handles = [at for at in arguments if model.length(at)]
    if fault := kernel.fault(name, *arguments):
        assert fault in (FAULT_HANDLE, FAULT_MEMORY, FAULT_VARS), fault
        assert len(handles) < len(arguments) or fault != FAULT_HANDLE, (name, arguments)
        return True
    for at in handles:  # the host's functions free what they are given
        model.free(at)
    if (more := kernel.call("memory_bytes") - len(model.heap)) > 0:
        model.heap += kernel.memory.read(model.end, more)
    assert more >= 0
    return False


def _arguments(name: str, choices: Choices, blocks: list[int], model: Model) -> list[int]:
    if name in NO_ARGUMENT:
        return []
    if name == "alloc":
        return [choices.wild()]
    at = _address(choices, blocks, model)
    if name in ONE_HANDLE:
        return [at]
    if name == "store_u8":
        return [at, choices.number()]
    if name == "store_u64":
        return [at, MARK << 32 | choices.wild() % (1 << 32) if choices.number() % 2 else choices.wild()]
    return [at, choices.wild()]


def _address(choices: Choices, blocks: list[int], model: Model) -> int:
    match choices.number() % 4:
        case 0:
            return (model.end + choices.number() - 128) % (1 << 64)
        case 1:
            return choices.wild()
    return (choices.one_of(blocks) + choices.one_of(MOVES)) % (1 << 64)


def _clean(kernel: Kernel) -> None:
    memory = bytes(kernel.memory.view)
    assert memory.count(0, kernel.memory.heap) == len(memory) - kernel.memory.heap, "something of the call is left"


TARGET = Target(check, 1_000, tuple(Random(n).randbytes(40 * n) for n in range(1, 10)), max_bytes=512)
