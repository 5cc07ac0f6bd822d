"""Cells of one column → JSON, by the column's type: one decision for a whole column, none for a cell that is JSON already.

Decimals, dates, times, UUIDs are text, binary is base64, intervals are ISO 8601 durations; so are, as text, what JSON has no number for:
NaN, Infinity, and integers of more than 64 bits.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from math import isfinite
from typing import Any, Final
from uuid import UUID

from mockforge_plugin.tables import LIST
from mockforge_plugin.values import Json

_LOW, _HIGH = -(2**63), 2**63 - 1
_NONE: Final = frozenset({type(None)})
_INTEGERS: Final = frozenset({int, type(None)})
_FLOATS: Final = frozenset({float, int, type(None)})
_DECIMALS: Final = frozenset({Decimal, type(None)})
_AS_THEY_ARE: Final = frozenset({str, bool, type(None)})

_INFERRED: Final[dict[type, str]] = {
    bool: "boolean",
    int: "integer",
    float: "float",
    Decimal: "decimal",
    datetime: "datetime",
    date: "date",
    time: "time",
    timedelta: "interval",
    bytes: "binary",
    bytearray: "binary",
    UUID: "uuid",
    dict: "json",
    list: "json",
    tuple: "json",
}


def type_of(value: object) -> str:
    """The type of a column that holds such a value; text for what is not known."""
    return _INFERRED.get(type(value), "text")


def json_cells(kind: str, cells: Sequence[Any]) -> Sequence[Json]:
    """The cells of a column of that type as JSON."""
    found = set(map(type, cells))
    if found <= _AS_THEY_ARE:
        return cells
    if kind == "json":
        return list(map(_document, cells))
    if kind.endswith(LIST):
        return [cell if cell is None else _items(kind, cell) for cell in cells]
    if kind == "integer" and int in found and found <= _INTEGERS:
        numbers = cells if type(None) not in found else [cell for cell in cells if cell is not None]
        return cells if min(numbers) >= _LOW and max(numbers) <= _HIGH else list(map(_integer, cells))
    if kind == "float" and found <= _FLOATS:
        return cells if all(cell is None or isfinite(cell) for cell in cells) else list(map(_float, cells))
    if kind == "decimal" and not found <= _DECIMALS:
        return list(map(_decimal, cells))
    only, change = found - _NONE, None
    if len(only) == 1:
        change = _CHANGES.get(*only)
    if change is None:
        return list(map(json_cell, cells))
    return list(map(change, cells)) if len(found) == 1 else [cell if cell is None else change(cell) for cell in cells]


def _items(kind: str, cell: Any) -> Json:
    return list(json_cells(kind.removesuffix(LIST), list(cell))) if isinstance(cell, list | tuple) else json_cell(cell)


def _document(value: Any) -> Json:
    """A value within a document, where whole numbers of any length are numbers."""
    if type(value) is dict:
        return {key: _document(item) for key, item in value.items()}
    if type(value) is list:
        return list(map(_document, value))
    return value if type(value) is int or type(value) is str else json_cell(value)


def _integer(cell: Any) -> Json:
    return str(cell) if type(cell) is int and not _LOW <= cell <= _HIGH else cell


def _float(cell: Any) -> Json:
    """A number, or its text: NaN, Infinity, -Infinity."""
    if cell is None or isfinite(cell):
        return cell
    return "NaN" if cell != cell else "Infinity" if cell > 0 else "-Infinity"


def _decimal(cell: Any) -> Json:
    if cell is None or type(cell) is str:
        return cell
    made = _float(cell) if type(cell) is float else cell
    return made if type(made) is str else str(made)


def json_cell(cell: Any) -> Json:
    """A cell as JSON, by its own type."""
    if type(cell) in _AS_THEY_ARE:
        return cell
    change = _CHANGES.get(type(cell))
    if change is None:
        change = next((change for base, change in _CHANGES.items() if isinstance(cell, base)), None)
    return cell if change is None else change(cell)


def interval(value: timedelta) -> str:
    """An ISO 8601 duration: `P1DT2H3M4.5S`, `-PT1S`, `PT0S`."""
    microseconds = (value.days * 86_400 + value.seconds) * 1_000_000 + value.microseconds
    sign, microseconds = ("-", -microseconds) if microseconds < 0 else ("", microseconds)
    seconds, rest = divmod(microseconds, 1_000_000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    second = f"{seconds}{f'.{rest:06d}'.rstrip('0') if rest else ''}"
    clock = "".join(f"{n}{unit}" for n, unit in ((hours, "H"), (minutes, "M")) if n) + (f"{second}S" if second != "0" else "")
    day = f"{days}D" if days else ""
    return f"{sign}P{day}T{clock}" if clock else f"{sign}P{day}" if day else "PT0S"


def _base64(value: bytes) -> str:
    return b64encode(value).decode("ascii")


def _mapping(value: dict[Any, Any]) -> Json:
    return {key: item if type(item) in _AS_THEY_ARE else json_cell(item) for key, item in value.items()}


def _list(value: Any) -> Json:
    return [json_cell(item) for item in value]


_CHANGES: Final[dict[type, Callable[[Any], Json]]] = {
    bool: bool,
    int: _integer,
    float: _float,
    datetime: datetime.isoformat,
    date: date.isoformat,
    time: time.isoformat,
    timedelta: interval,
    bytes: _base64,
    bytearray: _base64,
    memoryview: _base64,
    UUID: str,
    Decimal: str,
    dict: _mapping,
    list: _list,
    tuple: _list,
    set: lambda value: _list(sorted(value)),
    frozenset: lambda value: _list(sorted(value)),
}
