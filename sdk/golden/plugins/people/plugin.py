"""A data source over a list in memory."""

from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

from mockforge_plugin import Column, DataResult, DataSourcePlugin, PluginError, Table

COLUMNS = (
    Column("id", "integer", nullable=False), Column("name"), Column("born", "datetime"), Column("photo", "binary"), Column("tags", "json"),
    Column("key", "uuid"),
)


class People(DataSourcePlugin):
    async def connect(self):
        key = UUID("12345678123456781234567812345678")
        return [
            (1, "Ada", date(1815, 12, 10), b"\x00\xff", ["math"], key),
            (2, "Grâce", datetime(1906, 12, 9, 8, 30, tzinfo=UTC), None, [], key),
            (3, "李", None, b"", None, None),
        ]

    async def query(self, query, params, *, limit=None, cursor=None):
        rows = self.connection
        if query == "all":
            start = int(cursor or 0)
            end = start + (limit or len(rows))
            more = end < len(rows)
            return DataResult(COLUMNS, tuple(rows[start:end]), truncated=more, next=str(end) if more else None, total=len(rows))
        if query == "by_id":
            return [{"id": row[0], "name": row[1], "score": str(Decimal("1.50"))} for row in rows if row[0] == params["id"]]
        if query == "ragged":
            return DataResult((Column("a"), Column("b")), ((1, 2), (3,)))
        raise PluginError(f"no query '{query}'", code="not_found", details={"known": ["all", "by_id"]})

    def schema(self):
        return [Table("people", COLUMNS, ("id",))]
