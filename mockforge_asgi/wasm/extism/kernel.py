"""The Extism kernel from the host's side: its code, and one instance's memory read and written in place.

`kernel.wat` is the guest's side and has the layout. Nothing here calls a guest: around a call the host writes the
input, reads output and error, and zeroes what was used. How a plugin is linked and run is `guest.py`.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

import wasmtime
from wasmtime import _bindings as ffi

from mockforge_asgi.errors import UnsupportedPlatform

_CALL_WORDS: Final = struct.Struct("<8I")  # input, its length, output, its length, error, end, fault, status
_ENDED_WORDS: Final = struct.Struct("<8x5I24xI")  # of those: output, its length, error, end, fault; of the layout: log end
_LAYOUT_WORDS: Final = struct.Struct("<7I")  # heap, memory end, settings end, vars end, vars limit, log end, log level
_ARGUMENTS: Final = struct.Struct("<8I")
_PAIR: Final = struct.Struct("<II")
_WORD: Final = struct.Struct("<I")
_END_AT, _FAULT_AT, _STATUS_AT, _LAYOUT_AT, _MEMORY_END_AT, _LOG_END_AT, _REPLY_LENGTH_AT, _ARGUMENTS_AT = (
    0x14,
    0x18,
    0x1C,
    0x20,
    0x24,
    0x34,
    0x3C,
    0x40,
)
_LOG: Final = 0x1000
_SETTINGS: Final = 0x10000
_HEADER: Final = 16
_MARK: Final = 0x4D464B32
_PAGE: Final = 0x10000
_MAX_BYTES: Final = 0xFFFF0000
_ZEROS: Final = memoryview(bytes(_PAGE))
LOG_LEVELS: Final = ("trace", "debug", "info", "warn", "error")

REPLY_NOTHING, REPLY_PLACED, REPLY_WAITS, REPLY_REFUSED = 0, 1, 2, 3
"""What a host call answers to the kernel; see `$ask` in kernel.wat."""

FAULT_HANDLE, FAULT_MEMORY, FAULT_VARS, FAULT_REFUSED, FAULT_EXIT, FAULT_ABORT = 1, 2, 3, 4, 5, 6
"""Why the kernel ended a call."""


def kernel_wasm(name: str = "kernel") -> bytes:
    """The code of the kernel, or of `wasi`, the shims that go with it."""
    return bytes(wasmtime.wat2wasm(files(__package__).joinpath(f"{name}.wat").read_text("utf-8")))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a guest left behind; `error` is None when it set none."""

    output: bytes
    error: bytes | None


class OutputTooLarge(Exception):
    """The output has more bytes than the caller wants to copy."""

    def __init__(self, size: int) -> None:
        self.size = size
        super().__init__(size)


class KernelMemory:
    """The linear memory of one kernel instance. Its base never moves; only its end does."""

    __slots__ = ("_context", "_memory", "_size", "_used", "base", "heap", "view")

    def __init__(self, context: Any, memory: Any, *, settings: bytes = b"", vars_bytes: int = 0, log_level: int = 2) -> None:
        self._context, self._memory = context, memory
        self.base: int = ctypes.cast(ffi._wasmtime_memory_data(context, ctypes.byref(memory)), ctypes.c_void_p).value or 0
        self._size = 0
        self.view: memoryview = memoryview(b"")
        self._refresh()
        settings_end = _up(_SETTINGS + len(settings))
        self.heap = settings_end + _up(vars_bytes)
        self._used = self.heap
        self._reach(self.heap + _HEADER)
        self.view[_SETTINGS : _SETTINGS + len(settings)] = settings
        _LAYOUT_WORDS.pack_into(self.view, _LAYOUT_AT, self.heap, self._size, settings_end, settings_end, self.heap, _LOG, log_level)
        self.begin(b"")

    @property
    def size(self) -> int:
        """Its size in bytes, as it is now."""
        self._refresh()
        return self._size

    def begin(self, data: bytes) -> None:
        """Make the heap hold this input and nothing else."""
        n = len(data)
        if n:
            at = self.heap + _HEADER
            end = (at + n + 15) & ~15
            if end > self._size:
                self._reach(end)
            view = self.view
            _PAIR.pack_into(view, self.heap, n, _MARK)
            view[at : at + n] = data
            _CALL_WORDS.pack_into(view, 0, at, n, 0, 0, 0, end, 0, 0)
        else:
            _CALL_WORDS.pack_into(self.view, 0, 0, 0, 0, 0, 0, self.heap, 0, 0)

    def take_output(self, max_bytes: int) -> bytes | None:
        """The output of a call that left nothing else, with all zeroed that it used; None where it left more: see `finish`."""
        view, heap = self.view, self.heap
        out, n, error, end, fault, log_end = _ENDED_WORDS.unpack_from(view)
        used = end - heap
        if error or fault or log_end != _LOG or n > max_bytes or not 0 <= used <= _PAGE or end > self._size:
            return None
        if n and not heap <= out <= end - n:  # a block of this call's
            return None
        output = bytes(view[out : out + n])
        view[heap:end] = _ZEROS[:used]
        return output

    def finish(self, max_output_bytes: int, max_error_bytes: int = 65536) -> Outcome:
        """What the call left; then zero all it used. Raises OutputTooLarge, with the heap zeroed as well."""
        _, _, out, out_n, err, end, _, _ = _CALL_WORDS.unpack_from(self.view)
        try:
            if out_n > max_output_bytes:
                raise OutputTooLarge(out_n)
            output = self.read(out, out_n) if out_n else b""
            error = self.read(err, min(self._block_length(err), max_error_bytes)) if err else None
            return Outcome(output, error)
        finally:
            self._clear(end)

    def last_words(self, max_error_bytes: int = 65536) -> bytes | None:
        """The error that was set by a call that trapped afterwards, as a panic hook does; None if there is none."""
        err = _CALL_WORDS.unpack_from(self.view)[4]
        length = min(self._block_length(err), max_error_bytes) if err else 0
        return self.read(err, length) if length > 0 else None

    def arguments(self) -> tuple[int, ...]:
        """The words that a guest has set which calls its host."""
        return _ARGUMENTS.unpack_from(self.view, _ARGUMENTS_AT)

    def read(self, at: int, n: int) -> bytes:
        """Bytes of the heap. Raises ValueError outside it."""
        if at + n > self._size:
            self._refresh()
        if at < self.heap or at + n > self._size:
            raise ValueError(f"{n} bytes at {at} are outside the kernel's heap")
        return bytes(self.view[at : at + n])

    def write(self, at: int, data: bytes) -> None:
        """Fill a block that the kernel allocated. Raises ValueError outside the heap."""
        if at + len(data) > self._size:
            self._refresh()
        if at < self.heap or at + len(data) > self._size:
            raise ValueError(f"{len(data)} bytes at {at} are outside the kernel's heap")
        self.view[at : at + len(data)] = data

    def reply(self, data: bytes) -> int:
        """Put a host call's reply where the kernel will make a block of it; REPLY_WAITS when the memory must grow first."""
        if not data:
            return REPLY_NOTHING
        view = self.view
        at = _WORD.unpack_from(view, _END_AT)[0] + _HEADER
        _WORD.pack_into(view, _REPLY_LENGTH_AT, len(data))
        # the kernel knows a larger memory at once, the host when it looks
        if at < self.heap or _up(at + len(data)) > min(_WORD.unpack_from(view, _MEMORY_END_AT)[0], self._size):
            return REPLY_WAITS
        view[at : at + len(data)] = data
        return REPLY_PLACED

    def fault(self) -> int:
        """Why the kernel ended the call, 0 if it did not."""
        return int(_WORD.unpack_from(self.view, _FAULT_AT)[0])

    def set_status(self, status: int) -> None:
        """The HTTP status that `http_status_code` gives."""
        _WORD.pack_into(self.view, _STATUS_AT, status)

    def take_log(self) -> bytes:
        """The log records written since the last time, as they lie in memory."""
        end = _WORD.unpack_from(self.view, _LOG_END_AT)[0]
        if end <= _LOG or end > _SETTINGS:
            return b""
        _WORD.pack_into(self.view, _LOG_END_AT, _LOG)
        return bytes(self.view[_LOG:end])

    def _block_length(self, at: int) -> int:
        # may be forged: a guest can write over the headers of its own blocks
        return min(int(_WORD.unpack_from(self.view, at - _HEADER)[0]), self._size - at) if self.heap < at <= self._size else 0

    def _clear(self, end: int) -> None:
        if end > self._size:
            self._refresh()
        used = min(end, self._size) - self.heap
        if used > _PAGE:
            ctypes.memset(self.base + self.heap, 0, used)
        elif used > 0:  # a fifth of what a C call takes
            self.view[self.heap : self.heap + used] = _ZEROS[:used]

    def _reach(self, end: int) -> None:
        """Grow to that end, outside a call. Raises MemoryError over the store's limit."""
        self._refresh()  # a guest may have grown it
        missing = -(-(end - self._size) // _PAGE)
        if missing > 0:
            error = ffi._wasmtime_memory_grow(self._context, ctypes.byref(self._memory), missing, ctypes.byref(ctypes.c_uint64()))
            if error:
                ffi._wasmtime_error_delete(error)
                raise MemoryError(end)
            self._refresh()
        _WORD.pack_into(self.view, _MEMORY_END_AT, self._size)

    def _refresh(self) -> None:
        size = min(int(ffi._wasmtime_memory_data_size(self._context, ctypes.byref(self._memory))), _MAX_BYTES)
        if size != self._size:
            self._size = size
            self.view = memoryview((ctypes.c_char * size).from_address(self.base)).cast("B")


def log_records(raw: bytes) -> Iterator[tuple[str, str]]:
    """(level, message) of each record in a log buffer."""
    at = 0
    while at + 8 <= len(raw):
        level, n = _PAIR.unpack_from(raw, at)
        text = raw[at + 8 : at + 8 + n].decode("utf-8", "replace")
        yield LOG_LEVELS[min(level & 0xFF, 4)], text + " (cut)" if level & 0x100 else text
        at += 8 + n


def settings_table(settings: Mapping[str, str]) -> bytes:
    """The plugin's configuration as the kernel reads it."""
    parts = []
    for key, value in settings.items():
        name, text = key.encode(), value.encode()
        parts += [_PAIR.pack(len(name), len(text)), name, text]
    table = b"".join(parts)
    if len(table) > 1 << 20:
        raise UnsupportedPlatform("a plugin's configuration may have at most 1 MiB")
    return table


def _up(n: int) -> int:
    return (n + 15) & ~15
