"""Pages neither skip nor repeat rows, also where rows come and go meanwhile, and where a field's values are of all kinds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from bson import Decimal128, ObjectId

from plugins_builtin.data_mongodb.tests.conftest import Database, Opening
from tests.support.querying import Asking

MIXED: list[Any] = [
    None, 3, 1.5, Decimal128("2.5"), "b", "a", "", True, False, ObjectId("507f1f77bcf86cd799439011"), datetime(2026, 1, 1, tzinfo=UTC),
    b"x", -1, 2**60, None, "a", float("nan"), {"a": 1}, [5, 1],
]  # fmt: skip


async def pages(asking: Asking, query: str, limit: int, **options: Any) -> list[Any]:
    """All rows, page by page."""
    found: list[Any] = []
    cursor: str | None = None
    for _ in range(100):
        result = await asking.result(query, limit=limit, cursor=cursor, **options)
        found += result["rows"]
        if (cursor := result.get("next")) is None:
            assert not result["truncated"]
            return found
    raise AssertionError("the pages have no end")


@pytest.mark.parametrize("order", [["v"], ["-v"], ["-v", "w"], [], ["missing"]])
@pytest.mark.parametrize("limit", [1, 4])
async def test_18_every_row_comes_once_whatever_its_kind(database: Database, shop: Opening, order: list[str], limit: int) -> None:
    documents = [{"_id": n, "v": value, "w": n % 2} if n != 14 else {"_id": n, "w": 0} for n, value in enumerate(MIXED)]
    database.mixed.insert_many(documents[:-3] if order else documents)
    queries = {"q": {"query": {"find": "mixed"}, "order": order}, "p": {"from": "mixed", "columns": ["v"], "order": order}}
    async with shop(queries) as asking:
        whole = await asking.result("q")
        assert [row["_id"] for row in await pages(asking, "q", limit)] == [row["_id"] for row in whole["rows"]]
        assert len(await pages(asking, "p", limit)) == len(whole["rows"])


async def test_18_rows_that_come_and_go_move_no_others(database: Database, shop: Opening) -> None:
    database.items.insert_many([{"_id": n, "price": n // 2} for n in range(20)])
    async with shop({"q": {"from": "items", "columns": ["_id"], "order": ["-price"]}}) as asking:
        found: list[int] = []
        cursor: str | None = None
        for turn in range(4):
            result = await asking.result("q", limit=5, cursor=cursor)
            found, cursor = found + [row[0] for row in result["rows"]], result.get("next")
            database.items.insert_one({"_id": 100 + turn, "price": 50})
            database.items.delete_one({"_id": found[-1]})
    assert found == [n + m for n in range(18, -1, -2) for m in (0, 1)]


async def test_a_projection_hides_what_pages_go_by(database: Database, shop: Opening) -> None:
    database.items.insert_many([{"_id": n, "a": {"b": -n}, "c": n, "d": "x"} for n in range(7)])
    shown: dict[str, tuple[dict[str, Any], set[str]]] = {
        "picked": ({"_id": 0, "c": 1}, {"c"}), "left_out": ({"_id": 0, "d": 0}, {"a", "c"}), "sorted_away": ({"c": 0}, {"_id", "a", "d"}),
        "made": ({"_id": 0, "c": {"$add": ["$c", 1]}}, {"c"}),
    }  # fmt: skip
    for order in ("c", "a.b"):
        queries = {name: {"query": {"find": "items", "projection": about}, "order": [order]} for name, (about, _) in shown.items()}
        async with shop(queries) as asking:
            for name, (_, keys) in shown.items():
                rows = await pages(asking, name, 3)
                assert len(rows) == 7 and all(set(row) == keys for row in rows), (name, order)


async def test_a_pipeline_goes_on_after_so_many_rows_and_is_counted(database: Database, shop: Opening) -> None:
    database.items.insert_many([{"_id": n, "kind": n % 4, "n": n} for n in range(20)])
    pipeline = [{"$match": {"n": {"$gte": ":least"}}}, {"$group": {"_id": "$kind", "sum": {"$sum": "$n"}}}]
    query = {"query": {"aggregate": "items", "pipeline": pipeline}, "params": {"least": "integer"}, "order": ["-sum"]}
    async with shop({"q": query}) as asking:
        result = await asking.result("q", {"least": 0}, limit=3, count=True)
        assert ([row["sum"] for row in result["rows"]], result["total"]) == ([55, 50, 45], 4)
        rest = await asking.result("q", {"least": 0}, limit=3, cursor=result["next"])
        assert [row["sum"] for row in rest["rows"]] == [40] and "next" not in rest


async def test_17_a_collection_of_many_bytes_ends_at_the_limit(database: Database, shop: Opening) -> None:
    database.large.insert_many([{"_id": n, "text": "x" * 100_000} for n in range(30)])
    async with shop({"q": {"query": {"find": "large"}}}, {"max_mb": 1, "timeout_ms": 20_000}) as asking:
        refused = await asking.refused("q")
        assert refused.code == "limit" and "max_mb" in refused.why
        assert len(await asking.rows("q", limit=5)) == 5
