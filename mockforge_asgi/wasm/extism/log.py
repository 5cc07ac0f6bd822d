"""What an Extism guest logs and prints during a call, as bounded lines; handed to the plugin's log when the call is over, at its cost.

Kept until then because a guest that logs would otherwise be suspended for every line.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

from mockforge_asgi.errors import HostCallError
from mockforge_asgi.wasm.extism.kernel import KernelMemory, log_records
from mockforge_asgi.wasm.fiber import Fiber
from mockforge_asgi.wasm.ticker import TICK_S

_MAX_BYTES: Final = 128 << 10
_MAX_LINE: Final = 8192
_MAX_LINES: Final = 1000
_LEVELS: Final = {1: "info", 2: "warn"}


class GuestLines:
    """The lines of one instance's current call, in order."""

    __slots__ = ("_kept", "_lines", "_memory", "_partial", "_size", "is_empty")

    def __init__(self, memory: KernelMemory) -> None:
        self._memory = memory
        self._lines: list[tuple[str, str]] = []
        self._partial: dict[int, bytes] = {}
        self._size = self._kept = 0
        self.is_empty = True
        """Whether nothing was taken over since the last time; what lies in the kernel's buffer was not."""

    def drain(self) -> None:
        """Take over what lies in the kernel's log buffer."""
        if raw := self._memory.take_log():
            self.is_empty = False
            if self._is_full:
                self._size += len(raw)
                return
            size = self._size + len(raw)
            for level, message in log_records(raw):
                self._keep(level, message, len(message))
                if len(self._lines) >= _MAX_LINES:
                    break
            self._size = max(self._size, size)

    def printed(self, fd: int, data: bytes) -> None:
        """Take what was printed to standard output (1) or standard error (2); lines end at a newline."""
        self.drain()
        self.is_empty = False
        if self._is_full:
            self._size += len(data)
            return
        *lines, rest = (self._partial.pop(fd, b"") + data).split(b"\n", _MAX_LINES)
        if b"\n" in rest:  # more lines at once than are kept of a whole call
            self._size += len(rest)
            rest = b""
        elif len(rest) > _MAX_LINE:
            lines.append(rest)
            rest = b""
        for line in lines:
            self._keep_line(fd, line)
        if rest:
            self._partial[fd] = rest

    async def tell(self, fiber: Fiber) -> None:
        """Hand the lines since the last time to the plugin's log: a slice's worth in a turn of the loop, out of the call's `cpu_ms`."""
        lines = self.take()
        while lines:
            began_s, spent_s, told = time.thread_time(), 0.0, 0
            while told < len(lines) and spent_s < TICK_S:
                _log(fiber, *lines[told])
                spent_s, told = time.thread_time() - began_s, told + 1
            fiber.cpu_s += spent_s
            if (lines := lines[told:]) and fiber.cpu_s > fiber.budget.cpu_s:
                return _log(fiber, "warn", f"{len(lines)} more log lines were dropped: the call is over its limit of cpu_ms")
            if lines:
                await asyncio.sleep(0)

    def take(self) -> list[tuple[str, str]]:
        """The (level, message) pairs since the last time."""
        self.drain()
        if self.is_empty:
            return []
        for fd, rest in self._partial.items():
            self._keep_line(fd, rest)
        lines, lost = self._lines, self._size - self._kept
        self._lines, self._partial, self._size, self._kept, self.is_empty = [], {}, 0, 0, True
        if lost > 0:
            lines.append(("warn", f"about {lost} bytes of log lines were dropped: too many in one call"))
        return lines

    def _keep_line(self, fd: int, line: bytes) -> None:
        if line:
            self._keep(_LEVELS[fd], line[:_MAX_LINE].decode("utf-8", "replace"), len(line))

    def _keep(self, level: str, message: str, size: int) -> None:
        self._size += size + 16
        if not self._is_full and self._kept + size + 16 <= _MAX_BYTES:
            self._kept += size + 16
            self._lines.append((level, message))

    @property
    def _is_full(self) -> bool:
        return len(self._lines) >= _MAX_LINES or self._size > _MAX_BYTES


def _log(fiber: Fiber, level: str, message: str) -> None:
    try:
        fiber.host_calls.call_now("log", {"level": level, "message": message})
    except HostCallError:
        pass  # a full log is no reason to fail the call
