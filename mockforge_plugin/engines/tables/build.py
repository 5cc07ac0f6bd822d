"""A file's sheets → a SQLite file. Rows are read twice: for the kinds of columns, then to be written."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

from mockforge_plugin.engines.tables.kinds import (
    READABLE,
    TextColumn,
    TypedColumn,
    collate_decimals,
    declaration,
    keep_typed,
    quoted,
    read_as,
)
from mockforge_plugin.engines.tables.sheets import BadFile, Row, Sheet, checked_names

BATCH: Final = 2000
MAX_TABLES: Final = 200
LAYOUT: Final = 1
"""Counts up whenever files built before can no longer be used."""


@dataclass(frozen=True, slots=True)
class TableOptions:
    """What the operator says of a file's columns, whatever its format."""

    types: Mapping[str, str]
    index: tuple[tuple[str, ...], ...] = ()
    nulls: frozenset[str] | None = None
    """Texts that stand for null; None: the empty text, where a column is not text."""
    decimal_comma: bool = False

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> TableOptions:
        """As configured."""
        index = tuple(tuple(entry) if isinstance(entry, list) else (entry,) for entry in config.get("index") or ())
        nulls = frozenset(config["null"]) if "null" in config else None
        return cls(dict(config.get("types") or {}), index, nulls, config.get("decimal") == ",")


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    kind: str
    is_said: bool
    """Whether the operator said so."""


def build(sheets: Sequence[Sheet], options: TableOptions, target: Path) -> None:
    """Write the SQLite file, which is not there yet. Raises BadFile."""
    if len(sheets) > MAX_TABLES:
        raise BadFile(f"it has {len(sheets)} tables, and {MAX_TABLES} are the most")
    checked_names([sheet.name for sheet in sheets], "table")
    database = sqlite3.connect(target, isolation_level=None)
    try:
        database.create_collation("mockforge_decimal", collate_decimals)
        database.execute("pragma journal_mode = off")
        database.execute("pragma synchronous = off")
        database.execute("pragma cache_size = -32768")
        database.execute("begin")
        columns = {sheet.name: _surveyed(sheet, options) for sheet in sheets}
        _check_said(columns, options)
        for sheet in sheets:
            _write(database, sheet, columns[sheet.name], options)
        database.execute("commit")
    finally:
        database.close()


def batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """The rows, some at a time."""
    iterator = iter(rows)
    while batch := list(islice(iterator, BATCH)):
        yield batch


def _surveyed(sheet: Sheet, options: TableOptions) -> list[_Column]:
    """The columns with their kinds, after one reading."""
    nulls = frozenset({""}) if options.nulls is None else options.nulls
    found: dict[str, tuple[TextColumn, TypedColumn]] = {}

    def look(name: str, cells: Sequence[Any]) -> None:
        columns = found.get(name) or found.setdefault(name, (TextColumn(nulls, options.decimal_comma), TypedColumn()))
        columns[1].add(cells)
        if sheet.is_text and name not in options.types:
            columns[0].add(cells if columns[1].is_of_text else [cell for cell in cells if type(cell) is str])

    for name in sheet.columns or ():
        look(name, ())
    for batch in batches(sheet.rows()):
        if sheet.columns is not None:
            for name, cells in zip(sheet.columns, zip(*batch, strict=True), strict=True):
                look(name, cells)
            continue
        for name in dict.fromkeys(key for row in batch for key in row):
            look(name, [row.get(name) for row in batch])  # type: ignore[union-attr]  # without columns, rows are objects
        checked_names(tuple(found))
    if not found:
        raise BadFile(f"the table {sheet.name!r} has no columns")

    def kind(text: TextColumn, typed: TypedColumn) -> str:
        return text.kind if sheet.is_text and typed.kind == "text" else typed.kind

    return [_Column(name, options.types.get(name) or kind(*each), name in options.types) for name, each in found.items()]


def _check_said(tables: Mapping[str, Sequence[_Column]], options: TableOptions) -> None:
    """Raises BadFile where the operator speaks of columns that are not there."""
    known = {column.name for columns in tables.values() for column in columns}
    indexed = tuple(name for index in options.index for name in index)
    for option, names in (("types", tuple(options.types)), ("index", indexed)):
        for name in names:
            if name not in known:
                raise BadFile(f"`{option}` names the column {name!r}, which is not there; there are {', '.join(sorted(known))[:1000]}")
    for name, kind in options.types.items():
        if kind not in READABLE:
            raise BadFile(f"`types`: {name!r} cannot be made {kind}; types are {', '.join(sorted(READABLE))}")


def _write(database: sqlite3.Connection, sheet: Sheet, columns: Sequence[_Column], options: TableOptions) -> None:
    table = quoted(sheet.name)
    said = ", ".join(f"{quoted(column.name)} {declaration(column.kind)}" for column in columns)
    database.execute(f"create table {table} ({said})")
    places = ", ".join(_place(number, column, sheet, options) for number, column in enumerate(columns, 1))
    insert, done = f"insert into {table} values ({places})", 0
    for batch in batches(sheet.rows()):
        rows = batch if sheet.columns is not None else [[row.get(column.name) for column in columns] for row in batch]  # type: ignore[union-attr]
        try:
            database.executemany(insert, _kept(rows, columns, sheet, options, done))
        except UnicodeEncodeError:
            raise BadFile(f"a text has half of a character (a lone surrogate), in or behind row {done + 1}") from None
        done += len(batch)
    names = {column.name for column in columns}
    for number, index in enumerate(options.index):
        if names.issuperset(index):
            database.execute(f"create index {quoted(f'{sheet.name} {number}')} on {table} ({', '.join(map(quoted, index))})")


def _place(number: int, column: _Column, sheet: Sheet, options: TableOptions) -> str:
    """Where a cell of text goes, made by SQLite what it is to be: faster than Python would."""
    cell = f"?{number}"
    if column.is_said or not sheet.is_text:
        return cell
    nulls = options.nulls if options.nulls is not None else frozenset() if column.kind == "text" else frozenset({""})
    text = f"replace({cell}, ',', '.')" if column.kind == "decimal" and options.decimal_comma else cell
    text = f"case {cell} when 'true' then 1 when 'false' then 0 end" if column.kind == "boolean" else text
    listed = ", ".join("'" + null.replace("'", "''") + "'" for null in sorted(nulls))
    return f"case when {cell} in ({listed}) then null else {text} end" if nulls else text


def _kept(rows: list[Any], columns: Sequence[_Column], sheet: Sheet, options: TableOptions, done: int) -> list[Any]:
    """The rows with cells as SQLite keeps them. Raises BadFile for one that is not what the operator says."""
    nulls = options.nulls if options.nulls is not None else frozenset({""})
    changed: dict[int, list[Any]] = {}
    for number, column in enumerate(columns):
        if column.is_said:
            changed[number] = [_read(column, row[number], nulls, options, sheet, done + at) for at, row in enumerate(rows)]
        elif keep_typed(column.kind) is not None and (column.kind == "json" or not sheet.is_text):
            changed[number] = [_typed(column, row[number], sheet, done + at) for at, row in enumerate(rows)]
    if not changed:
        return rows
    by_column = [changed[number] if number in changed else [row[number] for row in rows] for number in range(len(columns))]
    return list(zip(*by_column, strict=True))


def _read(column: _Column, cell: Any, nulls: frozenset[str], options: TableOptions, sheet: Sheet, row: int) -> Any:
    if options.decimal_comma and column.kind in ("decimal", "float") and type(cell) is str and cell not in nulls:
        cell = cell.replace(".", "").replace(",", ".")
    try:
        return read_as(column.kind, cell, nulls)
    except ValueError as error:
        raise BadFile(f"{str(cell)[:100]!r} {error}", line=sheet.where(row), column=column.name) from None


def _typed(column: _Column, cell: Any, sheet: Sheet, row: int) -> Any:
    keep = keep_typed(column.kind)
    try:
        return cell if keep is None else keep(cell)
    except (ValueError, RecursionError) as error:
        raise BadFile(str(error), line=sheet.where(row), column=column.name) from None
