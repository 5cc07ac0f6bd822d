"""How long compiling takes, on one line of a terminal."""

from __future__ import annotations

import io

from mockforge_asgi.cli.progress import Progress
from mockforge_asgi.events import Compiling, Event, PluginStopped


def shown(text: str) -> list[str]:
    """The lines that a terminal shows in the end: what is erased is gone."""
    return [line.rpartition("\r\x1b[K")[2] for line in text.split("\n")]


def test_the_line_is_renewed_and_in_the_end_replaced() -> None:
    terminal = io.StringIO()
    hear = Progress(terminal).around(lambda event: None)
    for wall_s, done in ((0.0, False), (2.0, False), (8.4, True)):
        hear(Compiling(what="the Python\x1b sandbox", size_bytes=14_000_000, wall_s=wall_s, done=done))
    parts = terminal.getvalue().split("\r\x1b[K")
    assert parts[0] == r"compiling the Python\u001b sandbox (14.0 MB), once: 0 s …"
    assert parts[1] == r"compiling the Python\u001b sandbox (14.0 MB), once: 2 s …"
    assert shown(terminal.getvalue()) == [r"compiled the Python\u001b sandbox (14.0 MB) in 8 s; it is kept", ""]


def test_other_lines_write_over_it() -> None:
    terminal = io.StringIO()
    progress, heard = Progress(terminal), list[Event]()
    hear = progress.around(heard.append)
    hear(Compiling(what="a", size_bytes=1))
    progress.write("a line\n")
    hear(PluginStopped(plugin="p", digest="d"))
    assert shown(terminal.getvalue()) == ["a line", ""] and [type(event) for event in heard] == [PluginStopped]


def test_a_terminal_that_is_gone_fails_nothing() -> None:
    class Gone(io.StringIO):
        def flush(self) -> None:
            raise OSError

    Progress(Gone()).around(lambda event: None)(Compiling(what="a", size_bytes=1))
