"""Claims: which paths anybody here could have a say in; all others go straight to the wrapped app.

A coarse sieve by first segment, quick to ask and flat in the number of routes. False positives cost microseconds; there are no false
negatives.
"""

from __future__ import annotations

from collections.abc import Iterable


class Claims:
    """The first segments that are claimed, or everything."""

    __slots__ = ("everything", "segments")

    def __init__(self, patterns: Iterable[str] = (), *, everything: bool = False) -> None:
        firsts = {pattern[1:].partition("/")[0] for pattern in patterns}
        self.everything = everything or any("*" in first or "{" in first for first in firsts)
        self.segments = frozenset(firsts)

    def cover(self, path: str) -> bool:
        """Whether that plain path is claimed."""
        return self.everything or path[1:].partition("/")[0] in self.segments

    def __or__(self, other: Claims) -> Claims:
        both = Claims(everything=self.everything or other.everything)
        both.segments = self.segments | other.segments
        return both
