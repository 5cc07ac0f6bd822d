"""Values of BSON: what a parameter becomes by its type, and what a document becomes as JSON, with the types of its fields."""

from __future__ import annotations

import math
from base64 import b64decode
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from bson import Binary, Code, DBRef, Decimal128, Int64, ObjectId, Regex, Timestamp
from bson.datetime_ms import DatetimeMS
from bson.errors import BSONError
from bson.max_key import MaxKey
from bson.min_key import MinKey

from mockforge_plugin import Column, Json, PluginError
from mockforge_plugin.tables import LIST

_EXACT: Final = Decimal("1E+6144")


def refused(name: str, why: str) -> PluginError:
    """A parameter's value that the data do not accept; it is not told."""
    return PluginError(f"the parameter {name!r} {why}", code="invalid_input")


def parameter(name: str, kind: str, value: Json) -> Any:
    """A parameter's value as BSON has it: one value, or a list of them, and never an operator. Raises PluginError (`invalid_input`)."""
    if value is None:
        return None
    if kind.endswith(LIST):
        return [parameter(name, kind.removesuffix(LIST), item) for item in value]
    try:
        return _MADE.get(kind, lambda given: given)(value) if kind != "json" else _json(name, value)
    except (ValueError, ArithmeticError, TypeError, BSONError):
        raise refused(name, f"is no {kind} that MongoDB has") from None


def _json(name: str, value: Json) -> Any:
    """JSON as a value: what could be an operator is refused."""
    if isinstance(value, dict):
        if any(key.startswith("$") or "\0" in key for key in value):
            raise refused(name, "has a name that begins with a dollar")
        return {key: _json(name, item) for key, item in value.items()}
    if isinstance(value, list):
        return [_json(name, item) for item in value]
    return _integer(value) if type(value) is int else value


def _integer(value: int) -> int:
    if not -(2**63) <= value < 2**63:
        raise ValueError
    return value


def _datetime(value: str) -> datetime:
    made = datetime.fromisoformat(value)
    return made if made.tzinfo else made.replace(tzinfo=UTC)


_MADE: Final[dict[str, Callable[[Any], Any]]] = {
    "integer": _integer,
    "float": float,
    "decimal": lambda value: Decimal128(str(value)),
    "date": lambda value: datetime.combine(date.fromisoformat(value), datetime.min.time(), UTC),
    "datetime": _datetime,
    "binary": lambda value: b64decode(value, validate=True),
    "uuid": UUID,
    "objectid": ObjectId,
}
"""By type; of those that are not here, a value is what it is in JSON."""


def plain(value: Any) -> Json:
    """A value of BSON as JSON."""
    change = _PLAIN.get(type(value))
    return value if change is None else change(value)


def _float(value: float) -> Json:
    return value if math.isfinite(value) else "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


def _moment(value: DatetimeMS) -> Json:
    """A date beyond those that Python has: its milliseconds since 1970."""
    return str(int(value))


_PLAIN: Final[dict[type, Callable[[Any], Json]]] = {
    dict: lambda value: {key: plain(item) for key, item in value.items()},
    list: lambda value: [plain(item) for item in value],
    float: _float,
    ObjectId: str,
    Decimal128: str,
    Int64: int,
    datetime: datetime.isoformat,
    DatetimeMS: _moment,
    UUID: str,
    Binary: bytes,
    Regex: lambda value: str(value.pattern),
    Timestamp: lambda value: value.as_datetime().isoformat(),
    Code: str,
    DBRef: lambda value: plain(dict(value.as_doc())),
    MinKey: lambda value: "MinKey",
    MaxKey: lambda value: "MaxKey",
}

_KINDS: Final[dict[type, str]] = {
    str: "text", int: "integer", Int64: "integer", float: "float", bool: "boolean", Decimal128: "decimal", datetime: "datetime",
    UUID: "uuid", bytes: "binary", ObjectId: "objectid", dict: "json", list: "json",
}  # fmt: skip


def kinds(documents: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The type of each field at the top that all documents agree on; integers and decimals are decimals; `json` where they differ."""
    found: dict[str, str] = {}
    for document in documents:
        for name, value in document.items():
            if value is not None:
                kind = _KINDS.get(type(value), "text")
                found[name] = kind if found.get(name, kind) == kind else _both(found[name], kind)
    return found


def _both(one: str, other: str) -> str:
    if {one, other} <= {"integer", "decimal"}:
        return "decimal"
    return "float" if {one, other} <= {"integer", "float"} else "json"


def rows_of(documents: list[dict[str, Any]]) -> tuple[tuple[Column, ...], list[dict[str, Json]]]:
    """(types of the fields, documents as JSON)."""
    found = kinds(documents)
    if "decimal" in found.values():
        rows = [{name: cell(found.get(name, "text"), value) for name, value in document.items()} for document in documents]
    else:
        rows = [{name: value if type(value) in _SAME else plain(value) for name, value in document.items()} for document in documents]
    return tuple(Column(name, kind) for name, kind in found.items()), rows


_SAME: Final = frozenset({str, int, bool, type(None)})
"""What JSON has as BSON has it."""


def cell(kind: str, value: Any) -> Json:
    """A value in a column of that type: where it is a decimal column, also an integer is a text of digits."""
    return str(value) if kind == "decimal" and isinstance(value, int) and not isinstance(value, bool) else plain(value)
