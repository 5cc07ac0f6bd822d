"""One line on a terminal that tells how long something has been going on: code that is being compiled for the first time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from mockforge_asgi.events import Compiling, Event
from mockforge_asgi.text import escape

_ERASE: Final = "\r\x1b[K"


class Terminal(Protocol):
    """What is written to: standard error."""

    def write(self, text: str, /) -> object:
        """Write a text."""
        ...

    def flush(self) -> object:
        """Have it shown."""
        ...


class Progress:
    """A stream for lines, which write over that one; what goes on shows itself again with its next news."""

    __slots__ = ("_is_shown", "_terminal")

    def __init__(self, terminal: Terminal) -> None:
        self._terminal, self._is_shown = terminal, False

    def write(self, text: str) -> None:
        """Write whole lines."""
        self._terminal.write(_ERASE + text if self._is_shown else text)
        self._is_shown = False

    def flush(self) -> None:
        """Have it shown."""
        self._terminal.flush()

    def around(self, writer: Callable[[Event], None]) -> Callable[[Event], None]:
        """A subscriber that shows compiling, and leaves all else to the writer."""

        def hear(event: Event) -> None:
            if isinstance(event, Compiling):
                self._show(event)
            else:
                writer(event)

        return hear

    def _show(self, event: Compiling) -> None:
        size, took = f"{event.size_bytes / 1_000_000:.1f} MB", f"{event.wall_s:.0f} s"
        try:
            if event.done:
                self.write(f"compiled {escape(event.what)} ({size}) in {took}; it is kept\n")
            else:
                self.write(f"compiling {escape(event.what)} ({size}), once: {took} …")
                self._is_shown = True
            self.flush()
        except OSError:  # nobody reads it: no reason to fail what it tells of
            pass
