"""JSON in which numbers keep their value. orjson reads whole numbers of more than 64 bits as floats, and does not write them.

Fractions are 64-bit floats, as for nearly all who read JSON; one that an operator wrote keeps its text (`WrittenNumber`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Final, TypeAlias

import orjson

Json: TypeAlias = Any
"""A JSON value."""

ZEROS: Final = bytes.maketrans(b"123456789", b"0" * 9)
LONG: Final = b"0" * 19
"""Digits, made zeros: fewer than these fit into 64 bits."""
_TOO_LONG: Final = (b"0" * 20, b"-" + LONG)
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


def loads(data: bytes) -> Json:
    """The value of UTF-8 JSON text. Raises orjson.JSONDecodeError."""
    value = orjson.loads(data)
    return value if data.translate(ZEROS).find(LONG) < 0 else exactly(data, value)


def exactly(data: bytes, value: Json) -> Json:
    """The value of JSON text with long numbers, which orjson read as `value`."""
    if not may_exceed(data):
        return value
    try:
        return json.loads(data)
    except RecursionError:
        return value  # far deeper than anything that is accepted


def may_exceed(data: bytes) -> bool:
    """Whether a number in the JSON text may have more than 64 bits: reading and writing it takes ten times as long then."""
    zeros = data.translate(ZEROS)
    return any(long in zeros for long in _TOO_LONG)


def dumps(value: Json, *, default: Callable[[Any], Json] | None = None, option: int = 0) -> bytes:
    """The value as UTF-8 JSON text; `default` and `option` are orjson's. Raises TypeError for what is not JSON."""
    try:
        return orjson.dumps(value, default or _written, option)
    except TypeError as error:
        if "64-bit" not in str(error):
            raise
        return orjson.dumps(_spelled(value), default or _written, option)


def same(left: Json, right: Json) -> bool:
    """Whether two values are equal as JSON: numbers by value (1 and 1.0), in any order of an object's keys."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(value, right[key]) for key, value in left.items())
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right) and isinstance(left, bool) == isinstance(right, bool)


class WrittenNumber:
    """A number whose text is not what JSON would write of its value: `0.00`, `1e3`, `0x1F`. `plain` is the value, `spelled` its JSON."""

    plain: int | float
    spelled: bytes


class _Int(int, WrittenNumber):
    pass


class _Float(float, WrittenNumber):
    pass


def written(text: str, value: int | float) -> int | float:
    """The number with its text; a plain one where JSON writes just that."""
    spelled = dumps(value)
    if spelled.decode() == text:
        return value
    made = _Int(value) if isinstance(value, int) else _Float(value)
    made.plain, made.spelled = value, text.encode() if _NUMBER.fullmatch(text) else spelled
    return made


def _written(value: object) -> orjson.Fragment:
    if isinstance(value, WrittenNumber):
        return orjson.Fragment(value.spelled)
    raise TypeError(f"Type is not JSON serializable: {type(value).__name__}")


def _spelled(value: Json) -> Json:
    """The value with every whole number of more than 64 bits as its text."""
    if isinstance(value, dict):
        return {key: _spelled(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_spelled(item) for item in value]
    return orjson.Fragment(str(value).encode()) if isinstance(value, int) and not -(2**63) <= value < 2**64 else value
