"""Parameters of named queries: each value is made what the operator says it is, or refused.

Values often come out of a request, where everything is text. A database must never see `0` or a list where a text was
meant, so nothing is passed on as it came.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from uuid import UUID

from mockforge_asgi.errors import HostCallError
from mockforge_asgi.exact_json import Json

MAX_TEXT = 65_536
_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
_NUMBER = re.compile(r"[+-]?([0-9]{1,40}(\.[0-9]{0,40})?|\.[0-9]{1,40})([eE][+-]?[0-9]{1,3})?")
_WORDS = {"true": True, "false": False}


def typed_parameters(query: str, types: Mapping[str, str], given: Mapping[str, Json]) -> dict[str, Json]:
    """The given values under the types of the query's parameters. Null stays null. Raises HostCallError."""
    unknown = sorted(str(name) for name in given if name not in types)
    missing = sorted(name for name in types if name not in given)
    if unknown or missing:
        what = f"it has no parameter {unknown[0]!r}" if unknown else f"its parameter {missing[0]!r} is missing"
        raise HostCallError("invalid_input", f"query {query!r}: {what}; its parameters are {', '.join(sorted(types)) or 'none'}")
    return {name: _typed(query, name, kind, given[name]) for name, kind in types.items()}


def _typed(query: str, name: str, kind: str, value: Json) -> Json:
    if value is None:
        return None
    try:
        return _MAKERS[kind](value)
    except (ValueError, OverflowError):
        raise HostCallError("invalid_input", f"query {query!r}: its parameter {name!r} must be of type {kind}") from None


def _text(value: Json) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("no text")
    made = value if isinstance(value, str) else repr(value)
    if len(made) > MAX_TEXT or "\0" in made:
        raise ValueError("too long")
    made.encode()
    return made


def _integer(value: Json) -> int:
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        value = int(value)
    if type(value) is not int or not -(2**63) <= value < 2**63:
        raise ValueError("no integer")
    return value


def _float(value: Json) -> float:
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = float(value)
    if type(value) not in (int, float) or not math.isfinite(value):
        raise ValueError("no number")
    return float(value)


def _boolean(value: Json) -> bool:
    made = _WORDS.get(value) if isinstance(value, str) else value
    if not isinstance(made, bool):
        raise ValueError("no boolean")
    return made


def _plain(value: Json) -> str:
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise ValueError("no text")
    return value


_MAKERS: dict[str, Callable[[Json], Json]] = {
    "text": _text,
    "integer": _integer,
    "float": _float,
    "boolean": _boolean,
    "datetime": lambda value: datetime.fromisoformat(_plain(value)).isoformat(),
    "binary": lambda value: base64.b64encode(base64.b64decode(_plain(value), validate=True)).decode("ascii"),
    "json": lambda value: value,
    "uuid": lambda value: str(UUID(_plain(value))),
}
