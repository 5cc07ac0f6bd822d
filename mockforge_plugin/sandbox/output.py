"""What the author prints: lines of the host's log."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable


class LogStream(io.TextIOBase):
    """A text stream whose lines become log lines of one level."""

    def __init__(self, level: str, write_line: Callable[[str, str], None]) -> None:
        self._level = level
        self._write_line = write_line
        self._rest = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._write_line(self._level, line)
        return len(text)

    def flush(self) -> None:
        """Nothing: a line is sent when it ends, or when the call ends."""

    def end(self) -> None:
        """Send what has no line's end yet."""
        if self._rest:
            rest, self._rest = self._rest, ""
            self._write_line(self._level, rest)


def put_in_place(write_line: Callable[[str, str], None]) -> Callable[[], None]:
    """Point the standard streams at the log; the returned function sends unfinished lines."""
    out, err = LogStream("info", write_line), LogStream("warning", write_line)
    for name, stream in (("stdout", out), ("stderr", err), ("stdin", io.StringIO())):
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)

    def flush() -> None:
        out.end()
        err.end()

    return flush
