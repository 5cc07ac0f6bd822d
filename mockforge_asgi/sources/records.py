"""Rows as objects by column name, in which decimals are numbers with all their digits: `1.10` stays `1.10`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson

from mockforge_asgi.exact_json import Json, written

_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?", re.ASCII)
_INTEGER: Final = re.compile(r"-?[0-9]{1,300}", re.ASCII)
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


def records(result: Mapping[str, Json], number: Callable[[str], Any]) -> list[dict[str, Any]]:
    """The rows of a result, each an object; `number` makes a decimal's text a number. Nothing of the result is changed."""
    columns = result["columns"]
    names = [column["name"] for column in columns]
    decimals = [column["name"] for column in columns if column.get("type") in _DECIMALS]
    if result.get("documents") is True:
        rows = [dict(row) for row in result["rows"]] if decimals else result["rows"]
    else:
        rows = [dict(zip(names, row, strict=True)) for row in result["rows"]]
    for name in decimals:
        for row in rows:
            cell = row.get(name)
            if type(cell) is str:
                row[name] = number(cell)
            elif type(cell) is list:
                row[name] = [number(item) if type(item) is str else item for item in cell]
    return rows
