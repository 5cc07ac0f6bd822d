"""What the API does not do: rows filtered, sorted and cut here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, TypeAlias

from mockforge_plugin import Column, DataResult, Json, PluginError
from mockforge_plugin.engines.http.rows import ColumnSpec, table

Row: TypeAlias = tuple[Json, ...]


def arrange(
    rows: Sequence[Json],
    specs: Sequence[ColumnSpec],
    where: Mapping[str, Json],
    types: Mapping[str, str],
    wanted: Sequence[str],
    order: Sequence[str],
    limit: int,
    cursor: str | None,
) -> DataResult:
    """The rows that are equal to `where`, sorted, from the cursor on. Raises PluginError for a column that there is not."""
    columns, cells = table(rows, specs)
    places = {column.name: place for place, column in enumerate(columns)}
    used = [*where, *wanted, *(name.removeprefix("-") for name in order)]
    if rows and (unknown := next((name for name in used if name not in places), None)):
        raise PluginError(f"the rows have no column {unknown[:100]!r}", code="bad_data")
    if rows:
        for name, value in where.items():
            key, place = _key(value, types.get(name, "text")), places[name]
            cells = [row for row in cells if _key(row[place], columns[place].type) == key]
        for name in reversed(order):
            place = places[name.removeprefix("-")]
            kind = columns[place].type
            cells.sort(key=lambda row, place=place, kind=kind: _rank(row[place], kind), reverse=name.startswith("-"))  # type: ignore[misc]
    start = int(cursor or 0)
    page, is_more = cells[start : start + limit], len(cells) > start + limit
    columns, page = _only(columns, page, [places[name] for name in wanted if name in places])
    return DataResult(columns, tuple(page), is_more, str(start + limit) if is_more else None, len(cells))


def _only(columns: tuple[Column, ...], rows: list[Row], places: list[int]) -> tuple[tuple[Column, ...], list[Row]]:
    if not places:
        return columns, rows
    return tuple(columns[place] for place in places), [tuple(row[place] for place in places) for row in rows]


def _key(cell: Json, kind: str) -> Any:
    """What is equal for equal values: a number is one whatever its digits, and no text."""
    if cell is None or isinstance(cell, bool):
        return cell if cell is None else ("boolean", cell)
    if kind in ("integer", "decimal", "float"):
        try:
            return "number", Decimal(str(cell))
        except InvalidOperation:
            return "text", str(cell)
    return ("text", cell) if isinstance(cell, str) else ("json", repr(cell))


def _rank(cell: Json, kind: str) -> Any:
    """What rows are sorted by; null first."""
    key = _key(cell, kind)
    return (0, "", 0) if key is None else (1, *key)
