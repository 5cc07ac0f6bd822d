"""The host call `log`: what guests write, made harmless and few before anybody reads it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from functools import cache

from mockforge_asgi.contract import Json
from mockforge_asgi.errors import HostCallError
from mockforge_asgi.events import EventStream, GuestLogged, Level

MAX_CHARS = 2048
BURST, LINES_PER_S = 200.0, 50.0

_LEVELS = {name: name for name in ("trace", "debug", "info", "warning", "error")} | {"warn": "warning"}
_HEARD: dict[str, Level] = {"info": "info", "warning": "warning", "error": "error"}
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff\n]")
_SHORT = {"\n": "\\n", "\r": "\\r"}


class GuestLog:
    """Takes lines of one plugin; at most `LINES_PER_S` go on, after a burst, and what was left out is counted."""

    __slots__ = ("_at", "_clock", "_dropped", "_events", "_left", "_plugin")

    def __init__(self, plugin: str, events: EventStream, clock: Callable[[], float] = time.monotonic) -> None:
        self._plugin, self._events, self._clock = plugin, events, clock
        self._left, self._at, self._dropped = BURST, clock(), 0

    def write(self, payload: Mapping[str, Json]) -> None:
        """Hand the line on as an event. Raises HostCallError for what is not a line."""
        level, message = payload.get("level", "info"), payload.get("message")
        if not isinstance(message, str):
            raise HostCallError("invalid_input", "`message` must be a string")
        if not isinstance(level, str) or level not in _LEVELS:
            raise HostCallError("invalid_input", f"`level` must be one of {', '.join(_LEVELS)}")
        level = _LEVELS[level]
        if not self._events.wants(GuestLogged, _HEARD.get(level, "debug")):
            return
        if not self._may_pass():
            self._dropped += 1
            return
        if self._dropped:
            dropped, self._dropped = self._dropped, 0
            self._emit("warning", f"({dropped} lines left out: the plugin logs more than {LINES_PER_S:g} a second)")
        self._emit(level, self._harmless(message))

    def _may_pass(self) -> bool:
        now = self._clock()
        self._left = min(BURST, self._left + (now - self._at) * LINES_PER_S)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def _harmless(self, message: str) -> str:
        cut = self._events.redact(message[:MAX_CHARS])
        more = f" ... ({len(message)} characters in all)" if len(message) > MAX_CHARS else ""
        return escaped(cut)[:MAX_CHARS] + more  # one unprintable sign is six printable ones

    def _emit(self, level: str, message: str) -> None:
        self._events.emit(GuestLogged(plugin=self._plugin, level=level, message=message))


def escaped(text: str) -> str:
    """The text in one line, with nothing in it that moves a terminal's cursor or turns the writing direction."""
    return text.translate(_written()) if _UNPRINTABLE.search(text) else text


@cache
def _written() -> dict[int, str]:
    return {ord(sign): _SHORT.get(sign) or f"\\u{ord(sign):04x}" for sign in _UNPRINTABLE.findall("".join(map(chr, range(0x10000))))}
