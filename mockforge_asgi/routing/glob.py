"""PathGlob: paths that an operator writes with `*` and `**`, compiled once, matched in time linear in the path.

`*` is any text within one segment, `**` any number of whole segments, none included: `/hello/**` covers `/hello`, `/hello/` and all below.
`{name}` stands for `*` and `{name:path}` for `**`, so that a route's own template can be written as a protected path.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

_ANY = "**"
_PARAMETER = re.compile(r"\{[^{}]*\}")
_STARS = re.compile(r"\*+")
_ENCODED = re.compile("%[0-9A-Fa-f]{2}")


class PathGlob:
    """A compiled pattern. `matches(path)` answers; `prefix` is its literal beginning, which tells how specific it is."""

    __slots__ = ("matches", "pattern", "prefix")

    def __init__(self, pattern: str) -> None:
        if not pattern.startswith("/"):
            raise ValueError(f"path pattern {pattern!r} must begin with '/'")
        if _ENCODED.search(pattern):
            raise ValueError(f"path pattern {pattern!r} is percent-encoded, and would never match: write the characters themselves")
        segments = [_segment(s) for s in pattern.split("/")[1:]]
        literal = next((i for i, s in enumerate(segments) if "*" in s), len(segments))
        self.pattern = pattern
        self.prefix = "/" + "/".join([*segments[:literal], *(s.partition("*")[0] for s in segments[literal : literal + 1])])
        self.matches: Callable[[str], bool] = _matcher(segments, literal)

    def __repr__(self) -> str:
        return f"PathGlob({self.pattern!r})"


def _segment(written: str) -> str:
    if _PARAMETER.fullmatch(written):
        return _ANY if written.endswith(":path}") else "*"
    if written == _ANY:
        return written
    if _ANY in written or ":path}" in written:
        raise ValueError(f"'**' must be a whole segment, not part of {written!r}")
    text = _STARS.sub("*", _PARAMETER.sub("*", written))
    if "{" in text or "}" in text:
        raise ValueError(f"segment {written!r} has a brace without its partner")
    return text


def _matcher(segments: list[str], literal: int) -> Callable[[str], bool]:
    """The cheapest function that decides for these segments."""
    if literal == len(segments):
        return ("/" + "/".join(segments)).__eq__
    if segments == [_ANY]:
        return lambda path: True
    if literal == len(segments) - 1 and segments[-1] == _ANY:
        base = "/" + "/".join(segments[:-1])
        below = base + "/"
        return lambda path: path == base or path.startswith(below)
    if segments.count(_ANY) == 1:
        return _around(segments[: (at := segments.index(_ANY))], segments[at + 1 :])
    return lambda path: _match(segments, path[1:].split("/") if path[:1] == "/" else [path], _ANY, _match_segment)


def _around(head: list[str], tail: list[str]) -> Callable[[str], bool]:
    """For a pattern with one `**`: only what stands around it is cut out of the path."""
    first, last = len(head), len(tail)

    def matches(path: str) -> bool:
        return (
            path[:1] == "/"
            and _fit(tail, path.rsplit("/", last)[1:])
            and _fit(head, path.split("/", first + 1)[1 : first + 1])
            and path.count("/") >= first + last
        )

    return matches


def _fit(patterns: list[str], texts: list[str]) -> bool:
    return len(texts) == len(patterns) and all(map(_match_segment, patterns, texts))


def _match_segment(pattern: str, text: str) -> bool:
    return pattern == text if "*" not in pattern else _match(pattern, text, "*", str.__eq__)


def _match(pattern: Sequence[str], items: Sequence[str], star: str, same: Callable[[str, str], bool]) -> bool:
    """Greedy match that only ever returns to the latest star: at most len(pattern) x len(items) steps."""
    p = i = back_i = 0
    back_p = -1
    while i < len(items):
        if p < len(pattern) and pattern[p] == star:
            back_p, back_i = p, i
            p += 1
        elif p < len(pattern) and same(pattern[p], items[i]):
            p += 1
            i += 1
        elif back_p >= 0:
            p, back_i = back_p + 1, back_i + 1
            i = back_i
        else:
            return False
    while p < len(pattern) and pattern[p] == star:
        p += 1
    return p == len(pattern)
