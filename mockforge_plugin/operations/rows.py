"""What a data source returned → data documents: columns, rows of JSON cells, schemas."""

from __future__ import annotations

from itertools import chain
from math import isfinite
from typing import Any, Final

from mockforge_plugin.failure import WrongAnswer
from mockforge_plugin.operations.cells import json_cell, json_cells, type_of
from mockforge_plugin.operations.fields import as_text, as_texts
from mockforge_plugin.tables import TYPES, VALUE_TYPES, Column, DataResult, Table
from mockforge_plugin.values import Json

_PLAIN: Final = frozenset({str, int, float, bool, type(None)})


def data_document(value: object, method: str = "query") -> dict[str, Json]:
    """Columns and rows. A list of dicts will do: the keys of all of them name the columns."""
    if isinstance(value, list):
        value = _from_dicts(value, method)
    if not isinstance(value, DataResult):
        raise WrongAnswer(f"{method} must return a DataResult or a list of dicts, not {type(value).__name__}")
    columns = [_column(c, method) for c in value.columns]
    document: dict[str, Json] = {"columns": columns, "rows": [], "truncated": bool(value.truncated)}
    if value.documents:
        document |= {"documents": True, "rows": _documents(value, method)}
    elif value.rows:
        document["rows"] = _rows(value, method)
    if value.next is not None:
        document["next"] = as_text(value.next, f"{method}: DataResult.next")
    for name, count in (("total", value.total), ("affected", value.affected)):
        if count is not None:
            document[name] = int(count)
    if value.waited_ms is not None:
        document["waited_ms"] = float(value.waited_ms)
    return document


def is_plain(document: dict[str, Json]) -> bool:
    """Whether every cell is a text, a finite number, a boolean or None: JSON that need not be written to be handed on."""
    found = set(map(type, chain.from_iterable(document["rows"])))
    if "documents" in document or not found <= _PLAIN:
        return False
    return float not in found or all(isfinite(cell) for cell in chain.from_iterable(document["rows"]) if type(cell) is float)


def _rows(value: DataResult, method: str) -> list[Json]:
    """Rows of JSON cells, converted column by column."""
    width = len(value.columns)
    if not {width}.issuperset(map(len, value.rows)):
        number, row = next((number, row) for number, row in enumerate(value.rows) if len(row) != width)
        raise WrongAnswer(f"{method}: row {number} has {len(row)} cells for {width} columns")
    if not width:
        return [[] for _ in value.rows]
    by_column = zip(value.columns, zip(*value.rows, strict=True), strict=True)
    return list(map(list, zip(*[json_cells(column.type, cells) for column, cells in by_column], strict=True)))


def _documents(value: DataResult, method: str) -> list[Json]:
    wrong = next((row for row in value.rows if not isinstance(row, dict)), None)
    if wrong is not None:
        raise WrongAnswer(f"{method}: rows of documents must be dicts, not {type(wrong).__name__}")
    return [json_cell(row) for row in value.rows]


def _from_dicts(rows: list[Any], method: str) -> DataResult:
    wrong = next((row for row in rows if not isinstance(row, dict)), None)
    if wrong is not None:
        raise WrongAnswer(f"{method} gave a list with a {type(wrong).__name__} in it; rows must be dicts, or return a DataResult")
    names = list(dict.fromkeys(name for row in rows for name in row))
    return DataResult(
        tuple(Column(str(name), type_of(next((row[name] for row in rows if row.get(name) is not None), None))) for name in names),
        tuple(tuple(row.get(name) for name in names) for row in rows),
    )


def _column(value: Any, method: str) -> dict[str, Json]:
    if not isinstance(value, Column):
        raise WrongAnswer(f"{method}: columns must be Column(...), not {type(value).__name__}")
    if value.type not in VALUE_TYPES:
        known = f"known: {', '.join(TYPES)}, and lists such as integer[]"
        raise WrongAnswer(f"{method}: column '{value.name}' has type '{value.type}'; {known}")
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
