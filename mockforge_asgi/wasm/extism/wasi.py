"""The host's side of the WASI shims: requests of a guest that touch its own memory.

`wasi.wat` is the guest's side. Every pointer and length is the guest's and is checked here before use; nothing native
of WASI is linked. Host calls answer: `clock.now`, `clock.sleep` and `random.bytes`; what is printed goes to the log.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Mapping
from typing import Any, Final

from wasmtime import _bindings as ffi

from mockforge_asgi.contract import Json
from mockforge_asgi.text import clip

WASI: Final = "wasi_snapshot_preview1"
FIRST: Final = 16
FD_WRITE, CLOCK_TIME_GET, CLOCK_RES_GET, RANDOM_GET, NO_STRINGS, FD_FDSTAT_GET, POLL_ONEOFF = range(16, 23)
_OK, _BADF, _FAULT, _INVAL, _IO, _NOSYS, _NOTSUP = 0, 8, 21, 28, 29, 52, 58
_MAX_BUFFERS: Final = 1024
_MAX_BYTES: Final = 65536
_MAX_WORDS: Final = 2000
_MAX_SUBSCRIPTIONS: Final = 64
_SUBSCRIPTION: Final = struct.Struct("<QB7xI4xQQH6x")  # user data, kind, clock, timeout, precision, flags
_EVENT: Final = struct.Struct("<QHB21x")
_CLOCK_EVENT: Final = 0
_STDOUT, _STDERR = 1, 2

Ask = tuple[str, Mapping[str, Json], Callable[[Json], int]]
"""A host call, its payload, and what turns its answer into an error number."""


Write = Callable[[int, bytes], None]
"""Takes what the guest prints to a file descriptor."""


class GuestMemory:
    """The plugin's own memory, by a base that never moves; its size is asked each time."""

    __slots__ = ("_base", "_context", "_memory")

    def __init__(self, context: Any, memory: Any) -> None:
        self._context, self._memory = context, memory
        self._base = ctypes.cast(ffi._wasmtime_memory_data(context, ctypes.byref(memory)), ctypes.c_void_p).value or 0

    @property
    def size(self) -> int:
        """Its size in bytes, as it is now."""
        return int(ffi._wasmtime_memory_data_size(self._context, ctypes.byref(self._memory)))

    def _holds(self, at: int, n: int) -> bool:
        return at + n <= self.size

    def read(self, at: int, n: int) -> bytes | None:
        """The bytes there, or None if they are not all inside."""
        return ctypes.string_at(self._base + at, n) if self._holds(at, n) else None

    def write(self, at: int, data: bytes) -> int:
        """Write them; the error number says whether they fit."""
        if not self._holds(at, len(data)):
            return _FAULT
        ctypes.memmove(self._base + at, data, len(data))
        return _OK


def abort_text(memory: GuestMemory | None, arguments: tuple[int, ...]) -> str:
    """What a call of AssemblyScript's `abort` said: its message and place, as far as they can be read."""
    line, column, message, file = arguments[:4]
    place = f"{name}:{line}:{column}" if (name := _utf16(memory, file)) else f"line {line}"
    return f"{said} ({place})" if (said := _utf16(memory, message)) else f"its code called abort ({place})"


def _utf16(memory: GuestMemory | None, at: int) -> str:
    """A string of AssemblyScript: UTF-16, with its length in bytes before it."""
    size = memory.read(at - 4, 4) if memory is not None and at >= 4 else None
    data = memory.read(at, min(int.from_bytes(size, "little"), _MAX_WORDS)) if memory is not None and size is not None else None
    return clip((data or b"").decode("utf-16-le", "replace"), _MAX_WORDS)


def serve(memory: GuestMemory | None, number: int, arguments: tuple[int, ...], write: Write) -> int | Ask:
    """An error number at once, or what to ask the host first. Without memory (in a start function) nothing works."""
    if memory is None:
        return _NOSYS
    a, b, c, d = arguments[:4]
    if number == FD_WRITE:
        return _write(memory, a, b, c, d, write)
    if number == CLOCK_TIME_GET:
        return ("clock.now", {}, lambda now: _time(memory, a, b, now)) if a in (0, 1) else _INVAL
    if number == CLOCK_RES_GET:
        return memory.write(b, struct.pack("<Q", 1000)) if a in (0, 1) else _INVAL
    if number == RANDOM_GET and b:
        return ("random.bytes", {"n": b}, lambda got: _random(memory, a, b, got)) if b <= _MAX_BYTES else _INVAL
    if number == NO_STRINGS:
        return memory.write(a, bytes(4)) or memory.write(b, bytes(4))
    if number == FD_FDSTAT_GET:  # a character device that can be written
        return memory.write(b, struct.pack("<BxHxxxxQQ", 2, 1, 1 << 6, 0)) if a in (_STDOUT, _STDERR) else _BADF
    if number == POLL_ONEOFF:
        return _poll(memory, a, b, c, d)
    return _OK if number == RANDOM_GET else _NOSYS


def _write(memory: GuestMemory, fd: int, buffers: int, n_buffers: int, written: int, write: Write) -> int:
    if fd not in (_STDOUT, _STDERR):
        return _BADF
    if n_buffers > _MAX_BUFFERS:
        return _INVAL
    table = memory.read(buffers, 8 * n_buffers)
    if table is None:
        return _FAULT
    parts, total = [], 0
    for at, n in struct.iter_unpack("<II", table):
        n = min(n, _MAX_BYTES - total)  # a short write is a valid answer; the guest comes back with the rest
        part = memory.read(at, n)
        if part is None:
            return _FAULT
        parts.append(part)
        total += n
    write(fd, b"".join(parts))
    return memory.write(written, struct.pack("<I", total))


def _poll(memory: GuestMemory, subscriptions: int, events: int, n: int, n_events: int) -> int | Ask:
    """Sleeps until the first clock; files are never ready, so asking for one is an error in its event."""
    table = memory.read(subscriptions, _SUBSCRIPTION.size * n) if 0 < n <= _MAX_SUBSCRIPTIONS else None
    if table is None:
        return _INVAL
    wanted = list(_SUBSCRIPTION.iter_unpack(table))
    files = [_EVENT.pack(user, _BADF, kind) for user, kind, *_ in wanted if kind != _CLOCK_EVENT]
    if any(flags & 1 for *_, flags in wanted):
        return _NOTSUP  # a time of day, not a duration
    due_ns = 0 if files else min(timeout for _, _, _, timeout, _, _ in wanted)
    clocks = [_EVENT.pack(user, _OK, kind) for user, kind, _, timeout, _, _ in wanted if kind == _CLOCK_EVENT and timeout <= due_ns]

    def finish(_: Json) -> int:
        told = files + clocks
        return memory.write(events, b"".join(told)) or memory.write(n_events, struct.pack("<I", len(told)))

    return ("clock.sleep", {"ns": due_ns}, finish) if due_ns else finish(None)


def _time(memory: GuestMemory, clock: int, at: int, now: Json) -> int:
    return memory.write(at, struct.pack("<Q", int(now["monotonic_ns" if clock else "unix_ns"]) & 0xFFFFFFFFFFFFFFFF))


def _random(memory: GuestMemory, at: int, n: int, got: Json) -> int:
    data = bytes.fromhex(got["hex"])
    return memory.write(at, data) if len(data) == n else _IO
