"""Log lines from events: text for people, JSON for machines, on one stream.

A subscriber of the event stream, which has secrets taken out before anybody hears (`EventStream.emit`). Here control characters are made
visible, and every line is bounded.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any, Final, Literal, Protocol

import orjson

from mockforge_asgi.events import (
    LEVEL_NUMBERS,
    AnswerRefused,
    AuthDecided,
    CacheTrouble,
    CallerDelayed,
    CallFinished,
    Compiling,
    Event,
    EventStream,
    GuestLogged,
    HostCallDenied,
    Level,
    NameAttacked,
    PluginLoaded,
    PluginRefused,
    PluginStopped,
    PluginWarning,
    Quarantined,
    Recovered,
    RenderFailed,
    RequestAnswered,
    RequestTraced,
    SourceQueried,
)
from mockforge_asgi.text import escape

LEVELS: Final[tuple[Level, ...]] = ("debug", "info", "warning", "error")
_OF_GUESTS: Final[dict[str, Level]] = {"trace": "debug", **{level: level for level in LEVELS}}
LOGGER: Final = logging.getLogger("mockforge")
MAX_FIELD: Final = 4096
MAX_LINE: Final = 16 * 1024
_COLOURS: Final = {"debug": "2", "info": "36", "warning": "33", "error": "31"}
_WORD: Final = re.compile(r"(?<!^)(?=[A-Z])")


class Stream(Protocol):
    """Where lines go."""

    def write(self, text: str, /) -> object:
        """Take a line."""
        ...

    def flush(self) -> object:
        """Pass it on."""
        ...


class LogWriter:
    """Writes each event of at least that level as a line. Subscribe it to an event stream."""

    __slots__ = ("_colour", "_format", "_least", "_redact", "_stream")

    def __init__(
        self,
        stream: Stream,
        *,
        format: Literal["text", "json"] = "text",
        level: Level = "info",
        redact: Callable[[str], str] = str,
        colour: bool = False,
    ) -> None:
        self._stream, self._format, self._redact, self._colour = stream, format, redact, colour
        self._least = LEVEL_NUMBERS[level]

    def hears(self, number: int) -> bool:
        """Whether lines of the level with that number are written."""
        return number >= self._least

    def __call__(self, event: Event) -> None:
        """Write the event's line, if it is wanted. Secrets are taken out of events before anybody hears them."""
        level, text = line_of(event)
        if LEVEL_NUMBERS[level] >= self._least:
            self._write(level, text, event)

    def write(self, level: Level, text: str) -> None:
        """Write a line of our own, such as what the server says."""
        self._write(level, self._redact(text), None)

    def _write(self, level: Level, text: str, event: Event | None) -> None:
        line = self._json(level, text, event) if self._format == "json" else self._text(level, text, event)
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except OSError:  # nobody reads it (`2>&1 | head`), or the disk is full: no reason to fail what it tells of
            pass

    def _text(self, level: Level, text: str, event: Event | None) -> str:
        at = _time(event).astimezone().strftime("%H:%M:%S")
        head = f"\x1b[{_COLOURS[level]}m{level:<7}\x1b[0m" if self._colour else f"{level:<7}"
        rows = _safe(text, MAX_LINE).split("\n")
        return f"{at} {head} " + "\n                 ".join(rows)

    def _json(self, level: Level, text: str, event: Event | None) -> str:
        entry: dict[str, Any] = {"at": _time(event).isoformat(timespec="milliseconds").replace("+00:00", "Z"), "level": level}
        entry["event"] = _WORD.sub("_", type(event).__name__).lower() if event else "server"
        entry["message"] = _safe(text, MAX_FIELD)
        for f in fields(event) if event else ():
            if f.name != "at":
                entry.setdefault(f.name, _value(getattr(event, f.name)))
        return orjson.dumps(entry).decode()


class ServerLog(logging.Handler):
    """Passes records of a library's logger on as lines of our own."""

    def __init__(self, writer: LogWriter) -> None:
        super().__init__()
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record; its traceback too, if it has one."""
        level: Level = next((level for level in reversed(LEVELS) if record.levelno >= LEVEL_NUMBERS[level]), "debug")
        self._writer.write(level, self.format(record))


def logged_events() -> EventStream:
    """A stream whose events go to `logging.getLogger("mockforge")`; each record has its event as `event`."""
    stream = EventStream()
    stream.subscribe(_log, hears=LOGGER.isEnabledFor)
    return stream


def _log(event: Event) -> None:
    level, text = line_of(event)
    if LOGGER.isEnabledFor(LEVEL_NUMBERS[level]):
        rows = _safe(text, MAX_LINE).split("\n")
        LOGGER.log(LEVEL_NUMBERS[level], "%s", "\n    ".join(rows), extra={"event": event})


def _value(value: object) -> object:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, tuple):
        return [_safe(str(v), 200) for v in value[:50]]
    return _safe(str(value), MAX_FIELD)


def _safe(text: str, most: int) -> str:
    return escape(text if len(text) <= most else text[: most - 1] + "…")


def _time(event: Event | None) -> datetime:
    return datetime.now(UTC) if event is None else datetime.fromtimestamp(event.at, UTC)


def line_of(event: Event) -> tuple[Level, str]:
    """An event's level and words. Text of guests and clients is kept on one line."""
    make = _LINES.get(type(event))
    return make(event) if make else ("debug", type(event).__name__)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def _flat(text: str) -> str:
    return text.replace("\r", "\\r").replace("\n", "\\n")


def _loaded(e: PluginLoaded) -> tuple[Level, str]:
    verb = "reloaded" if e.replaced else "loaded"
    return "info", f"{e.plugin} {e.version} {verb} in {_ms(e.load_s)} ({e.runtime}, {', '.join(e.kinds)}; {e.digest[:19]}…)"


def _refused(e: PluginRefused) -> tuple[Level, str]:
    return "error", e.reason + (f"\n{e.plugin}: the last good version goes on answering." if e.kept_last_good else "")


def _called(e: CallFinished) -> tuple[Level, str]:
    level: Level = "debug" if e.outcome in ("ok", "cancelled") else "warning" if e.outcome in ("unavailable", "limit") else "error"
    cpu = f", {_ms(e.cpu_s)} computing" if e.cpu_s else ""
    # In parentheses: what follows the name of a plugin called `bearer` or `apikey` must not look like a credential.
    return level, f"{e.plugin} ({e.op}): {e.outcome} in {_ms(e.wall_s)}{cpu}" + (f"\n{e.error}" if e.error else "")


def _answered(e: RequestAnswered) -> tuple[Level, str]:
    who = f" for {_flat(e.principal)}" if e.principal else ""
    by = _flat(f"{e.answered_by}: {e.reason}" if e.reason else e.answered_by)
    return "info", f"{_flat(e.method)} {_flat(e.path)} → {e.status} by {by} in {_ms(e.wall_s)}{who}"


def _traced(e: RequestTraced) -> tuple[Level, str]:
    steps = "; ".join(f"{step.asked}: {step.outcome} in {_ms(step.wall_s)}" for step in e.steps) or "nobody was asked"
    return "debug", f"{_flat(e.method)} {_flat(e.path)}: {_flat(steps)}"


def _auth_decided(e: AuthDecided) -> tuple[Level, str]:
    by = f" by {_flat(e.by)}" if e.by else ""
    who = f" for {_flat(e.principal)}" if e.principal else ""
    return "debug", f"{_flat(e.method)} {_flat(e.path)}: {e.outcome}{by}{who}" + (f": {_flat(e.reason)}" if e.reason else "")


def _queried(e: SourceQueried) -> tuple[Level, str]:
    name = f"{e.source}.{e.query}" if e.query else f"{e.source} (a text of a plugin)"
    if e.outcome not in ("ok", "cancelled"):
        return "warning", f"{name}: {e.outcome} after {_ms(e.wall_s)}: {_flat(e.reason)}"
    rows = f"{e.rows} row{'' if e.rows == 1 else 's'}" + (" from cache" if e.is_cached else f", {e.size_bytes} bytes")
    waited = f", {_ms(e.waited_s)} of them for a connection" if e.waited_s else ""
    return "debug", f"{name}: {e.outcome if e.outcome != 'ok' else rows} in {_ms(e.wall_s)}{waited}"


def _guest(e: GuestLogged) -> tuple[Level, str]:
    return _OF_GUESTS.get(e.level, "info"), f"{e.plugin} says: {_flat(e.message)}"


def _compiling(e: Compiling) -> tuple[Level, str]:
    if e.done:
        return "info", f"compiled {e.what} in {_ms(e.wall_s)}"
    if e.begins:
        return "info", f"compiling {e.what} ({e.size_bytes / 1_000_000:.1f} MB) …"
    return "info", f"still compiling {e.what} after {_ms(e.wall_s)}"


_LINES: Final[dict[type[Event], Callable[[Any], tuple[Level, str]]]] = {
    PluginLoaded: _loaded,
    PluginRefused: _refused,
    PluginStopped: lambda e: ("debug", f"{e.plugin} stopped ({e.digest[:19]}…)"),
    PluginWarning: lambda e: ("warning", f"{e.plugin}: {e.detail}"),
    CallFinished: _called,
    AnswerRefused: lambda e: ("error", _flat(e.error)),
    HostCallDenied: lambda e: ("warning", f"{e.plugin} was denied {_flat(e.host_call)}: {_flat(e.detail)}"),
    GuestLogged: _guest,
    Quarantined: lambda e: ("error", f"{e.plugin} takes no calls for {e.for_s:g} s: {e.reason}"),
    Recovered: lambda e: ("info", f"{e.plugin} takes calls again, {e.after_s:g} s after it was quarantined"),
    CallerDelayed: lambda e: ("warning", f"{_flat(e.address)} waits {e.wait_s:g} s after {e.failures} wrong credentials"),
    NameAttacked: lambda e: ("warning", f"somebody guesses the password of {_flat(e.name)}: {e.failures} were wrong lately"),
    RequestAnswered: _answered,
    RequestTraced: _traced,
    AuthDecided: _auth_decided,
    Compiling: _compiling,
    CacheTrouble: lambda e: ("warning", e.what),
    RenderFailed: lambda e: ("error", e.reason),
    SourceQueried: _queried,
}
