"""Parameters in their places: a path's segments, a query's values, headers, JSON. No value leaves the place that it is put in.

`:name` stands for a parameter: anywhere in a path, elsewhere as a whole value. `::` is a colon: in a path anywhere, elsewhere at
the beginning.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias
from urllib.parse import quote

from mockforge_plugin import Json, PluginError
from mockforge_plugin.engines.http.json_text import Fraction

_NAME: Final = re.compile(r":([A-Za-z_][A-Za-z0-9_.-]*)")
_WORD: Final = re.compile(r"[A-Za-z0-9_]")
_SAFE: Final = "!$&'()*+,;=:@%"
"""What may stand in a segment as it is written (RFC 3986 §3.3), and what is percent-encoded already."""

Values: TypeAlias = Mapping[str, Json]
Pairs: TypeAlias = list[tuple[str, str]]


def wrong_query(what: str) -> PluginError:
    """The operator's query is not one."""
    return PluginError(f"the query cannot be used: {what}", code="invalid_config")


def refused(name: str, why: str) -> PluginError:
    """A parameter's value does not fit into its place; it is not told."""
    return PluginError(f"the parameter {name!r} {why}", code="invalid_input")


class Path:
    """A path with parameters. A value is one part of one segment: it is never empty, and neither `.` nor `..`."""

    def __init__(self, text: str, types: Mapping[str, str], *, has_slashes: bool = False) -> None:
        if not text.startswith("/") or "?" in text or "#" in text:
            raise wrong_query("its path begins with a slash; what follows a question mark is written under `query`")
        self._segments = [_parts(segment, types) for segment in text[1:].split("/")]
        self._has_slashes = has_slashes
        self.names = [part.name for segment in self._segments for part in segment if isinstance(part, _Parameter)]
        if unfit := next((name for name in self.names if types[name] == "json" or types[name].endswith("[]")), None):
            raise wrong_query(f"{unfit!r} is {types[unfit]}, of which no path is made")

    def fill(self, params: Values) -> str:
        """The path, percent-encoded. Raises PluginError (`invalid_input`)."""
        return "/" + "/".join(self._segment(parts, params) for parts in self._segments)

    def _segment(self, parts: list[str | _Parameter], params: Values) -> str:
        made = "".join(part if isinstance(part, str) else self._value(part.name, params) for part in parts)
        if made in (".", "..") or re.fullmatch(r"(?:\.|%2[eE]){1,2}", made):
            names = [part.name for part in parts if isinstance(part, _Parameter)]
            raise refused(names[0], "would lead to another place") if names else wrong_query("its path has `.` or `..` in it")
        return made

    def _value(self, name: str, params: Values) -> str:
        value = params.get(name)
        if value is None or value == "":
            raise refused(name, "is empty, where a part of a path is made of it")
        text = wire(value)
        pieces = re.split(r"[/\\]", text)
        if len(pieces) > 1 and (not self._has_slashes or {".", ".."} & set(pieces)):
            raise refused(name, "has a slash in it, where a part of a path is made of it")
        return _encoded(name, text)


@dataclass(frozen=True, slots=True)
class _Parameter:
    name: str


def _parts(segment: str, types: Collection[str]) -> list[str | _Parameter]:
    """The literal texts, encoded, and parameters of one segment."""
    parts: list[str | _Parameter] = []
    while segment:
        before, colon, rest = segment.partition(":")
        if before:
            parts.append(quote(before, safe=_SAFE))
        if not colon:
            break
        if rest.startswith(":"):
            parts.append(":")
            segment = rest[1:]
            continue
        name = max((name for name in types if rest.startswith(name) and not _WORD.match(rest, len(name))), key=len, default=None)
        if name is None:
            raise wrong_query(f"there is no parameter for {':' + rest[:40]!r}; a colon is written '::'")
        parts.append(_Parameter(name))
        segment = rest[len(name) :]
    return parts


def compiled(value: Json, types: Mapping[str, str]) -> Callable[[Values], Json]:
    """A value with parameters in it, at any depth → a function of their values. Raises PluginError for a parameter that there is not."""
    if isinstance(value, str):
        found = _NAME.fullmatch(value)
        if found is None:
            text = value[1:] if value.startswith("::") else value
            return lambda params: text
        name = found[1]
        if name not in types:
            raise wrong_query(f"there is no parameter {name!r}; a text that begins with a colon is written '::'")
        is_number = types[name].removesuffix("[]") == "decimal"
        return (lambda params: _fractions(params.get(name))) if is_number else (lambda params: params.get(name))
    if isinstance(value, dict):
        fields = [(str(key), compiled(item, types)) for key, item in value.items()]
        return lambda params: {key: make(params) for key, make in fields}
    if isinstance(value, list | tuple):
        items = [compiled(item, types) for item in value]
        return lambda params: [make(params) for make in items]
    return lambda params: value


def named_texts(value: Json, types: Mapping[str, str], what: str) -> Callable[[Values], Pairs]:
    """A mapping of names to values → pairs of text: a list is several of one name, null is none."""
    if not isinstance(value, dict):
        raise wrong_query(f"`{what}` is a mapping of names to values")
    made = [(str(name), compiled(item, types)) for name, item in value.items()]

    def pairs(params: Values) -> Pairs:
        found: Pairs = []
        for name, make in made:
            given = make(params)
            for item in given if isinstance(given, list) else [given]:
                if isinstance(item, dict | list):
                    raise wrong_query(f"`{what}.{name}` is a value of JSON, which has no place there")
                if item is not None:
                    found.append((name, wire(item)))
        return found

    return pairs


def query_text(pairs: Pairs) -> str:
    """The pairs as the query of a URL, without a question mark."""
    return "&".join(f"{quote(name, safe='[]')}={_encoded(name, value)}" for name, value in pairs)


def header_pairs(pairs: Pairs) -> Pairs:
    """The pairs, if they can be headers. Raises PluginError (`invalid_input`)."""
    for name, value in pairs:
        if not re.fullmatch(r"[\t\x20-\x7e]*", value):
            raise refused(name, "has a character in it that no header may have")
    return pairs


def wire(value: Json) -> str:
    """A single value as text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _encoded(name: str, text: str) -> str:
    try:
        return quote(text, safe="")
    except UnicodeEncodeError:
        raise refused(name, "is not text that UTF-8 can carry") from None


def _fractions(value: Json) -> Json:
    return [_fractions(item) for item in value] if isinstance(value, list) else value if value is None else Fraction(value)
