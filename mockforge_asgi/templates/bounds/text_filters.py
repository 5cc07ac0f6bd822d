"""Filters that make text of text: each bounded before it makes anything."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final
from urllib.parse import quote

from jinja2.exceptions import FilterArgumentError

from mockforge_asgi.templates.bounds.meter import COMPARED_PER_STEP, meter
from mockforge_asgi.templates.formats import to_text

_FIELD: Final = re.compile(r"%(?:%|[-+ #0]{0,5}(\d{0,4})(?:\.(\d{0,4}))?[diouxXeEfFgGcs])")
_WIDEST: Final = 1000
_MAX_URL: Final = 64 * 1024


def do_center(value: Any, width: int = 80) -> str:
    """`value` in the middle of `width` characters."""
    return to_text(value).center(width_of(width))


def do_indent(value: Any, width: int = 4, first: bool = False, blank: bool = False) -> str:
    """The lines of `value`, moved to the right."""
    text, space = to_text(value), " " * width_of(width)
    meter().check_text(len(text) + len(space) * (text.count("\n") + 1))
    lines = [space + line if (line or blank) and (first or n) else line for n, line in enumerate(text.split("\n"))]
    return "\n".join(lines)


def do_format(value: Any, *args: Any, **kwargs: Any) -> str:
    """printf-like formatting: `"%05.2f" | format(price)`; widths and precisions are bounded."""
    text = to_text(value)
    for width in (size for found in _FIELD.finditer(text) for size in found.groups() if size):
        width_of(int(width))
    if "%" in _FIELD.sub("", text) or kwargs:
        raise FilterArgumentError("format takes fields like %s, %d, %05.2f, and positional values")
    used, values = meter(), list[Any]()
    for arg in args:
        values.append(arg if isinstance(arg, int | float) else to_text(arg))
        used.check_text(len(values[-1]) if isinstance(values[-1], str) else 0)
    used.check_text(len(text) + sum(len(value) if isinstance(value, str) else _WIDEST for value in values))
    return text % tuple(values)


def do_replace(value: Any, old: Any, new: Any, count: int = -1) -> str:
    """`value` with `old` replaced."""
    text, old_text, new_text = to_text(value), to_text(old), to_text(new)
    times = text.count(old_text) if count < 0 else min(count, text.count(old_text))
    meter().check_text(len(text) + times * max(0, len(new_text) - len(old_text)))
    return str(text).replace(old_text, new_text, count)


def do_truncate(value: Any, length: int = 255, killwords: bool = False, end: str = "...") -> str:
    """`value` cut to `length` characters."""
    text = str(to_text(value))
    if len(text) <= length:
        return text
    cut = text[: max(0, length - len(end))]
    return (cut if killwords else cut.rsplit(" ", 1)[0]) + end


def do_urlencode(value: Any) -> str:
    """`value` percent-encoded; a mapping or list of pairs as a query string."""
    if isinstance(value, Mapping) or (not isinstance(value, str) and isinstance(value, Iterable)):
        pairs = value.items() if isinstance(value, Mapping) else value
        used = meter()
        parts = []
        for name, entry in used.timed(pairs):
            parts.append(f"{_url(name, '')}={_url(entry, '')}")
            used.check_text(len(parts[-1]) + 1)
        return "&".join(parts)
    return _url(value, "/")


def _url(value: Any, safe: str) -> str:
    text = to_text(value)
    if len(text) > _MAX_URL:
        raise FilterArgumentError(f"urlencode takes texts of up to {_MAX_URL:,} characters, as servers take URLs, not {len(text):,}")
    return quote(text, safe=safe)


def do_trim(value: Any, chars: str | None = None) -> str:
    """`value` without spaces, or without `chars`, at both ends."""
    text = str(to_text(value))
    meter().spend(len(text) * len(chars or "") // COMPARED_PER_STEP)
    return text.strip(chars)


def of_text(method: Callable[[str], str]) -> Callable[[Any], str]:
    """The filter that is this method of text."""
    return lambda value: method(str(to_text(value)))


def width_of(width: int) -> int:
    """The width, unless it is too large. Raises FilterArgumentError."""
    if not 0 <= width <= _WIDEST:
        raise FilterArgumentError(f"a width is 0 to {_WIDEST}, not {width}")
    return width
