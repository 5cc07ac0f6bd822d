"""JSON of strangers, read strictly: duplicate names, deep nesting and values that not every reader takes alike are refused.

The same file stands in every built-in plugin that reads tokens; a test keeps them alike.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final

from mockforge_plugin import Json

MAX_DEPTH: Final = 16
_MAX_DIGITS: Final = 40
_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*"?', re.S)
"""One without an end goes on to the end: else each quotation mark in it would be tried as another beginning."""
_BRACKETS: Final = re.compile(r"[\[\]{}]")


class NotStrict(ValueError):
    """What is wrong with the text, in words that quote nothing of it."""


def read_object(data: bytes) -> dict[str, Json]:
    """The object that the text is. Raises NotStrict."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise NotStrict("not UTF-8") from None
    if _depth(text) > MAX_DEPTH:
        raise NotStrict("nested too deeply")
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant, parse_int=_integer, parse_float=_fraction)
        if "\\" in text:  # an escape may stand for half a character, which UTF-8 cannot carry
            json.dumps(value, ensure_ascii=False).encode()
    except NotStrict:
        raise
    except UnicodeEncodeError:
        raise NotStrict("half a character in it") from None
    except (ValueError, RecursionError):
        raise NotStrict("not JSON") from None
    if not isinstance(value, dict):
        raise NotStrict("not a JSON object")
    return value


def _depth(text: str) -> int:
    deepest = depth = 0
    for bracket in _BRACKETS.findall(_STRING.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        if depth > deepest:
            deepest = depth
            if deepest > MAX_DEPTH:  # no need to know how much
                break
    return deepest


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise NotStrict("the same name twice in it")
    return made


def _no_constant(_: str) -> Json:
    raise NotStrict("not JSON")


def _integer(text: str) -> int:
    if len(text) > _MAX_DIGITS:
        raise NotStrict("a number too long in it")
    return int(text)


def _fraction(text: str) -> float:
    number = float(text)
    if len(text) > _MAX_DIGITS or not math.isfinite(number):
        raise NotStrict("a number too long in it")
    return number
