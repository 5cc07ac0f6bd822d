"""The tables that a user may read, from `information_schema`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from mockforge_plugin.tables import Column, Table

COLUMNS: Final = """
select table_name, column_name, data_type, column_type, is_nullable, column_key from information_schema.columns
where table_schema = database() order by table_name, ordinal_position limit 20000
"""
_KINDS: Final = {
    **dict.fromkeys(("tinyint", "smallint", "mediumint", "int", "bigint", "year", "bit"), "integer"),
    "decimal": "decimal",
    "float": "float",
    "double": "float",
    "date": "date",
    "time": "time",
    "datetime": "datetime",
    "timestamp": "datetime",
    "json": "json",
    **dict.fromkeys(
        ("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "geometry", "point", "linestring", "polygon"), "binary"
    ),
}


def read_tables(rows: Iterable[tuple[Any, ...]]) -> list[Table]:
    """The tables and views of the database, from the rows of `COLUMNS`."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(row)
    return [Table(name, tuple(map(_column, of)), tuple(row[1] for row in of if row[5] == "PRI")) for name, of in found.items()]


def _column(row: tuple[Any, ...]) -> Column:
    kind = "boolean" if row[3] in ("tinyint(1)", "bit(1)") else _KINDS.get(row[2], "text")
    return Column(row[1], kind, row[4] == "YES")
