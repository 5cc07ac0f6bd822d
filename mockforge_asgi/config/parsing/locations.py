"""Where a value stands in a document: file, line, and path inside it.

Filled by the reader; asked by whatever finds something wrong.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

from mockforge_asgi.errors import Problem
from mockforge_asgi.text import show_path

Path: TypeAlias = tuple[str | int, ...]
"""Keys and indexes from the root of a document to a value."""


@dataclass(frozen=True, slots=True)
class Locations:
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

    def where_named(self, base: Path, name: str) -> str:
        """The same for a part of the value at `base`, named as a plugin does: `keys[0].alg`, `servers.0`, or in any way of its own."""
        path, key = base, ""
        for word in filter(None, re.split(r"[.\[\]]+", name)):
            key = f"{key}.{word}" if key else word
            for step in (key, int(key) if key.isdecimal() else key):
                if (*path, step) in self.lines:
                    path, key = (*path, step), ""
                    break
        line = self.line(path)
        return f"{self.name if line is None else f'{self.name}:{line}'} {show_path(base)}.{name}".rstrip(".")

    def problem(self, path: Path, what: str, remedy: str = "") -> Problem:
        """A problem at that path."""
        return Problem(self.where(path), what, remedy)
