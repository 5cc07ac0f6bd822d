"""The tables that a role may read, from PostgreSQL's own catalogue."""

from __future__ import annotations

from typing import Any, Final

from mockforge_plugin.tables import Column, Table

from .types import column_type

MAX_COLUMNS: Final = 20_000
_COLUMNS: Final = """
select n.nspname, c.relname, a.attname, t.typname, t.typcategory, e.typname as item, a.attnotnull,
  exists (select from pg_catalog.pg_index i where i.indrelid = c.oid and i.indisprimary and a.attnum = any(i.indkey)) as is_key
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
join pg_catalog.pg_type t on t.oid = a.atttypid left join pg_catalog.pg_type e on e.oid = t.typelem and t.typcategory = 'A'
where c.relkind in ('r', 'v', 'm', 'f', 'p') and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
  and pg_catalog.has_schema_privilege(n.oid, 'usage') and pg_catalog.has_any_column_privilege(c.oid, 'select')
order by n.nspname, c.relname, a.attnum limit $1
"""


async def read_tables(driver: Any) -> list[Table]:
    """The tables and views, those of `public` without their schema's name."""
    found: dict[str, list[Any]] = {}
    for row in await driver.fetch(_COLUMNS, MAX_COLUMNS):
        name = row["relname"] if row["nspname"] == "public" else f"{row['nspname']}.{row['relname']}"
        found.setdefault(name, []).append(row)
    return [Table(name, tuple(map(_column, rows)), tuple(row["attname"] for row in rows if row["is_key"])) for name, rows in found.items()]


def _column(row: Any) -> Column:
    made = column_type(f"{row['item']}[]", "array") if row["item"] else column_type(row["typname"], "scalar")
    return Column(row["attname"], made, not row["attnotnull"])
