"""Path patterns: what `/hello/{name}`, `/orders/{id:int}` and `/files/**` match, and which of two is more specific.

A pattern is cut at each `/`. A segment is literal text, a typed parameter (`{id:uuid}`, `{id:int}`, `{x:float}`), a plain parameter
(`{name}`) or `*`, a mix of text and parameters (`{name}.json`, `v{major:int}`), or, once in a pattern, `**` (any number of segments,
none too) or `{rest:path}` (one segment or more). A parameter or `*` never matches an empty segment, so `/a` and `/a/` differ.

Specificity is decided segment by segment from the left: literal, mixed, uuid, int, float, plain, many. How a set of patterns is
searched is `index`'s affair.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import re2

Value: TypeAlias = str | int | float
"""What a parameter captures; JSON-ready."""

Key: TypeAlias = tuple[Any, ...]
"""Specificity of one segment: the smaller, the more specific; equal keys match the same text (literals by their text)."""

_LITERAL, _MIXED, _UUID, _INT, _FLOAT, _PLAIN, _MANY = range(7)
_PARAMETER: Final = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)(?::([a-z]+))?\}|(\*\*?)")
_INT_TEXT: Final = re.compile(r"-?[0-9]{1,18}", re.ASCII)
_FLOAT_TEXT: Final = re.compile(r"-?[0-9]{1,18}(?:\.[0-9]{1,18})?", re.ASCII)
_IN_TEXT: Final = {"str": "[^/]+?", "int": "-?[0-9]{1,18}", "float": r"-?[0-9]{1,18}(?:\.[0-9]{1,18})?", "uuid": "[0-9a-fA-F-]{36}"}
_ENCODED: Final = re.compile("%[0-9A-Fa-f]{2}")
MAX_PATTERN: Final = 2048
"""The longest pattern accepted, in characters."""


class PatternError(ValueError):
    """A path pattern cannot be used; the message says why."""


def _int(text: str) -> int | None:
    return int(text) if _INT_TEXT.fullmatch(text) else None


def _float(text: str) -> float | None:
    return float(text) if _FLOAT_TEXT.fullmatch(text) else None


def _uuid(text: str) -> str | None:
    if len(text) != 36:
        return None
    try:
        return text if str(uuid.UUID(text)) == text.lower() else None
    except ValueError:
        return None


def _plain(text: str) -> str | None:
    return text or None


CONVERTERS: Final[Mapping[str, Callable[[str], Value | None]]] = {"str": _plain, "int": _int, "float": _float, "uuid": _uuid}
"""The types of a parameter within a segment; each gives the value, or None where the text is not of that type."""

_RANKS: Final = {"str": _PLAIN, "int": _INT, "float": _FLOAT, "uuid": _UUID}


def _never(text: str) -> tuple[Value, ...] | None:
    return None


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment of a pattern. `names` has one entry for each value that `match` gives; None where it is not kept."""

    key: Key
    literal: str | None = None
    names: tuple[str | None, ...] = ()
    match: Callable[[str], tuple[Value, ...] | None] = _never
    """The captured values, or None where the text does not match. Not used for literals and for `**`."""
    prefix: str = ""
    """For a mix of text and parameters: the text it begins with."""
    least: int = 1
    """For `**` and `{x:path}`: how few segments it takes."""
    takes_any: bool = False
    """Whether it takes any text that is not empty, just as it is."""

    @property
    def is_mixed(self) -> bool:
        """Whether the segment is a mix of text and parameters."""
        return bool(self.key[0] == _MIXED)

    @property
    def is_many(self) -> bool:
        """Whether the segment stands for any number of them."""
        return bool(self.key[0] == _MANY)


@dataclass(frozen=True, slots=True)
class PathPattern:
    """A parsed pattern."""

    text: str
    segments: tuple[Segment, ...]
    is_literal: bool
    """Whether the pattern is one fixed path."""
    names: tuple[str | None, ...]
    """One entry for each value captured, in order; None where it is not kept."""

    @property
    def specificity(self) -> tuple[Key, ...]:
        """Orders the patterns that match one path: the smallest first."""
        return tuple(segment.key for segment in self.segments)

    @property
    def shape(self) -> tuple[object, ...]:
        """Equal for patterns that match the same paths by the same rules, whatever their parameters are called."""
        return tuple((segment.key, segment.literal) for segment in self.segments)

    def match(self, path: str) -> dict[str, Value] | None:
        """The parameters of a path that matches, else None."""
        found = None if path[:1] != "/" else _match(self.segments, path[1:].split("/"))
        return None if found is None else {name: value for name, value in zip(self.names, found, strict=True) if name is not None}


def _match(pattern: tuple[Segment, ...], segments: list[str]) -> list[Value] | None:
    captured: list[Value] = []
    for position, segment in enumerate(pattern):
        if segment.is_many:
            tail = len(pattern) - position - 1
            end = len(segments) - tail
            rest = None if end - position < segment.least else _match(pattern[position + 1 :], segments[end:])
            return None if rest is None else [*captured, "/".join(segments[position:end]), *rest]
        if position >= len(segments):
            return None
        if segment.literal is not None:
            if segment.literal != segments[position]:
                return None
            continue
        values = segment.match(segments[position])
        if values is None:
            return None
        captured.extend(values)
    return captured if len(segments) == len(pattern) else None


def parse(text: str) -> PathPattern:
    """The pattern written as `text`. Raises PatternError."""
    if not text.startswith("/"):
        raise PatternError(f"path {text!r} does not start with '/'")
    if len(text) > MAX_PATTERN:
        raise PatternError(f"path is longer than {MAX_PATTERN} characters")
    if "?" in text or "#" in text:
        raise PatternError(f"path {text!r} has a '?' or '#': match the query with `query:`")
    if _ENCODED.search(text):
        raise PatternError(f"path {text!r} is percent-encoded, and would never match: write the characters themselves")
    parts = text[1:].split("/")
    segments = [_segment(part, tail=len(parts) - position - 1) for position, part in enumerate(parts)]
    if sum(segment.is_many for segment in segments) > 1:
        raise PatternError(f"path {text!r} has more than one '**'")
    names = tuple(name for segment in segments for name in segment.names)
    kept = [name for name in names if name is not None]
    if len(set(kept)) < len(kept):
        raise PatternError(f"path {text!r} uses one parameter name twice")
    return PathPattern(text, tuple(segments), all(segment.literal is not None for segment in segments), names)


def _segment(text: str, *, tail: int) -> Segment:
    parameters = list(_PARAMETER.finditer(text))
    if not parameters:
        if "{" in text or "}" in text:
            raise PatternError(f"segment {text!r} has a brace without its partner; parameters look like '{{name}}' or '{{name:int}}'")
        return Segment((_LITERAL,), literal=text)
    name, kind, glob = parameters[0].groups()
    if len(parameters) == 1 and parameters[0].group() == text:
        if glob == "**" or kind == "path":
            least = 0 if glob else 1
            return Segment((_MANY, -tail, -least), names=(name,), least=least)
        return _parameter(name, "str" if glob else kind or "str")
    return _mixed(text, parameters)


def _parameter(name: str | None, kind: str) -> Segment:
    convert = CONVERTERS.get(kind)
    if convert is None:
        raise PatternError(f"parameter type {kind!r} is not one of str, int, float, uuid, path")

    def match(text: str) -> tuple[Value, ...] | None:
        value = convert(text)
        return None if value is None else (value,)

    return Segment((_RANKS[kind],), names=(name,), match=match, takes_any=kind == "str")


def _mixed(text: str, parameters: list[re.Match[str]]) -> Segment:
    expression, names, kinds, at, fixed = "", [], [], 0, 0
    for parameter in parameters:
        name, kind, glob = parameter.groups()
        if glob == "**" or kind == "path":
            raise PatternError(f"segment {text!r}: '**' and 'path' stand alone between two slashes")
        kind = kind or "str"
        if kind not in CONVERTERS:
            raise PatternError(f"parameter type {kind!r} is not one of str, int, float, uuid, path")
        before = text[at : parameter.start()]
        expression += re.escape(before) + ("([^/]*?)" if glob else f"({_IN_TEXT[kind]})")
        names.append(name)
        kinds.append("" if glob else kind)
        fixed, at = fixed + len(before), parameter.end()
    last = text[at:]
    if any(c in "{}" for c in _PARAMETER.sub("", text)):
        raise PatternError(f"segment {text!r} has a brace without its partner")
    # Linear in the segment's length whatever the pattern: the segment is the client's text.
    compiled = re2.compile(expression + re.escape(last))

    def match(segment: str) -> tuple[Value, ...] | None:
        try:
            found = compiled.fullmatch(segment)
        except UnicodeEncodeError:  # a lone surrogate: no text that anybody wrote in a pattern
            return None
        if found is None:
            return None
        values = [text if kind == "" else CONVERTERS[kind](text) for kind, text in zip(kinds, found.groups(), strict=True)]
        return None if None in values else tuple(value for value in values if value is not None)

    anonymous = _PARAMETER.sub(lambda m: "*" if m.group(3) else "{:%s}" % (m.group(2) or "str"), text)
    return Segment((_MIXED, -(fixed + len(last)), anonymous), names=tuple(names), match=match, prefix=text[: parameters[0].start()])
