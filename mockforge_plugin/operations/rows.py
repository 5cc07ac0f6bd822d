"""What a data source returned → data documents: columns, rows of JSON cells, schemas."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from mockforge_plugin.failure import WrongAnswer
from mockforge_plugin.operations.fields import as_text, as_texts
from mockforge_plugin.values import Column, DataResult, Json, Table

COLUMN_TYPES = frozenset({"text", "integer", "float", "boolean", "datetime", "binary", "json", "uuid"})


def data_document(value: object, method: str = "query") -> dict[str, Json]:
    """Columns and rows. A list of dicts will do: the keys of all of them name the columns."""
    if isinstance(value, list):
        value = _from_dicts(value, method)
    if not isinstance(value, DataResult):
        raise WrongAnswer(f"{method} must return a DataResult or a list of dicts, not {type(value).__name__}")
    width = len(value.columns)
    rows = [[_cell(cell) for cell in row] for row in value.rows]
    for number, row in enumerate(rows):
        if len(row) != width:
            raise WrongAnswer(f"{method}: row {number} has {len(row)} cells for {width} columns")
    document: dict[str, Json] = {"columns": [_column(c, method) for c in value.columns], "rows": rows, "truncated": bool(value.truncated)}
    if value.next is not None:
        document["next"] = as_text(value.next, f"{method}: DataResult.next")
    if value.total is not None:
        document["total"] = int(value.total)
    return document


def _from_dicts(rows: list[Any], method: str) -> DataResult:
    wrong = next((row for row in rows if not isinstance(row, dict)), None)
    if wrong is not None:
        raise WrongAnswer(f"{method} gave a list with a {type(wrong).__name__} in it; rows must be dicts, or return a DataResult")
    names = list(dict.fromkeys(name for row in rows for name in row))
    return DataResult(
        tuple(Column(str(name), _type_of(next((row[name] for row in rows if row.get(name) is not None), None))) for name in names),
        tuple(tuple(row.get(name) for name in names) for row in rows),
    )


def _type_of(value: object) -> str:
    return _cell_types.get(type(value), "text")


_cell_types: dict[type, str] = {
    bool: "boolean",
    int: "integer",
    float: "float",
    datetime: "datetime",
    date: "datetime",
    bytes: "binary",
    UUID: "uuid",
    dict: "json",
    list: "json",
}

_plain = frozenset({str, int, float, bool, type(None)})

_cells: dict[type, Callable[[Any], Json]] = {
    datetime: datetime.isoformat,
    date: date.isoformat,
    time: time.isoformat,
    timedelta: timedelta.total_seconds,
    bytes: lambda v: b64encode(v).decode("ascii"),
    bytearray: lambda v: b64encode(v).decode("ascii"),
    UUID: str,
    Decimal: str,
    tuple: list,
    set: sorted,
    frozenset: sorted,
}


def _cell(value: Any) -> Json:
    """A cell as JSON: dates in ISO 8601, binary in base64, UUID and Decimal as text."""
    kind = type(value)
    if kind in _plain:
        return value
    change = _cells.get(kind) or next((change for base, change in _cells.items() if isinstance(value, base)), None)
    return value if change is None else change(value)


def _column(value: Any, method: str) -> dict[str, Json]:
    if not isinstance(value, Column):
        raise WrongAnswer(f"{method}: columns must be Column(...), not {type(value).__name__}")
    if value.type not in COLUMN_TYPES:
        raise WrongAnswer(f"{method}: column '{value.name}' has type '{value.type}'; known: {', '.join(sorted(COLUMN_TYPES))}")
    return {"name": as_text(value.name, f"{method}: Column.name"), "type": value.type, "nullable": bool(value.nullable)}


def schema_document(value: object, method: str = "schema") -> dict[str, Json]:
    """The tables of a data source."""
    if not isinstance(value, list | tuple) or not all(isinstance(table, Table) for table in value):
        raise WrongAnswer(f"{method} must return a list of Table(...)")
    return {
        "tables": [
            {
                "name": as_text(t.name, f"{method}: Table.name"),
                "columns": [_column(c, method) for c in t.columns],
                "primary_keys": as_texts(t.primary_keys, f"{method}: Table.primary_keys"),
            }
            for t in value
        ]
    }
