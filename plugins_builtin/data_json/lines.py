"""JSON Lines (https://jsonlines.org): a JSON value on each line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, Final

from mockforge_plugin.engines.tables.sheets import BadFile, Sheet

MAX_LINE_BYTES: Final = 16 << 20


def read_lines(path: Path, table: str) -> Sheet:
    """The one table of the file."""

    def where(row: int) -> int | None:
        return next((line for line, _ in islice(_rows(path), row, None)), None)

    return Sheet(table, lambda: (row for _, row in _rows(path)), where=where)


def _rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    with path.open("rb") as file:
        number = 0
        while text := file.readline(MAX_LINE_BYTES + 1):
            number += 1
            if len(text) > MAX_LINE_BYTES:
                raise BadFile(f"it has more than {MAX_LINE_BYTES >> 20} MiB", line=number)
            if number == 1:
                text = text.removeprefix(b"\xef\xbb\xbf")
            if stripped := text.strip():
                value = _value(stripped, number)
                yield number, value if isinstance(value, dict) else {"value": value}


def _value(text: bytes, number: int) -> Any:
    try:
        return json.loads(text.decode(), parse_float=Decimal, parse_constant=no_constant)
    except UnicodeDecodeError as error:
        raise BadFile(f"byte {error.start + 1} (0x{text[error.start]:02x}) is not UTF-8", line=number) from None
    except json.JSONDecodeError as error:
        raise BadFile(error.msg, line=number, column=error.colno) from None
    except RecursionError:
        raise BadFile("it is nested too deeply", line=number) from None
    except ValueError as error:
        raise BadFile(str(error)[:200], line=number) from None


def no_constant(name: str) -> Any:
    """Raises ValueError: NaN and Infinity are JavaScript."""
    raise ValueError(f"{name} is no JSON")
