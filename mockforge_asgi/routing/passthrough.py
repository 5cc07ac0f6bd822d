"""ClaimedPaths: which paths anybody here could have a say in; all others go straight to the wrapped app.

A coarse sieve by first segment, quick to ask and flat in the number of routes. False positives cost microseconds; there are no false
negatives.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from mockforge_asgi.routing.ambiguity import is_plain

_MAX_KEPT: Final = 1024
_MAX_KEPT_LENGTH: Final = 200
"""How many paths are remembered, and how long these and their raw forms may be: some 300 KiB at most, whatever clients ask for."""


class ClaimedPaths:
    """The first segments that are claimed, or everything. `checked`: so are paths that are not plain, to be refused."""

    __slots__ = ("_passing", "checked", "everything", "segments")

    def __init__(self, patterns: Iterable[str] = (), *, everything: bool = False, checked: bool = False) -> None:
        firsts = {pattern[1:].partition("/")[0] for pattern in patterns}
        self.checked = checked
        self.everything = everything or any("*" in first or "{" in first for first in firsts)
        self.segments = frozenset(firsts)
        self._passing: set[tuple[str, bytes | None]] = set()

    def cover(self, path: str) -> bool:
        """Whether that plain path is claimed."""
        return self.everything or path[1:].partition("/")[0] in self.segments

    def passes_through(self, path: str, raw: bytes | None) -> bool:
        """Whether nobody claims that path. What was let by is remembered, which halves the time it takes."""
        key = path, raw
        if key in self._passing:
            return True
        if self.cover(path) or (self.checked and not is_plain(path, raw)):
            return False
        if len(path) <= _MAX_KEPT_LENGTH >= len(raw or b""):
            if len(self._passing) >= _MAX_KEPT:
                self._passing.clear()
            self._passing.add(key)
        return True

    def __or__(self, other: ClaimedPaths) -> ClaimedPaths:
        both = ClaimedPaths(everything=self.everything or other.everything, checked=self.checked or other.checked)
        both.segments = self.segments | other.segments
        return both
