"""Functions that every template has: time, identifiers, random values.

Random values come from the rendering's own generator when the operator asked for a seed (then the same request gives the same response, on
every replica), and from the process's otherwise. Each call gives a new value.
"""

from __future__ import annotations

import os
import random
import re
import time
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from mockforge_asgi.templates.bounds.meter import METER

_UNSEEDED: Final = random.Random()
if hasattr(os, "register_at_fork"):  # else all workers of a preloading server would draw the same
    os.register_at_fork(after_in_child=_UNSEEDED.seed)
_OFFSET: Final = re.compile(r"\s*([+-]?)\s*(\d{1,9})\s*(ms|s|m|h|d|w)", re.ASCII)
_UNITS: Final = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_FORMAT: Final = re.compile(r"(?:[^%]|%[aAbBdHIjmMpSfuUVwWyYGzZc xX%])*")


def generator() -> random.Random:
    """What random values are drawn from."""
    used = METER.get()
    return _UNSEEDED if used is None or used.random is None else used.random


def offset(text: str) -> timedelta:
    """`"+1d"`, `"-2h30m"`: weeks, days, hours, minutes, seconds, milliseconds; a sign counts until the next. Raises ValueError."""
    total, sign, at = timedelta(), 1, 0
    if len(text) > 200:
        raise ValueError("a time offset is longer than 200 characters")
    while at < len(text):
        found = _OFFSET.match(text, at)
        if found is None:
            raise ValueError(f"{text!r} is not a time offset like '+1d' or '-2h30m'")
        if found.group(1):
            sign = -1 if found.group(1) == "-" else 1
        total += sign * timedelta(**{_UNITS[found.group(3)]: int(found.group(2))})
        at = found.end()
    return total


def show_time(moment: datetime, format: str = "iso") -> str | int | float:
    """A moment as text (RFC 3339, or by `strftime` directives) or as a number (`unix`, `unix_ms`). Raises ValueError."""
    if format == "iso":
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if format == "unix":
        return int(moment.timestamp())
    if format == "unix_ms":
        return int(moment.timestamp() * 1000)
    if format == "http":
        return moment.strftime("%a, %d %b %Y %H:%M:%S GMT")
    if len(format) > 200 or not _FORMAT.fullmatch(format):
        raise ValueError(f"{format[:200]!r} is not iso, unix, unix_ms, http or a text of strftime directives")
    return moment.strftime(format)


def make_functions(clock: Callable[[], float] = time.time) -> dict[str, Callable[..., Any]]:
    """The functions by name; `clock` gives Unix time in seconds."""

    def now(shift: str = "", *, format: str = "iso") -> str | int | float:
        return show_time(datetime.fromtimestamp(clock(), UTC) + offset(shift), format)

    return {"now": now, "uuid": make_uuid, "rand_int": rand_int, "rand_float": rand_float, "rand_hex": rand_hex, "choice": choice}


def make_uuid() -> str:
    """A version 4 UUID."""
    source = generator()
    return str(uuid.uuid4() if source is _UNSEEDED else uuid.UUID(int=source.getrandbits(128), version=4))


def rand_int(low: int = 0, high: int = 1_000_000) -> int:
    """An integer from `low` to `high`, both included."""
    return generator().randint(low, high)


def rand_float(low: float = 0.0, high: float = 1.0, *, digits: int | None = None) -> float:
    """A number from `low` to `high`, with that many decimals."""
    value = generator().uniform(low, high)
    return value if digits is None else round(value, digits)


def rand_hex(digits: int = 16) -> str:
    """Hexadecimal digits."""
    if not 0 < digits <= 1024:
        raise ValueError("rand_hex makes 1 to 1024 digits")
    return f"{generator().getrandbits(4 * digits):0{digits}x}"


def choice(*values: Any) -> Any:
    """One of the values, or of the only list given."""
    options: Sequence[Any] = values[0] if len(values) == 1 and isinstance(values[0], list | tuple | str) else values
    if not options:
        raise ValueError("choice has nothing to choose from")
    return options[generator().randrange(len(options))]
