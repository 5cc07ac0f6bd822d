"""Answers are rows in typed columns, and numbers keep their digits."""

from __future__ import annotations

import pytest

from plugins_builtin.data_rest.tests.api import Api
from plugins_builtin.data_rest.tests.conftest import Opening

USERS = {
    "one": {"query": {"get": "/users/:id"}, "params": {"id": "integer"}},
    "all": {"query": {"get": "/users"}},
    "add": {"query": {"post": "/users", "json": {"name": ":name"}}, "params": {"name": "text"}, "write": True},
    "remove": {"query": {"delete": "/users/:id"}, "params": {"id": "integer"}, "write": True},
    "wrong": {"query": {"get": "/nowhere"}},
}


async def test_a_thing_is_a_row_and_a_list_is_its_items(api: Api, shop: Opening) -> None:
    async with shop(USERS, rows="$.data") as asking:
        assert await asking.rows("one", {"id": 1}) == [{"id": 1, "name": "Ada", "city": "Oslo"}]
        assert [row["id"] for row in await asking.rows("all")] == [1, 2]
        assert await asking.rows("one", {"id": 9}) == []
        assert (await asking.refused("wrong")).code == "bad_data"


async def test_what_is_written_is_told_and_a_conflict_is_one(api: Api, shop: Opening) -> None:
    async with shop(USERS, rows="$.data") as asking:
        made = await asking.result("add", {"name": "Cy"})
        assert (made["rows"], made["affected"]) == ([[3, None, "Cy"]], 1)
        refused = await asking.refused("add", {"name": "Cy"})
        assert refused.code == "conflict" and "10.0.0.1" not in refused.told + refused.why
        results = [await asking.result("remove", {"id": 3}) for _ in range(2)]
        assert [(result["rows"], result["affected"]) for result in results] == [([], 1), ([], 0)]


async def test_numbers_keep_their_digits(shop: Opening) -> None:
    async with shop({"q": {"query": {"get": "/numbers"}}}) as asking:
        result = await asking.result("q")
    kinds = {column["name"]: column["type"] for column in result["columns"]}
    assert kinds == {"id": "integer", "price": "decimal", "n": "json", "m": "json", "s": "text", "b": "boolean", "e": "decimal"}
    assert result["rows"] == [
        [9007199254740993, "1.10", {"x": "0.12345678901234567890", "y": 2.5}, 1, "1.10", True, None],
        [2, "12345678901234567890.10", None, "x", None, None, "1e3"],
    ]


async def test_documents_tell_what_is_missing_from_what_is_null(shop: Opening) -> None:
    async with shop({"q": {"query": {"get": "/numbers", "documents": True}}}) as asking:
        result = await asking.result("q")
    assert [column["name"] for column in result["columns"]] == ["e", "price"]
    assert "s" not in result["rows"][1] and result["rows"][1]["n"] is None and result["rows"][0]["price"] == "1.10"


async def test_declared_columns_are_picked_and_typed(shop: Opening) -> None:
    columns = {"id": "text", "x": {"path": "$.n.x", "type": "decimal"}, "price": "decimal", "none": "integer[]"}
    queries = {name: {"query": {"get": "/numbers", "columns": of}} for name, of in (("q", columns), ("wrong", {"m": "integer"}))}
    async with shop(queries) as asking:
        assert await asking.rows("q") == [
            {"id": "9007199254740993", "x": "0.12345678901234567890", "price": "1.10", "none": None},
            {"id": "2", "x": None, "price": "12345678901234567890.10", "none": None},
        ]
        refused = await asking.refused("wrong")
    assert (refused.code, refused.why) == ("bad_data", "column 'm' of row 2 in the answer is not integer")


@pytest.mark.parametrize(
    ("of", "words"),
    [("plain", "not JSON"), ("deep", "too deeply"), ("nan", "not a value of JSON"), ("digits", "too many digits"), ("half", "column"),
     ("bytes", "not JSON")],
)  # fmt: skip
async def test_what_is_no_json_is_bad_data(shop: Opening, of: str, words: str) -> None:
    async with shop({"q": {"query": {"get": "/text", "query": {"of": of}}}}) as asking:
        refused = await asking.refused("q")
    assert refused.code == "bad_data" and words in refused.why


async def test_a_portable_query_is_filtered_sorted_and_cut_here(shop: Opening) -> None:
    queries = {
        "city": {"from": "users", "columns": ["name"], "where": {"city": {"type": "text", "optional": True}}, "order": ["-name"]},
        "items": {"from": "things", "where": {"id": {"type": "integer", "optional": True}}, "order": ["-id"], "limit": 10},
        "unknown": {"from": "users", "where": {"nothing": "text"}},
    }
    things = {
        "get": "/items",
        "rows": "$.items",
        "paging": {"by": "offset", "parameter": "offset", "size": 10},
        "columns": {"id": "integer"},
    }
    async with shop(queries, rows="$.data", tables={"things": things}) as asking:
        assert [row["name"] for row in await asking.rows("city")] == ["Bo", "Ada"]
        assert [row["name"] for row in await asking.rows("city", {"city": "Oslo"})] == ["Ada"]
        assert [row["name"] for row in await asking.rows("city", {"city": None})] == ["Bo"]
        assert [row["id"] for row in await asking.rows("items", {"id": "7"})] == [7]
        first = await asking.result("items")
        second = await asking.result("items", cursor=first["next"])
        assert [row[0] for row in first["rows"] + second["rows"]] == list(range(25, 5, -1))
        assert "no column 'nothing'" in (await asking.refused("unknown", {"nothing": "x"})).why
