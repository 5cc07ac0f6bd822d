"""A kernel without a plugin, called function by function; and what it must do, in Python."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from functools import cache

import wasmtime

from mockforge_asgi.wasm.engine import config
from mockforge_asgi.wasm.extism.kernel import KernelMemory, kernel_wasm, settings_table

LIMIT = 2 << 20
VARS = 1024
SETTINGS = {"a": "one", "ab": "two", "": "never found", "long": "x" * 300, "empty": ""}


_asked: list[list[int]] = [[]]
"""Where the door that all kernels share notes its numbers."""


@cache
def _code() -> tuple[wasmtime.Engine, wasmtime.Linker, wasmtime.Module]:
    configuration = config("core")
    configuration.epoch_interruption = False
    engine = wasmtime.Engine(configuration)
    linker = wasmtime.Linker(engine)

    def door(number: int) -> int:
        _asked[0].append(number)
        return 0

    linker.define_func("mockforge", "door", wasmtime.FuncType([wasmtime.ValType.i32()], [wasmtime.ValType.i64()]), door)
    return engine, linker, wasmtime.Module(engine, kernel_wasm())


class Kernel:
    """A kernel without a plugin, called function by function; `doors` are those that the last one made was asked for."""

    def __init__(self, *, settings: dict[str, str] = SETTINGS, vars_bytes: int = VARS) -> None:
        engine, linker, module = _code()
        self.store = wasmtime.Store(engine)
        self.store.set_limits(memory_size=LIMIT)
        self.doors = _asked[0] = []
        self._exports = linker.instantiate(self.store, module).exports(self.store)
        memory = self._exports["memory"]
        assert isinstance(memory, wasmtime.Memory)
        self.memory = KernelMemory(self.store._context(), memory._memory, settings=settings_table(settings), vars_bytes=vars_bytes)

    def call(self, name: str, *args: int) -> int:
        """The answer, unsigned."""
        function = self._exports[name]
        assert isinstance(function, wasmtime.Func)
        answer = function(self.store, *(_signed(a) for a in args))
        return (answer or 0) & 0xFFFFFFFFFFFFFFFF

    def fault(self, name: str, *args: int) -> int:
        """The fault that this call ends in, 0 if it ends well."""
        try:
            self.call(name, *args)
        except wasmtime.Trap:
            return self.memory.fault()
        return 0

    def put(self, data: bytes) -> int:
        """A block with these bytes."""
        at = self.call("alloc", len(data))
        if data:
            self.memory.write(at, data)
        return at

    def get(self, at: int) -> bytes | None:
        """The bytes of a block; None for the handle 0."""
        return self.memory.read(at, self.call("length", at)) if at else None


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


@dataclass
class Model:
    """What the kernel must do, in Python: one flat heap, blocks behind 16-byte headers."""

    base: int
    heap: bytearray = field(default_factory=bytearray)
    input: tuple[int, int] = (0, 0)
    output: tuple[int, int] = (0, 0)
    error: int = 0

    @property
    def end(self) -> int:
        return self.base + len(self.heap)

    def inside(self, at: int, n: int) -> bool:
        return self.base <= at <= self.end and n <= self.end - at

    def alloc(self, n: int) -> int:
        if n == 0:
            return 0
        at = self.end + 16
        end = (at + n + 15) & ~15
        if n > 0x7FFFFFFF or end > LIMIT:
            raise MemoryError
        self.heap += struct.pack("<II8x", n, 0x4D464B32) + bytes(end - at)
        return at

    def length(self, at: int) -> int:
        if at % 16 or at < 16 or not self.inside(at - 16, 16):
            return 0
        n, mark = struct.unpack_from("<II", self.heap, at - 16 - self.base)
        return int(n) if mark == 0x4D464B32 and self.inside(at, n) else 0

    def free(self, at: int) -> int:
        if self.length(at):
            self.heap[at - 12 - self.base : at - 8 - self.base] = bytes(4)
        return 0

    def load(self, at: int, n: int) -> int:
        return int.from_bytes(self.heap[at - self.base :][:n], "little") if self.inside(at, n) else 0

    def store(self, at: int, n: int, value: int) -> int:
        if self.inside(at, n):
            self.heap[at - self.base :][:n] = b""
            self.heap[at - self.base : at - self.base + n] = (value & ((1 << 8 * n) - 1)).to_bytes(n, "little")
        return 0

    def input_load(self, at: int, n: int) -> int:
        start, length = self.input
        return self.load(start + at, n) if at < length and n <= length - at else 0

    def pair(self, name: str, at: int, n: int) -> int:
        if n == 0:
            setattr(self, name, (0, 0))
        elif self.inside(at, n):
            setattr(self, name, (at, n))
        return 0

    def error_set(self, at: int) -> int:
        if at == 0 or self.length(at):
            self.error = at
        return 0

    def reset(self) -> int:
        self.heap.clear()
        self.input = self.output = (0, 0)
        self.error = 0
        return 0

    def call(self, name: str, *a: int) -> int:
        match name:
            case "alloc" | "free" | "length" | "error_set" | "reset":
                return int(getattr(self, name)(*a))
            case "length_unsafe":
                return self.length(*a)
            case "load_u8" | "load_u64":
                return self.load(a[0], 1 if name == "load_u8" else 8)
            case "store_u8" | "store_u64":
                return self.store(a[0], 1 if name == "store_u8" else 8, a[1])
            case "input_load_u8" | "input_load_u64":
                return self.input_load(a[0], 1 if name == "input_load_u8" else 8)
            case "input_set" | "output_set":
                return self.pair(name.removesuffix("_set"), *a)
            case "input_offset" | "output_offset":
                return int(getattr(self, name.removesuffix("_offset"))[0])
            case "input_length" | "output_length":
                return int(getattr(self, name.removesuffix("_length"))[1])
            case "error_get":
                return self.error
        assert name == "memory_bytes"
        return len(self.heap)
