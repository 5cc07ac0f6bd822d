"""MySQL's types: every cell comes as the server's own text, which its column's type says how to read.

A TINYINT(1), which is what BOOLEAN makes, is `boolean` where the rows have nothing but 0 and 1 in it, and `integer` where they have more.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any, Final

from mockforge_plugin.engines.sql.failures import SqlError
from mockforge_plugin.tables import Column

_BINARY: Final = 63
"""The character set of what is no text."""
_TINY, _TIMESTAMP, _BIT, _JSON, _GEOMETRY = 1, 7, 16, 245, 255
_KINDS: Final[Mapping[int, str]] = {
    0: "decimal",
    246: "decimal",
    1: "integer",
    2: "integer",
    3: "integer",
    8: "integer",
    9: "integer",
    13: "integer",
    4: "float",
    5: "float",
    10: "date",
    14: "date",
    11: "time",
    12: "datetime",
    7: "datetime",
    16: "integer",
    245: "json",
    255: "binary",
}
"""By the type's number in the protocol; all others are text, or binary by their character set."""
_NOT_NULL: Final = 1

Cells = Sequence[Any]


def read_rows(fields: Sequence[Any], rows: Sequence[tuple[Any, ...]], zone: tzinfo, documents: frozenset[str]) -> Any:
    """(columns, rows) of a result. `documents` names columns that are read as JSON: MariaDB keeps JSON as text. Raises SqlError."""
    cells: list[Cells] = list(zip(*rows, strict=True)) if rows else [()] * len(fields)
    columns, made, is_changed = [], [], False
    for field, given in zip(fields, cells, strict=True):
        kind = _kind(field, documents)
        reader = _reader(field, kind, zone)
        if reader is not None:
            try:
                given = [cell if cell is None else reader(cell) for cell in given]
            except ValueError:
                raise SqlError(f"the column {field.name[:100]!r} has what is no {kind}") from None
            is_changed = True
        if kind == "integer" and field.type_code in (_TINY, _BIT) and field.length == 1 and set(given) <= {0, 1, None}:
            kind, given = "boolean", [cell if cell is None else bool(cell) for cell in given]
        columns.append(Column(field.name, kind, not field.flags & _NOT_NULL))
        made.append(given)
    return tuple(columns), tuple(zip(*made, strict=True)) if is_changed and rows else rows


def _kind(field: Any, documents: frozenset[str]) -> str:
    if field.name in documents:
        return "json"
    kind = _KINDS.get(field.type_code)
    return kind or ("binary" if field.charsetnr == _BINARY else "text")


def _reader(field: Any, kind: str, zone: tzinfo) -> Callable[[Any], Any] | None:
    if field.type_code == _BIT:
        return _bits
    if kind == "datetime":
        return (lambda text: _instant(text, zone)) if field.type_code == _TIMESTAMP else _iso
    return _READERS.get(kind)


def _bits(cell: Any) -> int:
    return int.from_bytes(cell if isinstance(cell, bytes) else cell.encode("latin-1"), "big")


def _iso(text: str) -> str:
    return text.replace(" ", "T", 1)


def _instant(text: str, zone: tzinfo) -> str:
    """A TIMESTAMP, which the server shows in the session's zone, with its offset."""
    if text.startswith("0000"):
        return _iso(text)
    offset = datetime.fromisoformat(text).replace(tzinfo=zone).isoformat()[-6:]
    return f"{_iso(text)}{offset}"


_READERS: Final[Mapping[str, Callable[[Any], Any]]] = {"integer": int, "float": float, "json": json.loads}
