"""PostgreSQL's types: how they are read from the server without loss, and how parameters are sent.

Numbers of any precision, dates, times, intervals, ranges and the like come as the server's own text (DateStyle ISO, IntervalStyle
iso_8601): Python's types have no `infinity`, no year 5000 BC, no `24:00`. Whole numbers, booleans, floats and bytes come in binary.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from mockforge_plugin.engines.sql.statement import Piece, rendered

KINDS: Final[Mapping[str, str]] = {
    "bool": "boolean", "int2": "integer", "int4": "integer", "int8": "integer", "oid": "integer", "float4": "float", "float8": "float",
    "numeric": "decimal", "date": "date", "time": "time", "timetz": "time", "timestamp": "datetime", "timestamptz": "datetime",
    "interval": "interval", "bytea": "binary", "json": "json", "jsonb": "json", "uuid": "uuid",
}  # fmt: skip
"""Types of columns by the names that the server gives its own; all others are text."""

_AS_TEXT: Final[Mapping[str, int]] = {
    "numeric": 1700, "date": 1082, "time": 1083, "timetz": 1266, "interval": 1186, "uuid": 2950, "inet": 869, "cidr": 650, "macaddr": 829,
    "macaddr8": 774, "bit": 1560, "varbit": 1562, "money": 790, "point": 600, "lseg": 601, "path": 602, "box": 603, "polygon": 604,
    "line": 628, "circle": 718, "tsvector": 3614, "tsquery": 3615, "jsonpath": 4072, "pg_lsn": 3220, "tid": 27, "xid": 28, "cid": 29,
    "xid8": 5069, "txid_snapshot": 2970, "pg_snapshot": 5038, "regproc": 24, "regclass": 2205, "regtype": 2206, "int4range": 3904,
    "int8range": 3926, "numrange": 3906, "tsrange": 3908, "tstzrange": 3910, "daterange": 3912, "int4multirange": 4451,
    "int8multirange": 4536, "nummultirange": 4532, "tsmultirange": 4533, "tstzmultirange": 4534, "datemultirange": 4535,
}  # fmt: skip
"""Types that are read and sent as text, with their object ids (PostgreSQL's pg_type.dat)."""
_CASTS: Final[Mapping[str, str]] = {
    "integer": "bigint", "float": "double precision", "boolean": "boolean", "decimal": "numeric", "date": "date", "interval": "interval",
    "binary": "bytea", "uuid": "uuid", "objectid": "text",
}  # fmt: skip
"""What a parameter's place says that it is. A text has no cast: it is what stands beside it, an enumeration or a citext, say."""
_OFFSET: Final = re.compile(r"(?:Z|[+-][0-9]{2}(?::?[0-9]{2}){0,2})\Z")


def iso_datetime(text: str) -> str:
    """`2026-01-31 23:59:59+00` → `2026-01-31T23:59:59+00:00`; `infinity` stays, and so does what stands behind a year BC."""
    if text[:1] in "0123456789":
        text = text.replace(" ", "T", 1)
        if text.endswith(" BC"):
            return f"{_whole_offset(text[:-3])} BC"
    return _whole_offset(text)


def _whole_offset(text: str) -> str:
    return f"{text}:00" if text[-3:-2] in ("+", "-") and text.count(":") else text


def set_codecs(add: Callable[..., None]) -> None:
    """Tell a connection; `add` is asyncpg's `add_python_codec`."""

    def codec(oid: int, name: str, decoder: Callable[[str], Any], encoder: Callable[[Any], str] = str) -> None:
        add(oid, name, "pg_catalog", [], "scalar", encoder, decoder, "text")

    for name, oid in _AS_TEXT.items():
        codec(oid, name, _whole_offset if name == "timetz" else str)
    codec(1114, "timestamp", iso_datetime)
    codec(1184, "timestamptz", iso_datetime)
    codec(700, "float4", float, repr)
    codec(114, "json", json.loads)
    codec(3802, "jsonb", json.loads)


def column_type(name: str, kind: str) -> str:
    """The type of a column, by the name and kind that asyncpg gives it."""
    if kind == "array":
        made = KINDS.get(name.removesuffix("[]"), "text")
        return made if made == "json" else f"{made}[]"
    return KINDS.get(name, "text")


def bound(pieces: Sequence[Piece], params: Mapping[str, Any], types: Mapping[str, str]) -> tuple[str, list[Any]]:
    """The text with `$1`, `$2`, and their values."""
    places: dict[str, str] = {}
    values: list[Any] = []

    def bind(name: str) -> str:
        if (place := places.get(name)) is None:
            cast, value = _sent(types.get(name, ""), params[name])
            values.append(value)
            place = places[name] = f"${len(values)}::{cast}" if cast else f"${len(values)}"
        return place

    return rendered(pieces, bind), values


def _sent(kind: str, value: Any) -> tuple[str, Any]:
    """(cast, value) of a parameter that the host made what its type says."""
    if kind.endswith("[]"):
        items = value or []
        cast = max((_sent(kind[:-2], item)[0] for item in items), key=len, default=_sent(kind[:-2], None)[0])
        return f"{cast}[]" if cast else "", None if value is None else [_sent(kind[:-2], item)[1] for item in items]
    if kind == "datetime":
        return "timestamptz" if value is not None and _OFFSET.search(value, 10) else "timestamp", value
    if kind == "time":
        return "timetz" if value is not None and _OFFSET.search(value) else "time", value
    if kind == "binary" and value is not None:
        value = b64decode(value)
    elif kind == "json" and value is not None:
        value = json.dumps(value, ensure_ascii=False)
    return _CASTS.get(kind, ""), value
