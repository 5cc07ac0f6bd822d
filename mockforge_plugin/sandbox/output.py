"""What the author prints: lines of the host's log."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable

MAX_LINE = 8192
"""Characters of a line; the host shows fewer. A longer one is told in pieces, so that no payload is too large for a host call."""


class LogStream(io.TextIOBase):
    """A text stream whose lines become log lines of one level."""

    def __init__(self, level: str, write_line: Callable[[str, str], None]) -> None:
        self._level = level
        self._write_line = write_line
        self.rest: list[str] = []
        """What the unfinished line is made of."""
        self._size = 0

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *lines, rest = text.split("\n")
        for line in lines:
            self._add(line)
            self._end_line()
        self._add(rest)
        return len(text)

    def _add(self, text: str) -> None:
        """Go on with the unfinished line."""
        start = 0
        while self._size + len(text) - start > MAX_LINE:
            end = start + MAX_LINE - self._size
            self.rest.append(text[start:end])
            self._end_line()
            start = end
        if start < len(text):
            self.rest.append(text[start:])
            self._size += len(text) - start

    def _end_line(self) -> None:
        line = "".join(self.rest).encode("utf-8", "backslashreplace").decode()
        self.rest, self._size = [], 0
        self._write_line(self._level, line)

    def flush(self) -> None:
        """Nothing: a line is sent when it ends, or when the call ends."""

    def end(self) -> None:
        """Send what has no line's end yet."""
        if self.rest:
            self._end_line()


def put_in_place(write_line: Callable[[str, str], None]) -> Callable[[], None]:
    """Point the standard streams at the log; the returned function sends unfinished lines."""
    out, err = LogStream("info", write_line), LogStream("warning", write_line)
    for name, stream in (("stdout", out), ("stderr", err), ("stdin", io.StringIO())):
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)

    def flush() -> None:
        if out.rest or err.rest:
            out.end()
            err.end()

    return flush
