"""Where a call is, told line by line: for a host that runs a call again to learn where it was ended, and never otherwise."""

from __future__ import annotations

import linecache
import sys
from collections.abc import Mapping
from types import CodeType, FrameType
from typing import Any

from mockforge_plugin.encoding import encode
from mockforge_plugin.failure import MAX_FRAMES, frame_text
from mockforge_plugin.sandbox.context import SandboxContext
from mockforge_plugin.values import Json

HOST_CALL = "trace"
FIRST = 200
"""So many lines are told one by one; later ones where a sixteenth more than at the last time have run, for telling takes as long as 100."""


def follow(context: SandboxContext, author_files: Mapping[str, str], from_n: int) -> None:
    """Tell the host where the author's code is: at every host call, and from the line with that number on at every line."""
    monitoring: Any = sys.monitoring  # type: ignore[attr-defined, unused-ignore]  # of Python 3.12; the sandbox has its own
    ask, events, tool = context.ask, monitoring.events, monitoring.DEBUGGER_ID
    n, due = 0, 1

    def tell(frame: FrameType | None) -> None:
        ask(HOST_CALL, encode({"n": n, "next": due, **_place(frame, author_files)}))

    def line(code: CodeType, _: int) -> object:
        nonlocal n, due
        if code.co_filename not in author_files:
            return monitoring.DISABLE
        n += 1
        if n >= due:
            due = n + 1 if n < FIRST or n >= from_n else min(from_n, n + (n >> 4))
            tell(sys._getframe(1))
        return None

    def told_and_asked(name: str, text: str) -> str:
        tell(sys._getframe(1))
        return ask(name, text)

    context.ask = told_and_asked
    monitoring.use_tool_id(tool, HOST_CALL)
    monitoring.register_callback(tool, events.LINE, line)
    monitoring.set_events(tool, events.LINE)


def _place(frame: FrameType | None, author_files: Mapping[str, str]) -> dict[str, Json]:
    """The author's innermost file and line, and how the code came there, as in a traceback."""
    frames: list[tuple[str, int, str, str]] = []
    while frame is not None and len(frames) < MAX_FRAMES:
        code, at = frame.f_code, frame.f_lineno
        if code.co_filename in author_files:
            frames.append((author_files[code.co_filename], at, code.co_qualname, linecache.getline(code.co_filename, at).strip()))
        frame = frame.f_back
    if not frames:
        return {}
    texts = [frame_text(*found) for found in reversed(frames)]
    return {"file": frames[0][0], "line": frames[0][1], "source": frames[0][3], "traceback": "\n".join([HEAD, *texts])}


HEAD = "Traceback (most recent call last):"
