"""Holds an answer against the one that was expected, and shows how they differ."""

from __future__ import annotations

import base64
import difflib
from collections.abc import Iterator
from typing import Final

import orjson

from mockforge_asgi.contract import Json

MAX_SHOWN: Final = 200
"""The most lines of a difference that are shown."""


def agrees(expected: Json, got: Json) -> bool:
    """Whether the answer is the expected one: equal as JSON, in any order of an object's keys.

    An expected body `{"json": …}` stands for every text that is that JSON.
    """
    text = pretty(expected)
    return text is not None and text == pretty(_as_expected(expected, got))


def pretty(value: Json) -> str | None:
    """The value as indented JSON with sorted keys, None when it cannot be written: nested more than 254 deep, or no JSON at all."""
    try:
        return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS).decode()
    except orjson.JSONEncodeError:
        return None


def difference_lines(expected: Json, got: Json) -> Iterator[str]:
    """A unified diff from the expected answer to the one given."""
    before, after = pretty(expected), pretty(_as_expected(expected, got))
    if before is None or after is None:
        yield f"({'what is expected' if before is None else 'what came'} cannot be shown: it is nested too deeply)"
        return
    lines = list(difflib.unified_diff(before.splitlines(), after.splitlines(), "expected", "got", lineterm="", n=3))
    yield from lines[:MAX_SHOWN]
    if len(lines) > MAX_SHOWN:
        yield f"({len(lines) - MAX_SHOWN} lines more)"


def _as_expected(expected: Json, got: Json) -> Json:
    """The answer with each body as JSON where JSON is expected of it."""
    if not isinstance(expected, dict) or not isinstance(got, dict):
        return got
    if set(expected) == {"json"} and len(got) == 1:
        return _parsed(got)
    return {key: _as_expected(expected[key], value) if key in expected else value for key, value in got.items()}


def _parsed(body: dict[str, Json]) -> Json:
    """A body of JSON text as `{"json": …}`; any other as it is."""
    try:
        if isinstance(text := body.get("text"), str):
            return {"json": orjson.loads(text)}
        if isinstance(encoded := body.get("base64"), str):
            return {"json": orjson.loads(base64.b64decode(encoded, validate=True))}
    except ValueError:
        pass
    return body
