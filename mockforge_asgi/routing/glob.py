"""PathGlob: paths that an operator writes with `*` and `**`, compiled once, matched in time linear in the path.

`*` is any text within one segment, `**` any number of whole segments, none included: `/hello/**` covers `/hello`, `/hello/` and all below.
`{name}` stands for `*` and `{name:path}` for `**`, so that a route's own template can be written as a protected path.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import re2

_ANY = "**"
_PARAMETER = re.compile(r"\{[^{}]*\}")
_STARS = re.compile(r"\*+")
_ENCODED = re.compile("%[0-9A-Fa-f]{2}")
_BYTES: Final = re2.Options()
"""A path's bytes are matched, whose slashes are no part of other signs, and which may be of no encoding; little memory, for many rules."""
_BYTES.encoding = re2.Options.Encoding.LATIN1
_BYTES.log_errors, _BYTES.max_mem = False, 1 << 20


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
    base = "".join(f"/{s}" for s in segments[:literal])
    if literal == len(segments):
        return base.__eq__
    if segments == [_ANY]:
        return lambda path: True
    if literal == len(segments) - 1 and segments[-1] == _ANY:
        below = base + "/"
        return lambda path: path == base or path.startswith(below)
    last = next(i for i, s in enumerate(reversed(segments)) if "*" in s)
    end = "".join(f"/{s}" for s in segments[len(segments) - last :])
    fullmatch = _expression("/" + "/".join(segments), segments).fullmatch
    return lambda path: path.startswith(base) and path.endswith(end) and fullmatch(path.encode("utf-8", "surrogatepass")) is not None


def _expression(pattern: str, segments: list[str]) -> Any:
    """Read by RE2, which goes through a path once whatever the pattern: the path is the client's text."""
    parts = ("(?:/[^/]*)*" if s == _ANY else "/" + "[^/]*".join(map(re2.escape, s.split("*"))) for s in segments)
    try:
        return re2.compile("".join(parts).encode(), _BYTES)
    except re2.error:
        raise ValueError(f"path pattern {pattern[:200]!r} is too long") from None
