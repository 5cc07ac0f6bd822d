"""A data source over an INI file: each section is a row of the table `flags`."""

from __future__ import annotations

from configparser import ConfigParser, Error, SectionProxy
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from mockforge_plugin import Column, DataResult, DataSourcePlugin, Json, PluginError, Table, resource

COLUMNS = {
    "name": Column("name", "text", nullable=False),
    "on": Column("on", "boolean", nullable=False),
    "share": Column("share", "decimal"),
    "since": Column("since", "date"),
    "owner": Column("owner", "text"),
}


class Flags(DataSourcePlugin):
    async def connect(self) -> list[dict[str, Any]]:
        """The rows, read once for each instance: a dict for each section."""
        parser = ConfigParser(interpolation=None)
        try:
            parser.read_string((await resource(self.config["file"])).decode("utf-8"))
            return [row_of(name, parser[name]) for name in parser.sections()]
        except (Error, ValueError, InvalidOperation) as error:
            raise PluginError(f"{self.config['file']} cannot be read: {error}", code="bad_data") from error

    def query(
        self,
        query: Json,
        params: dict[str, Json],
        *,
        limit: int = 1000,
        cursor: str | None = None,
        order: tuple[str, ...] = (),
        count: bool = False,
        write: bool = False,
    ) -> DataResult:
        """Portable queries, `{from: flags, …}`, that read."""
        if not isinstance(query, dict) or query.get("from") != "flags" or write:
            raise PluginError("a query reads the table flags: {from: flags, where: …}", code="bad_data")
        names = query.get("columns") or list(COLUMNS)
        where = [name for name in query.get("where", ()) if name in params]
        for name in (*names, *where, *(column.removeprefix("-") for column in order)):
            if name not in COLUMNS:
                raise PluginError(f"there is no column {name!r}; there are {', '.join(COLUMNS)}", code="bad_data")
        rows = [row for row in self.connection if all(as_sent(row[name]) == params[name] for name in where)]
        for column in reversed(order):
            name = column.removeprefix("-")
            rows.sort(key=lambda row: (row[name] is not None, row[name] or 0), reverse=column.startswith("-"))
        start = int(cursor or 0)
        page = rows[start : start + limit]
        is_more = start + limit < len(rows)
        return DataResult(
            tuple(COLUMNS[name] for name in names),
            tuple(tuple(row[name] for name in names) for row in page),
            truncated=is_more,
            next=str(start + limit) if is_more else None,
            total=len(rows) if count else None,
        )

    def schema(self) -> list[Table]:
        """The one table."""
        return [Table("flags", tuple(COLUMNS.values()), ("name",))]


def row_of(name: str, section: SectionProxy) -> dict[str, Any]:
    """A section's values in the types of the columns."""
    share, since = section.get("share"), section.get("since")
    return {
        "name": name,
        "on": section.getboolean("on", fallback=False),
        "share": None if share is None else Decimal(share),
        "since": None if since is None else date.fromisoformat(since),
        "owner": section.get("owner"),
    }


def as_sent(value: object) -> object:
    """A value as parameters have it: decimals and dates are text."""
    return str(value) if isinstance(value, Decimal | date) else value
