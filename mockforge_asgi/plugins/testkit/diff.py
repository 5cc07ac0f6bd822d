"""Holds an answer against the one that was expected, and shows how they differ."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from typing import Final

import orjson

from mockforge_asgi.contract import Json
from mockforge_asgi.contract.codec import body_bytes
from mockforge_asgi.exact_json import dumps, loads

MAX_SHOWN: Final = 200
"""The most lines of a difference that are shown."""


def agrees(expected: Json, got: Json) -> bool:
    """Whether the answer is the expected one: equal as JSON, in any order of an object's keys, read as `as_expected` does."""
    text = pretty(expected)
    return text is not None and text == pretty(as_expected(expected, got))


def as_expected(expected: Json, got: Json, *, partial: bool = False) -> Json:
    """The answer in the form in which it is expected, so that what is left of their difference is one.

    A body `{"json": …}` stands for every text that is that JSON, a mapping of headers for the list of their pairs. `partial`: keys that are
    not expected are left out, `{"any": true}` stands for everything, `{"regex": …}` for every text that matches it as a whole.
    """
    if partial and is_pattern(expected):
        return expected if "any" in expected or (isinstance(got, str) and re.fullmatch(expected["regex"], got)) else got
    if isinstance(expected, list) and isinstance(got, list) and partial:
        return [*(as_expected(e, g, partial=True) for e, g in zip(expected, got, strict=False)), *got[len(expected) :]]
    if not isinstance(expected, dict) or not isinstance(got, dict):
        return got
    if set(expected) == {"json"} and len(got) == 1 and (parsed := _parsed(got)) is not got:
        return {"json": as_expected(expected["json"], parsed["json"], partial=True)} if partial else parsed
    read = {key: as_expected(expected[key], _named(key, expected[key], got[key]), partial=partial) for key in got if key in expected}
    return read if partial else {**got, **read}


def is_pattern(expected: Json) -> bool:
    """Whether a part of a partial expectation stands for more than itself."""
    return isinstance(expected, dict) and (expected == {"any": True} or (set(expected) == {"regex"} and isinstance(expected["regex"], str)))


def pretty(value: Json) -> str | None:
    """The value as indented JSON with sorted keys, None when it cannot be written: nested more than 254 deep, or no JSON at all."""
    try:
        return dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS).decode()
    except orjson.JSONEncodeError:
        return None


def difference_lines(expected: Json, got: Json) -> Iterator[str]:
    """A unified diff from the expected answer to the one given."""
    before, after = pretty(expected), pretty(as_expected(expected, got))
    if before is None or after is None:
        yield f"({'what is expected' if before is None else 'what came'} cannot be shown: it is nested too deeply)"
        return
    lines = list(difflib.unified_diff(before.splitlines(), after.splitlines(), "expected", "got", lineterm="", n=3))
    yield from lines[:MAX_SHOWN]
    if len(lines) > MAX_SHOWN:
        yield f"({len(lines) - MAX_SHOWN} lines more)"


def _named(key: str, expected: Json, got: Json) -> Json:
    """Headers as the mapping that is expected, in its spelling; one that comes several times has the list of its values."""
    if key not in ("headers", "set_headers") or not isinstance(expected, dict) or not isinstance(got, list):
        return got
    spelt = {name.lower(): name for name in expected}
    values: dict[str, list[Json]] = {}
    for pair in got:
        if not (isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str)):
            return got
        values.setdefault(spelt.get(pair[0].lower(), pair[0]), []).append(pair[1])
    return {name: found[0] if len(found) == 1 else found for name, found in values.items()}


def _parsed(body: dict[str, Json]) -> Json:
    """A body of JSON text as `{"json": …}`; any other as it is."""
    try:
        return {"json": loads(body_bytes(body))}
    except ValueError:
        return body
