"""Parameters as SQL literals: MySQL's text protocol has no parameters of its own, and a literal made here is none that could be misread.

Texts are hexadecimal (`_utf8mb4 X'…'`), so that no character of a value is ever a quote or a backslash, whatever the session's sql_mode.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Callable, Mapping
from datetime import datetime, tzinfo
from typing import Any, Final

from mockforge_plugin.engines.sql.failures import refused

_DECIMAL: Final = re.compile(r"-?[0-9]{1,65}(\.[0-9]{1,38})?", re.ASCII)
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_TIME: Final = re.compile(r"-?[0-9]{2,3}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?", re.ASCII)
_DATETIME: Final = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?)", re.ASCII)
_MAX_DIGITS: Final = 65


def literal(kind: str, value: Any, zone: tzinfo) -> str:
    """The literal of a parameter that the host made what its type says; a value that the engine added has a type, too. Raises SqlError."""
    if kind.endswith("[]"):
        if value is None:
            return "null"
        # An empty list: `in ()` is no SQL, and `not in (null)` is never true.
        return ", ".join(literal(kind[:-2], item, zone) for item in value) or "select null from dual where false"
    if value is None:
        return "null"
    make = _MAKERS.get(kind)
    if make is not None:
        return make(value)
    if kind == "datetime":
        return _datetime(value, zone)
    if kind == "interval":
        raise refused("MySQL has no type for intervals: pass a number, and write `interval :n day` in the query")
    return _text(value if isinstance(value, str) else str(value))


def _text(value: str) -> str:
    return f"_utf8mb4 X'{value.encode().hex()}'"


def _number(text: str) -> str:
    return f"({text})" if text.startswith("-") else text


def _integer(value: Any) -> str:
    return _number(f"{int(value):d}")


def _decimal(value: Any) -> str:
    if not _DECIMAL.fullmatch(value) or sum(map(str.isdigit, value)) > _MAX_DIGITS:
        raise refused(f"a parameter has more than the {_MAX_DIGITS} digits that MySQL's decimals have")
    return _number(value)


def _date(value: str) -> str:
    return f"date'{value}'" if _DATE.fullmatch(value) and not value.startswith("0000") else _text(value)


def _time(value: str) -> str:
    if not _TIME.fullmatch(value):
        raise refused("MySQL's times have no offset: a parameter has one")
    return f"time'{value}'"


def _datetime(value: str, zone: tzinfo) -> str:
    """In the zone of the session: MySQL would drop an offset without a word."""
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        at = None
    if at is not None and at.tzinfo is not None:
        value = at.astimezone(zone).replace(tzinfo=None).isoformat()
    found = _DATETIME.fullmatch(value)
    return f"timestamp'{found[1]} {found[2]}'" if found and not value.startswith("0000") else _text(value)


def _json(value: Any) -> str:
    return _text(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


_MAKERS: Final[Mapping[str, Callable[[Any], str]]] = {
    "integer": _integer,
    "float": lambda value: _number(repr(float(value))),
    "boolean": lambda value: "true" if value else "false",
    "decimal": _decimal,
    "date": _date,
    "time": _time,
    "binary": lambda value: f"X'{b64decode(value).hex()}'",
    "json": _json,
}
