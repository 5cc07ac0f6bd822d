"""Values of JSON → rows in typed columns, or documents. What columns are not declared are found in the rows; nothing is lost on the way."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Final
from uuid import UUID

from jsonpath_rfc9535 import JSONPathError, JSONPathQuery
from jsonpath_rfc9535 import compile as compile_path

from mockforge_plugin import Column, Json, PluginError
from mockforge_plugin.engines.http.json_text import NUMBER, Fraction, plain
from mockforge_plugin.engines.http.placeholders import wrong_query
from mockforge_plugin.tables import LIST, VALUE_TYPES

MAX_COLUMNS: Final = 1000


def json_path(text: object, what: str) -> JSONPathQuery:
    """A JSONPath (RFC 9535). Raises PluginError."""
    try:
        return compile_path(text if isinstance(text, str) else "")
    except JSONPathError as error:
        raise wrong_query(f"`{what}` is not a JSONPath such as $.items[*] (RFC 9535): {error}") from None


def rows_at(path: JSONPathQuery | None, document: Json) -> list[Json]:
    """The rows of a document: what the path finds, or all. A list that the path itself names stands for its items."""
    if path is None:
        return document if isinstance(document, list) else [] if document is None else [document]
    try:
        found = path.find(document).values()
    except JSONPathError as error:
        raise PluginError(f"the rows cannot be found in the answer: {error}", code="bad_data") from None
    return list(found[0]) if found and path.singular_query() and isinstance(found[0], list) else list(found)


def value_at(path: JSONPathQuery, document: Json) -> Json:
    """The first value that the path finds, or None."""
    node = next(iter(path.find(document)), None)
    return None if node is None else node.value


@dataclass(frozen=True, slots=True)
class ColumnSpec:
    """A declared column: where its value stands in a row, and its type."""

    name: str
    type: str
    path: JSONPathQuery | None = None

    def cell(self, row: Json) -> Json:
        """The column's value of a row, as it stands there."""
        if self.path is not None:
            return value_at(self.path, row)
        return row.get(self.name) if isinstance(row, dict) else None


def column_specs(declared: object) -> tuple[ColumnSpec, ...]:
    """`{id: integer, city: {path: "$.address.city", type: text}}`. Raises PluginError."""
    if not isinstance(declared, Mapping):
        raise wrong_query("`columns` is a mapping of names to types")
    made = []
    for name, about in declared.items():
        kind = about.get("type", "text") if isinstance(about, Mapping) else about
        if kind not in VALUE_TYPES:
            raise wrong_query(f"column {str(name)[:100]!r} has no type such as text or integer[]")
        path = json_path(about["path"], f"columns.{name}.path") if isinstance(about, Mapping) and "path" in about else None
        made.append(ColumnSpec(str(name), str(kind), path))
    return tuple(made)


def table(rows: Sequence[Json], specs: Sequence[ColumnSpec] = ()) -> tuple[tuple[Column, ...], list[tuple[Json, ...]]]:
    """(columns, rows of cells). Raises PluginError (`bad_data`) where a cell is not of its column's type."""
    if specs:
        columns = tuple(Column(spec.name, spec.type) for spec in specs)
        found: list[Sequence[Json]] = [_typed(spec, [spec.cell(row) for row in rows]) for spec in specs]
    else:
        columns, found = _found_columns(rows)
    return columns, list(zip(*found, strict=True)) if found else [() for _ in rows]


def documents(rows: Sequence[Json]) -> tuple[tuple[Column, ...], list[dict[str, Json]]]:
    """(columns of fields whose type JSON does not tell, rows as objects, in which a field may be missing)."""
    if not all(isinstance(row, dict) for row in rows):
        raise PluginError("a row of the answer is not an object, as `documents` has them", code="bad_data")
    names = {name for row in rows for name, cell in row.items() if isinstance(cell, Fraction)}
    decimals = {name for name in names if all(_is_number(row.get(name)) for row in rows)}
    made = [{name: _decimal(cell) if name in decimals else plain(cell) for name, cell in row.items()} for row in rows]
    return tuple(Column(name, "decimal") for name in sorted(decimals)), made


def _found_columns(rows: Sequence[Json]) -> tuple[tuple[Column, ...], list[Sequence[Json]]]:
    are_objects = [isinstance(row, dict) for row in rows]
    if any(are_objects) and not all(are_objects):
        raise PluginError("some rows of the answer are objects and some are not", code="bad_data")
    if not any(are_objects):
        kind, cells = _inferred(list(rows))
        return ((Column("value", kind),), [cells]) if rows else ((), [])
    names = list(dict.fromkeys(name for row in rows for name in row))
    if len(names) > MAX_COLUMNS:
        raise PluginError(f"the rows have {len(names)} columns; name those that are wanted under `columns`", code="bad_data")
    found = [_inferred([row.get(name) for row in rows]) for name in names]
    return tuple(Column(name, kind) for name, (kind, _) in zip(names, found, strict=True)), [cells for _, cells in found]


def _inferred(cells: list[Json]) -> tuple[str, Sequence[Json]]:
    """The type that fits all of them, and the cells in it."""
    kinds = set(map(type, cells)) - {type(None)}
    if len(kinds) == 1 and (kind := _SINGLE.get(next(iter(kinds)))):
        return kind, cells
    if kinds and kinds <= {int, Fraction}:
        return "decimal", list(map(_decimal, cells))
    return ("json" if kinds else "text"), list(map(plain, cells))


_SINGLE: Final[dict[type, str]] = {str: "text", int: "integer", bool: "boolean"}


def _is_number(cell: Json) -> bool:
    return cell is None or isinstance(cell, Fraction) or type(cell) is int


def _decimal(cell: Json) -> Json:
    return None if cell is None else str(cell)


def _typed(spec: ColumnSpec, cells: list[Json]) -> list[Json]:
    """The cells, each of the declared type."""
    kind, is_list = spec.type.removesuffix(LIST), spec.type.endswith(LIST)
    convert = _CONVERT[kind]
    made: list[Json] = []
    try:
        for cell in cells:
            if cell is None:
                made.append(None)
            elif is_list:
                made.append([item if item is None else convert(item) for item in _items(cell)])
            else:
                made.append(convert(cell))
    except (ValueError, TypeError, OverflowError):
        what = f"column {spec.name[:100]!r} of row {len(made) + 1} in the answer is not {spec.type}"
        raise PluginError(what, code="bad_data") from None
    return made


def _items(cell: Json) -> list[Json]:
    if not isinstance(cell, list):
        raise TypeError
    return cell


def _text(cell: Json) -> str:
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, str | int):
        return str(cell)
    raise TypeError


def _integer(cell: Json) -> int:
    if type(cell) is int:
        return cell
    if isinstance(cell, str) and re.fullmatch(r"-?[0-9]{1,300}", cell, re.ASCII):
        return int(cell)
    raise TypeError


def _digits(cell: Json) -> str:
    if type(cell) is int or (isinstance(cell, str) and NUMBER.fullmatch(cell)):
        return str(cell)
    raise TypeError


def _boolean(cell: Json) -> bool:
    if cell not in (True, False, "true", "false") or type(cell) is int:
        raise TypeError
    return cell in (True, "true")


def _as(parse: Callable[[str], object]) -> Callable[[Json], str]:
    def convert(cell: Json) -> str:
        if not isinstance(cell, str) or isinstance(cell, Fraction):
            raise TypeError
        parse(cell)
        return cell

    return convert


_CONVERT: Final[dict[str, Callable[[Json], Json]]] = {
    "text": _text,
    "integer": _integer,
    "float": lambda cell: float(_digits(cell)),
    "boolean": _boolean,
    "decimal": _digits,
    "date": _as(date.fromisoformat),
    "time": _as(time.fromisoformat),
    "datetime": _as(datetime.fromisoformat),
    "interval": _as(str),
    "binary": _as(str),
    "json": plain,
    "uuid": _as(UUID),
    "objectid": _as(bytes.fromhex),
}
