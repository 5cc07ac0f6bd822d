"""A data source of every type of value, asked in every way: texts, statements of a transaction, objects, portable queries."""

from datetime import UTC, date, datetime
from decimal import Decimal

from mockforge_plugin import Column, DataResult, DataSourcePlugin, PluginError, Table

COLUMNS = (
    Column("id", "integer", nullable=False), Column("price", "decimal"), Column("ratio", "float"), Column("day", "date"),
    Column("at", "datetime"), Column("open", "boolean"), Column("sizes", "integer[]"), Column("photos", "binary[]"), Column("more", "json"),
)
ROWS = (
    (1, Decimal("1.10"), 0.5, date(2026, 1, 31), datetime(2026, 1, 31, 23, 59, 59, 120_000, tzinfo=UTC), True, [1, None], [b"\x00\xff"],
     {"photo": b"ab", "when": date(2026, 1, 31)}),
    (2**70, Decimal("0.00"), float("nan"), None, None, None, None, None, None),
    (-(2**70), "infinity", float("-inf"), "infinity", "infinity", False, [], [], [float("inf")]),
)  # fmt: skip


class Stock(DataSourcePlugin):
    def capabilities(self):
        return {"pages": "by offset"}

    def query(self, query, params, **options):
        if isinstance(query, dict):
            return self.portable(query, params, options)
        if isinstance(query, list):
            return DataResult((), (), affected=len(query))
        if query == "types":
            start = int(options.get("cursor") or 0)
            end = start + options.get("limit", 100)
            more = end < len(ROWS)
            total = len(ROWS) if options.get("count") else None
            return DataResult(COLUMNS, ROWS[start:end], more, str(end) if more else None, total, waited_ms=1.5)
        if query == "documents":
            rows = ({"_id": 1, "by": {"photo": b"ab"}}, {"_id": 2, "price": Decimal("1.10")})
            return DataResult((Column("price", "decimal"),), rows, documents=True)
        if query == "odd type":
            return DataResult((Column("a", "varchar"),), ())
        if query == "busy":
            raise PluginError("no connection left", code="unavailable", retryable=True, details={"busy": True, "retry_after_s": 2})
        if query == "taken":
            raise PluginError("a unique key", code="conflict")
        raise PluginError("the table has changed", code="bad_data")

    def portable(self, query, params, options):
        if "find" in query:
            return [{"asked": query, "params": params, "options": options}]
        if "delete" in query or "update" in query:
            return DataResult((), (), affected=params["id"])
        if "insert" in query:
            given = [params.get(name) for name in query["insert"].values()]
            return DataResult(tuple(map(Column, query["insert"])), (given,), affected=1)
        columns = query.get("columns") or ["all"]
        return DataResult(tuple(map(Column, columns)), ([", ".join(query["where"])] * len(columns),))

    def schema(self):
        return [Table("stock", COLUMNS, ("id",))]
