"""Where a value stands in a document: file, line, and path inside it.

Filled by the reader; asked by whatever finds something wrong.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, TypeAlias

from mockforge_asgi.errors import Problem

Path: TypeAlias = tuple[str | int, ...]
"""Keys and indexes from the root of a document to a value."""

_PLAIN_KEY = re.compile(r"[A-Za-z_][\w-]*\Z")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Places:
    """The lines of a document's values. `name` is the file as the operator wrote it, or a word for a document without one."""

    name: str
    lines: Mapping[Path, int] = field(default_factory=lambda: MappingProxyType({}), repr=False)

    def line(self, path: Path) -> int | None:
        """The line of the value at that path, or of the nearest one around it."""
        for end in range(len(path), -1, -1):
            if (line := self.lines.get(path[:end])) is not None:
                return line
        return None

    def where(self, path: Path = ()) -> str:
        """A place in words: `mockforge.yaml:12 routes[0].match.path`."""
        line = self.line(path)
        head = self.name if line is None else f"{self.name}:{line}"
        return f"{head} {show_path(path)}".rstrip()

    def problem(self, path: Path, what: str, remedy: str = "") -> Problem:
        """A problem at that path."""
        return Problem(self.where(path), what, remedy)


def show_path(path: Path) -> str:
    """`routes[0].match.path`; keys that are no plain names are quoted and cut."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif _PLAIN_KEY.match(part):
            text += f".{clip(part)}" if text else clip(part)
        else:
            text += f"[{quote(part)}]"
    return text


_USER: Final = re.compile(r"(?<=://)[^/@\s]*@")
"""The user and password of a URL, which no message shows."""


def clip(text: str, most: int = 60) -> str:
    """The text on one line and no longer than `most`, with control characters made visible."""
    short = text if len(text) <= most else text[: most - 1] + "…"
    return _CONTROL.sub(lambda m: m.group().encode("unicode_escape").decode(), short)


def text_of(value: object, most: int) -> str:
    """A text, cut; anything else is named, not written out: a stranger's list of a million numbers takes long to write."""
    return value[:most] if isinstance(value, str) else quote(value, most)


def quote(value: object, most: int = 60) -> str:
    """A value as it may be shown in a message: text in quotes, anything else in the file's own words."""
    if isinstance(value, str):
        return f"'{clip(_USER.sub('…@', value), most)}'"
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, int | float):
        return clip(str(value), most) if not isinstance(value, int) or value.bit_length() < 200 else "a very large number"
    return "a list" if isinstance(value, list | tuple) else "a mapping" if isinstance(value, dict) else type(value).__name__
