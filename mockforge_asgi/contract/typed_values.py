"""Values of typed parameters: each is made what its type says, or refused.

Values often come out of a request, where everything is text. A database must never see `0` or a list where a text was
meant, so nothing is passed on as it came.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Callable
from datetime import date, datetime, time
from typing import Final
from uuid import UUID

from mockforge_asgi.exact_json import Json, WrittenNumber
from mockforge_plugin.tables import LIST, VALUE_TYPES

MAX_TEXT: Final = 65_536
MAX_BASE64: Final = 1 << 20
MAX_ITEMS: Final = 1000
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,19}", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?([0-9]{1,40}(\.[0-9]{0,40})?|\.[0-9]{1,40})([eE][+-]?[0-9]{1,3})?", re.ASCII)
_DECIMAL: Final = re.compile(r"-?(0|[1-9][0-9]{0,130})(\.[0-9]{1,130})?", re.ASCII)
_INTERVAL: Final = re.compile(
    r"[+-]?P(?=[0-9T])(?:[0-9]{1,9}W|(?:[0-9]{1,9}Y)?(?:[0-9]{1,9}M)?(?:[0-9]{1,9}D)?"
    r"(?:T(?=[0-9])(?:[0-9]{1,9}H)?(?:[0-9]{1,9}M)?(?:[0-9]{1,12}(?:\.[0-9]{1,9})?S)?)?)",
    re.ASCII,
)
_TIME: Final = re.compile(r"[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:?[0-9]{2})?", re.ASCII)
_OBJECT_ID: Final = re.compile(r"[0-9a-fA-F]{24}", re.ASCII)
_WORDS: Final = {"true": True, "false": False}


def typed_value(kind: str, value: Json) -> Json:
    """The value as one of `VALUE_TYPES`; null stays null. Raises ValueError, with words for whoever sent it.

    Decimals, dates, times, intervals, UUIDs are given as text in one spelling; binary as base64.
    """
    if value is None:
        return None
    if kind.endswith(LIST) and kind in VALUE_TYPES:
        if not isinstance(value, list | tuple) or len(value) > MAX_ITEMS:
            raise ValueError(f"must be of type {kind}, a list of at most {MAX_ITEMS} values")
        return [typed_value(kind.removesuffix(LIST), item) for item in value]
    try:
        return _MAKERS[kind](value)
    except (ValueError, OverflowError, TypeError):
        raise ValueError(f"must be of type {kind}") from None


def _text(value: Json) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError
    made = value if isinstance(value, str) else repr(value)
    if len(made) > MAX_TEXT or "\0" in made:
        raise ValueError
    made.encode()
    return made


def _integer(value: Json) -> int:
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not -(2**63) <= value < 2**63:
        raise ValueError
    return int(value)


def _float(value: Json) -> float:
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError
    return float(value)


def _boolean(value: Json) -> bool:
    made = _WORDS.get(value) if isinstance(value, str) else value
    if not isinstance(made, bool):
        raise ValueError
    return made


def _decimal(value: Json) -> str:
    """Digits as they were given: a decimal has no exponent here, and its zeros count."""
    if isinstance(value, WrittenNumber):
        value = value.spelled.decode()
    if isinstance(value, float) and math.isfinite(value):
        value = repr(float(value))
    made = str(int(value)) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(made, str) or not _DECIMAL.fullmatch(made):
        raise ValueError
    return made


def _matching(pattern: re.Pattern[str], value: Json) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ValueError
    return value


def _short(value: Json) -> str:
    if not isinstance(value, str) or len(value) > 100:
        raise ValueError
    return value


def _time(value: Json) -> str:
    text = _matching(_TIME, value)
    time.fromisoformat(text)
    return text


def _binary(value: Json) -> str:
    if not isinstance(value, str) or len(value) > MAX_BASE64:
        raise ValueError
    return base64.b64encode(base64.b64decode(value, validate=True)).decode("ascii")


_MAKERS: Final[dict[str, Callable[[Json], Json]]] = {
    "text": _text,
    "integer": _integer,
    "float": _float,
    "boolean": _boolean,
    "decimal": _decimal,
    "date": lambda value: date.fromisoformat(_short(value)).isoformat(),
    "time": _time,
    "datetime": lambda value: datetime.fromisoformat(_short(value)).isoformat(),
    "interval": lambda value: _matching(_INTERVAL, value),
    "binary": _binary,
    "json": lambda value: value,
    "uuid": lambda value: str(UUID(_short(value))),
    "objectid": lambda value: _matching(_OBJECT_ID, value).lower(),
}
