"""Values of parameters → what SQLite is given; cells of SQLite → values of their columns' types."""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as NoBase64
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import orjson

from mockforge_plugin.engines.tables.kinds import json_text
from mockforge_plugin.failure import PluginError
from mockforge_plugin.tables import LIST
from mockforge_plugin.values import Json

_EXACT_DIGITS: Final = 15
"""A decimal of so many digits comes out of a 64-bit float as it went in."""


def bound(params: Mapping[str, Json], types: Mapping[str, str], *, numbers: bool = True) -> dict[str, Any]:
    """The parameters as SQLite takes them. Lists and JSON become JSON text: `where id in (select value from json_each(:ids))`.

    Decimals become numbers, which compare with whatever is computed, if they are exact; not with `numbers` false: a column makes of
    their text what it keeps, and a text keeps all digits.
    """
    made: dict[str, Any] = {}
    for name, value in params.items():
        kind = type(value)
        if kind is str and (said := types.get(name)) is not None and said != "text":
            made[name] = _number(value) if said == "decimal" and numbers else _from_text(said, value)
        elif kind in (list, dict):
            made[name] = json_text(_numbers(value) if types.get(name) in ("decimal" + LIST, "integer" + LIST) else value)
        else:
            made[name] = value if kind is not int or -(2**63) <= value < 2**63 else str(value)
    return made


def _from_text(said: str, text: str) -> Any:
    if said == "integer":
        return int(text) if len(text) < 20 and -(2**63) <= int(text) < 2**63 else text
    if said == "float":
        return float(text)
    if said == "binary":
        try:
            return b64decode(text, validate=True)
        except NoBase64:
            raise PluginError("a parameter of type binary is no base64", code="invalid_input") from None
    return json_text(text) if said == "json" else text


def _number(text: str) -> Any:
    """A number where SQLite keeps it exactly, else the text, which columns of decimals compare as well."""
    digits = text.lstrip("-").replace(".", "")
    if not digits.isdigit() or len(digits) > _EXACT_DIGITS:
        return text
    return float(text) if "." in text else int(text)


def _numbers(values: Any) -> Any:
    return [_number(value) if type(value) is str else value for value in values] if type(values) is list else values


Changes: TypeAlias = Mapping[int, Callable[[Any], Any]]
"""What becomes of the cells of some columns."""


def changes_of(kinds: Sequence[str | None]) -> Changes:
    """Makes the cells of booleans and JSON values; those of other kinds are values already."""
    return {at: change for at, kind in enumerate(kinds) if kind is not None and (change := _CHANGES.get(kind)) is not None}


def typed_cells(changes: Changes, rows: Sequence[Sequence[Any]]) -> Sequence[Sequence[Any]]:
    """The rows with those cells changed."""
    if not changes or not rows:
        return rows
    width = range(len(rows[0]))
    return [tuple([changes[at](row[at]) if at in changes else row[at] for at in width]) for row in rows]


def column_types(kinds: Sequence[str | None], width: int, rows: Sequence[Sequence[Any]]) -> list[str]:
    """The types of columns for the contract: as they are declared where their values fit, else as their values are."""
    types: list[str] = []
    for at in range(width):
        kind = kinds[at] if at < len(kinds) else None
        if kind is None or kind == "any" or kind in _CHECKED:
            found = {type(row[at]) for row in rows} - {type(None)}
            if kind is None or kind == "any":
                kind = _of_values(found, kind)
            elif not found <= _CHECKED[kind]:
                kind = _of_values(found, None)
        types.append(kind)
    return types


def _of_values(found: set[type], kind: str | None) -> str:
    if len(found) == 1:
        return _BY_TYPE.get(next(iter(found)), "text")
    if found and found <= {int, float}:
        return "float"
    return "json" if len(found) > 1 or kind == "any" else "text"


def _boolean(cell: Any) -> Any:
    return bool(cell) if type(cell) is int and cell in (0, 1) else cell


def _json(cell: Any) -> Any:
    if type(cell) is not str:
        return cell
    try:
        return orjson.loads(cell)
    except orjson.JSONDecodeError:
        return cell


_CHANGES: Final[dict[str, Callable[[Any], Any]]] = {"boolean": _boolean, "json": _json}
_TEXTS: Final = frozenset({str})
_CHECKED: Final[dict[str, frozenset[type]]] = {
    "text": _TEXTS,
    "integer": frozenset({int}),
    "float": frozenset({int, float}),
    "boolean": frozenset({bool}),
    "date": _TEXTS,
    "time": _TEXTS,
    "datetime": _TEXTS,
    "interval": _TEXTS,
    "uuid": _TEXTS,
    "binary": frozenset({bytes}),
}
"""What values of a type are: SQLite keeps in a column whatever it is given."""
_BY_TYPE: Final = {int: "integer", float: "float", str: "text", bytes: "binary", bool: "boolean"}
