"""Rows as objects by column name, in which decimals are numbers with all their digits: `1.10` stays `1.10`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import orjson

from mockforge_asgi.exact_json import Json, written

_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?", re.ASCII)
_NUMBERS: Final = re.compile(rf"(?:{_NUMBER.pattern}\n)*", re.ASCII)
"""A whole column of them, each in a line."""
_INTEGER: Final = re.compile(r"-?[0-9]{1,300}", re.ASCII)
_TEXTS: Final = frozenset({str})
_DECIMALS: Final = frozenset({"decimal", "decimal[]"})


def written_number(text: str) -> Json:
    """The number that a decimal's text writes, which keeps that text; the text itself where it is no finite number."""
    if not _NUMBER.fullmatch(text):
        return text
    value = int(text) if _INTEGER.fullmatch(text) else float(text)
    return text if value in (float("inf"), float("-inf")) else written(text, value)


def json_number(text: str) -> Any:
    """What orjson writes as that text; the text itself, quoted, where it is no number."""
    return orjson.Fragment(text) if _NUMBER.fullmatch(text) else text


def json_numbers(cells: Sequence[Any]) -> list[Any]:
    """The same for the cells of a column, which may be missing or lists."""
    if _TEXTS.issuperset(map(type, cells)):
        lines = "\n".join([*cells, ""])
        if lines.count("\n") == len(cells) and _NUMBERS.fullmatch(lines):
            return list(map(orjson.Fragment, cells))
    return _each(cells, json_number)


def written_numbers(cells: Sequence[Any]) -> list[Any]:
    """`written_number` for the cells of a column, which may be missing or lists."""
    return _each(cells, written_number)


def _each(cells: Sequence[Any], number: Callable[[str], Any]) -> list[Any]:
    def made(cell: Any) -> Any:
        if type(cell) is list:
            return [number(item) if type(item) is str else item for item in cell]
        return number(cell) if type(cell) is str else cell

    return list(map(made, cells))


def records(result: Mapping[str, Json], numbers: Callable[[Sequence[Any]], list[Any]]) -> list[dict[str, Any]]:
    """The rows of a result, each an object; `numbers` makes the decimals of a column numbers. Nothing of the result is changed."""
    columns = result["columns"]
    names = [column["name"] for column in columns]
    decimals = [column["name"] for column in columns if column.get("type") in _DECIMALS]
    if result.get("documents") is True:
        rows = [dict(row) for row in result["rows"]] if decimals else result["rows"]
    else:
        rows = [dict(zip(names, row, strict=True)) for row in result["rows"]]
    for name in decimals:
        having = [row for row in rows if name in row]
        for row, cell in zip(having, numbers([row[name] for row in having]), strict=True):
            row[name] = cell
    return rows
