"""JSON of other servers, whose numbers keep their digits; and JSON for them, in which decimals are numbers."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from mockforge_plugin import HttpAnswer, Json, PluginError
from mockforge_plugin.charset import decoded_json

NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?", re.ASCII)


class Fraction(str):
    """A number with a fraction or an exponent, as the text that stood in the JSON."""

    __slots__ = ()


def read_json(answer: HttpAnswer) -> Json:
    """The body as JSON, in which numbers with a fraction are `Fraction`. Raises PluginError (`bad_data`)."""
    try:
        text = decoded_json(answer.body, answer.headers.get("content-type") or "")
        return json.loads(text, parse_float=Fraction, parse_constant=_constant)
    except (ValueError, RecursionError) as error:
        why = "it is nested too deeply" if isinstance(error, RecursionError) else _why(error)
        raise PluginError(f"the answer is not JSON: {why}", code="bad_data") from None


def plain(value: Json) -> Json:
    """The value with floats for its fractions; those that a float does not hold are text, as the contract has it for large integers."""
    if isinstance(value, Fraction):
        return _number(value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def write_json(value: Json) -> str:
    """JSON text; a `Fraction` is a number of its digits."""
    if isinstance(value, Fraction):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{write_json(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(write_json, value)) + "]"
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _number(text: Fraction) -> Json:
    value = float(text)
    digits, _, exponent = text.lower().partition("e")
    is_short = len(digits.strip("-0").replace(".", "").strip("0")) <= 15 and (not exponent or abs(int(exponent[:9])) < 290)
    return value if is_short else str(text)


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is not a value of JSON")


def _why(error: ValueError) -> str:
    """Its place, without its text."""
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at line {error.lineno}, column {error.colno}"
    if "digits" in str(error):
        return "a number has too many digits"
    return str(error)[:100] if "charset" in str(error) or "JSON" in str(error) else "its text is not one"
