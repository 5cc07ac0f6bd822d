"""What an Extism guest logs and prints during a call, as bounded lines; told to the log door when the call is over.

Kept until then because a guest that logs would otherwise be suspended for every line.
"""

from __future__ import annotations

from typing import Final

from mockforge_asgi.wasm.kernel import KernelMemory, log_records

_MAX_BYTES: Final = 256 << 10
_MAX_LINE: Final = 8192
_LEVELS: Final = {1: "info", 2: "warn"}


class GuestLines:
    """The lines of one instance's current call, in order."""

    __slots__ = ("_lines", "_memory", "_partial", "_size")

    def __init__(self, memory: KernelMemory) -> None:
        self._memory = memory
        self._lines: list[tuple[str, str]] = []
        self._partial: dict[int, bytes] = {}
        self._size = 0

    def drain(self) -> None:
        """Take over what lies in the kernel's log buffer."""
        if raw := self._memory.take_log():
            for level, message in log_records(raw):
                self._keep(level, message, len(message))

    def printed(self, fd: int, data: bytes) -> None:
        """Take what was printed to standard output (1) or standard error (2); lines end at a newline."""
        self.drain()
        *lines, rest = (self._partial.pop(fd, b"") + data).split(b"\n")
        if len(rest) > _MAX_LINE:
            lines.append(rest)
            rest = b""
        for line in lines:
            self._keep_line(fd, line)
        if rest:
            self._partial[fd] = rest

    def take(self) -> list[tuple[str, str]]:
        """The (level, message) pairs since the last time."""
        self.drain()
        if not self._lines and not self._partial:
            return []
        for fd, rest in self._partial.items():
            self._keep_line(fd, rest)
        lines, lost = self._lines, self._size - _MAX_BYTES
        self._lines, self._partial, self._size = [], {}, 0
        if lost > 0:
            lines.append(("warn", f"about {lost} bytes of log lines were dropped: too many in one call"))
        return lines

    def _keep_line(self, fd: int, line: bytes) -> None:
        if line:
            self._keep(_LEVELS[fd], line[:_MAX_LINE].decode("utf-8", "replace"), len(line))

    def _keep(self, level: str, message: str, size: int) -> None:
        self._size += size + 16
        if self._size <= _MAX_BYTES:
            self._lines.append((level, message))
