"""What an Extism guest logs and prints during a call, as bounded lines; told to the log door when the call is over.

Kept until then because a guest that logs would otherwise be suspended for every line.
"""

from __future__ import annotations

from typing import Final

from mockforge_asgi.wasm.kernel import KernelMemory, log_records

_MAX_BYTES: Final = 128 << 10
_MAX_LINE: Final = 8192
_MAX_LINES: Final = 1000
_LEVELS: Final = {1: "info", 2: "warn"}


class GuestLines:
    """The lines of one instance's current call, in order."""

    __slots__ = ("_kept", "_lines", "_memory", "_partial", "_size")

    def __init__(self, memory: KernelMemory) -> None:
        self._memory = memory
        self._lines: list[tuple[str, str]] = []
        self._partial: dict[int, bytes] = {}
        self._size = self._kept = 0

    def drain(self) -> None:
        """Take over what lies in the kernel's log buffer."""
        if raw := self._memory.take_log():
            if self._is_full:
                self._size += len(raw)
                return
            for level, message in log_records(raw):
                self._keep(level, message, len(message))

    def printed(self, fd: int, data: bytes) -> None:
        """Take what was printed to standard output (1) or standard error (2); lines end at a newline."""
        self.drain()
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

    def take(self) -> list[tuple[str, str]]:
        """The (level, message) pairs since the last time."""
        self.drain()
        if not self._size and not self._partial:
            return []
        for fd, rest in self._partial.items():
            self._keep_line(fd, rest)
        lines, lost = self._lines, self._size - self._kept
        self._lines, self._partial, self._size, self._kept = [], {}, 0, 0
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
