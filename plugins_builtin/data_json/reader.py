"""A JSON file as rows, with numbers that keep their digits: small ones at once, large ones as a stream (`stream.py`)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from mockforge_plugin.engines.tables.sheets import BadFile, Sheet

from .lines import no_constant, read_lines
from .paths import prefix_of, selected
from .stream import JsonStream, as_row

SMALL_BYTES: Final = 2 << 20
"""Files up to this size are read at once; larger ones as a stream, in a process of their own, as whose parser has crashed on some."""
MAX_WHOLE_BYTES: Final = 64 << 20
"""The largest file that is read at once for a JSONPath that a stream cannot follow."""


def read_json(path: Path, config: Mapping[str, Any]) -> Sequence[Sheet]:
    """The tables of the file. Raises BadFile, OSError."""
    name, size, rows = config.get("table") or path.stem, path.stat().st_size, config.get("rows")
    if config.get("lines", path.suffix.lower() in (".jsonl", ".ndjson")):
        if rows is not None:
            raise BadFile("`rows` belongs to files that are one JSON value; of JSON Lines each line is a row")
        return [read_lines(path, name)]
    prefix = None if rows is None else prefix_of(rows)
    if size > SMALL_BYTES and (rows is None or prefix is not None):
        stream = JsonStream(path)
        return stream.tables(name) if prefix is None else [stream.table(name, prefix)]
    if size > MAX_WHOLE_BYTES:
        most = f"{MAX_WHOLE_BYTES >> 20} MiB"
        raise BadFile(f"a JSONPath that is not of the form $.a.b[*] needs the whole document, and it has more than {most}")
    document = whole(path)
    if rows is not None:
        return [_sheet(name, selected(rows, document))]
    if isinstance(document, list):
        return [_sheet(name, document)]
    if not isinstance(document, dict):
        raise BadFile("it is neither a list nor an object: there are no rows in it")
    inside = {key: value for key, value in document.items() if isinstance(value, list | dict)}
    if not inside:
        raise BadFile("it is an object without lists or objects in it; say where the rows are, such as `rows: $.items[*]`")
    return [_sheet(key, value if isinstance(value, list) else [value]) for key, value in inside.items()]


def whole(path: Path) -> Any:
    """The document. Raises BadFile."""
    try:
        return json.loads(path.read_bytes().decode("utf-8-sig"), parse_float=Decimal, parse_constant=no_constant)
    except json.JSONDecodeError as error:
        raise BadFile(error.msg, line=error.lineno, column=error.colno) from None
    except UnicodeDecodeError as error:
        raise BadFile(f"byte {error.start + 1} of the file (0x{error.object[error.start]:02x}) is not UTF-8") from None
    except RecursionError:
        raise BadFile("it is nested too deeply") from None
    except ValueError as error:
        raise BadFile(str(error)[:200]) from None


def _sheet(name: str, values: Sequence[Any]) -> Sheet:
    return Sheet(name, lambda: map(as_row, values))
