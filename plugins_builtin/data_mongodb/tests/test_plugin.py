"""Rows of documents: their types, what is missing, what is written, and tables that they are taken for."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from bson import Binary, Decimal128, Int64, MaxKey, ObjectId, Regex, Timestamp

from mockforge_asgi.errors import MockForgeError
from plugins_builtin.data_mongodb.tests.conftest import Database, Opening
from tests.support.portable_contract import hold_portable_contract
from tests.support.querying import asking

ID, UID = ObjectId("507f1f77bcf86cd799439011"), UUID("12345678-1234-5678-1234-567812345678")
EVERY: dict[str, Any] = {
    "_id": ID, "text": "a", "empty": "", "null": None, "long": Int64(2**63 - 1), "price": Decimal128("1.10"), "nan": float("nan"),
    "infinite": Decimal128("Infinity"), "score": 0.5, "yes": True, "at": datetime(2026, 1, 31, 23, 59, 59, 5000, UTC), "uuid": UID,
    "bytes": b"\0\xff", "tags": ["a", None, 1], "nested": {"price": Decimal128("0.00"), "id": ID, "at": [datetime(2000, 1, 1, tzinfo=UTC)]},
    "regex": Regex("^a"), "stamp": Timestamp(1, 1), "max": MaxKey(), "other": Binary(b"x", 5),
}  # fmt: skip
TYPED = {
    "integer": 2**63 - 1, "float": 0.5, "decimal": "1.10", "boolean": False, "text": "$price", "date": "2026-01-31", "uuid": str(UID),
    "datetime": "2026-01-31T23:59:59.005+00:00", "binary": "AP8=", "objectid": str(ID), "integer[]": [1, 2],
    "json": {"a": [1, {"b": None}]},
}  # fmt: skip


async def test_1_each_type_of_a_document_is_what_it_is(database: Database, shop: Opening) -> None:
    database.every.insert_one(dict(EVERY))
    async with shop({"q": {"query": {"find": "every"}}}) as asking:
        result = await asking.result("q")
    (row,), kinds = result["rows"], {column["name"]: column["type"] for column in result["columns"]}
    assert row == {
        "_id": str(ID), "text": "a", "empty": "", "null": None, "long": 2**63 - 1, "price": "1.10", "nan": "NaN", "infinite": "Infinity",
        "score": 0.5, "yes": True, "at": "2026-01-31T23:59:59.005000+00:00", "uuid": str(UID), "bytes": "AP8=", "tags": ["a", None, 1],
        "nested": {"price": "0.00", "id": str(ID), "at": ["2000-01-01T00:00:00+00:00"]}, "regex": "^a",
        "stamp": "1970-01-01T00:00:01+00:00", "max": "MaxKey", "other": "eA==",
    }  # fmt: skip
    assert (kinds["_id"], kinds["price"], kinds["at"], kinds["uuid"], kinds["bytes"]) == (
        "objectid",
        "decimal",
        "datetime",
        "uuid",
        "binary",
    )


async def test_3_null_empty_and_missing_stay_apart(database: Database, shop: Opening) -> None:
    database.people.insert_many([{"_id": 1, "city": None}, {"_id": 2, "city": ""}, {"_id": 3}])
    async with shop({"q": {"query": {"find": "people"}}}) as asking:
        assert await asking.rows("q") == [{"_id": 1, "city": None}, {"_id": 2, "city": ""}, {"_id": 3}]


async def test_integers_and_decimals_of_one_field_are_decimals(database: Database, shop: Opening) -> None:
    database.items.insert_many([{"_id": 1, "price": 5}, {"_id": 2, "price": Decimal128("1.10")}, {"_id": 3, "price": None}])
    async with shop({"q": {"query": {"find": "items", "projection": {"_id": 0}}}}) as asking:
        result = await asking.result("q")
    assert result["columns"] == [{"name": "price", "type": "decimal", "nullable": True}]
    assert result["rows"] == [{"price": "5"}, {"price": "1.10"}, {"price": None}]


async def test_a_parameter_of_each_type_is_written_and_found_again(database: Database, shop: Opening) -> None:
    queries = {}
    for number, kind in enumerate(TYPED):
        params = {"v": kind}
        queries[f"add{number}"] = {"query": {"insert": "typed", "documents": {"_id": number, "v": ":v"}}, "params": params, "write": True}
        queries[f"find{number}"] = {"query": {"find": "typed", "filter": {"v": ":v"}, "projection": {"v": 1}}, "params": params}
    async with shop(queries) as asking:
        for number, (kind, value) in enumerate(TYPED.items()):
            assert (await asking.result(f"add{number}", {"v": value}))["affected"] == 1
            (row,) = await asking.rows(f"find{number}", {"v": value})
            shown = {"date": "2026-01-31T00:00:00+00:00", "datetime": "2026-01-31T23:59:59.005000+00:00"}.get(kind, value)
            assert row == {"_id": number, "v": shown}
    kinds = {document["_id"]: type(document["v"]) for document in database.typed.find()}
    assert [kinds[n].__name__ for n in range(len(TYPED))] == [
        "Int64", "float", "Decimal128", "bool", "str", "datetime", "UUID", "datetime", "bytes", "ObjectId", "list", "dict",
    ]  # fmt: skip


WRITES: dict[str, Any] = {
    "add": {"query": {"insert": "people", "documents": {"_id": ":id", "name": ":name"}}, "params": {"id": "integer", "name": "text"},
            "write": True},
    "raw": {"query": {"insert": "people", "documents": [":doc"]}, "params": {"doc": "json"}, "write": True},
    "rename": {"query": {"update": "people", "filter": {"_id": ":id"}, "change": {"$set": {"name": ":name"}}, "returns": True},
               "params": {"id": "integer", "name": "text"}, "write": True},
    "all": {"query": {"update": "people", "change": {"$inc": {"n": 1}}, "many": True, "all": True}, "write": True},
    "upsert": {"query": {"update": "people", "filter": {"_id": 9}, "change": {"$set": {"n": 1}}, "upsert": True}, "write": True},
    "remove": {"query": {"delete": "people", "filter": {"_id": ":id"}}, "params": {"id": "integer"}, "write": True},
    "clear": {"query": {"delete": "people", "all": True, "many": True}, "write": True},
    "swap": {"query": [
        '{"update": "people", "filter": {"_id": 1}, "change": {"$inc": {"n": -5}}}',
        '{"insert": "people", "documents": {"_id": ":id"}}'], "params": {"id": "integer"}, "write": True},
}  # fmt: skip


async def test_writes_tell_what_they_changed(database: Database, shop: Opening) -> None:
    database.people.create_index("name", unique=True, sparse=True)
    async with shop(WRITES) as asking:
        made = await asking.result("add", {"id": 1, "name": "Ada"})
        assert (made["rows"], made["affected"]) == ([{"_id": 1, "name": "Ada"}], 1)
        await asking.result("add", {"id": 2, "name": "Bo"})
        for query, params in (("add", {"id": 1, "name": "x"}), ("add", {"id": 3, "name": "Bo"}), ("rename", {"id": 1, "name": "Bo"})):
            refused = await asking.refused(query, params)
            assert refused.code == "conflict" and "Bo" not in refused.told + refused.why
        documents: list[Any] = ["text", [], 5, {"$set": {}}, {"a": {"$inc": 1}}]
        for document in documents:
            assert (await asking.refused("raw", {"doc": document})).code == "invalid_input"
        assert (await asking.result("rename", {"id": 2, "name": "Cy"}))["rows"] == [{"_id": 2, "name": "Cy"}]
        assert [(await asking.result(query))["affected"] for query in ("all", "upsert", "upsert")] == [2, 1, 1]
        gone = [await asking.result("remove", {"id": 2}) for _ in range(2)]
        assert [(result["rows"], result["affected"]) for result in gone] == [([], 1), ([], 0)]
        assert (await asking.result("clear"))["affected"] == 2


async def test_22_statements_of_one_transaction_are_done_all_or_not_at_all(database: Database, shop: Opening) -> None:
    database.people.insert_many([{"_id": 1, "n": 10}, {"_id": 2}])
    async with shop(WRITES) as asking:
        assert (await asking.refused("swap", {"id": 2})).code == "conflict"
        assert database.people.find_one(1)["n"] == 10
        assert (await asking.result("swap", {"id": 3}))["affected"] == 2
    assert database.people.find_one(1)["n"] == 5


async def test_nothing_is_written_without_a_user_for_it(database: Database, shop: Opening, server: Any) -> None:
    source = {"use": "mongodb", "config": {"hosts": [server.host], "database": "shop"}, "queries": {"q": WRITES["clear"]}}
    database.people.insert_one({"_id": 1})
    async with asking(source) as made:
        assert "no user that writes" in (await made.refused("q")).why
    assert database.people.count_documents({}) == 1


PORTABLE: dict[str, Any] = {
    "some": {"from": "items", "columns": ["name", "price"], "where": {"city": {"type": "text", "optional": True}}, "order": ["-name"]},
    "whole": {"from": "items", "where": {"name": "text"}},
    "declared": {"from": "things"},
    "add": {"from": "items", "insert": {"name": "text", "price": {"type": "decimal", "optional": True}}, "columns": ["price", "name"]},
    "change": {"from": "items", "update": {"price": {"type": "decimal", "optional": True}}, "where": {"name": "text"}},
    "remove": {"from": "items", "delete": True, "where": {"name": "text"}},
}


async def test_portable_queries_take_a_collection_for_a_table(database: Database, shop: Opening) -> None:
    database.items.create_index("name", unique=True)
    database.items.insert_many(
        [{"name": "tea", "price": Decimal128("1.10"), "city": "Oslo"}, {"name": "salt", "city": None}, {"name": "$x"}]
    )
    collections = {"things": {"columns": {"id": "integer", "price": "decimal"}}}
    async with shop(PORTABLE, collections=collections) as asking:
        result = await asking.result("some", count=True)
        assert ([column["type"] for column in result["columns"]], result["total"]) == (["text", "decimal"], 3)
        assert result["rows"] == [["tea", "1.10"], ["salt", None], ["$x", None]]
        assert [row["name"] for row in await asking.rows("some", {"city": "Oslo"})] == ["tea"]
        assert [row["name"] for row in await asking.rows("some", {"city": None})] == ["salt", "$x"]
        (whole,) = await asking.rows("whole", {"name": "$x"})
        assert set(whole) == {"_id", "name"}
        declared = await asking.result("declared")
        assert declared["columns"] == [
            {"name": name, "type": kind, "nullable": True} for name, kind in collections["things"]["columns"].items()
        ]
        made = await asking.result("add", {"name": "rice", "price": "2"})
        assert (made["rows"], made["affected"]) == ([["2", "rice"]], 1)
        assert (await asking.refused("add", {"name": "rice"})).code == "conflict"
        changes = [await asking.result("change", given) for given in ({"name": "rice", "price": "3"}, {"name": "rice"}, {"name": "none"})]
        assert [change["affected"] for change in changes] == [1, 1, 0]
        assert [(await asking.result("remove", {"name": "rice"}))["affected"] for _ in range(2)] == [1, 0]


async def test_a_declared_collection_holds_the_contract_of_portable_queries(database: Database, shop: Opening) -> None:
    database.articles.create_index("name", unique=True)
    columns = {
        "id": {"type": "integer", "generated": True}, "name": {"type": "text", "required": True}, "price": "decimal",
        "city": {"type": "text", "default": "Oslo"},
    }  # fmt: skip
    async with shop({}, collections={"articles": {"columns": columns}}) as asking:
        await hold_portable_contract(lambda asked: asking.runtime.plugin("s").query(None, asked))
        assert "mockforge_counters" not in await asking.schema()


async def test_generated_numbers_go_on_behind_those_that_are_there(database: Database, shop: Opening) -> None:
    database.items.insert_many([{"id": 41, "name": "a"}, {"id": "text", "name": "b"}])
    columns = {"id": {"type": "integer", "generated": True}, "name": "text"}
    async with shop({"add": {"from": "items", "insert": {"name": "text"}}}, collections={"items": {"columns": columns}}) as asking:
        made = await asyncio.gather(*(asking.rows("add", {"name": str(n)}) for n in range(2)))
        assert await asking.rows("add", {"name": "z"}) == [{"id": 44, "name": "z"}]
    assert len({row["id"] for (row,) in made}) == 2


async def test_the_schema_has_the_fields_of_some_documents_or_those_that_are_declared(database: Database, shop: Opening) -> None:
    database.items.insert_many([{"name": "tea"}, {"price": Decimal128("1"), "name": 5}])
    database.things.insert_one({"x": 1})
    async with shop({}, collections={"things": {"columns": {"id": "integer"}}}) as asking:
        assert await asking.schema() == {"items": {"_id": "objectid", "name": "json", "price": "decimal"}, "things": {"id": "integer"}}


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"hosts": ["a"], "database": "b", "user": "c"}, "a password"),
        ({"hosts": ["a"], "database": "b", "write": {"user": "c"}}, "a password"),
        ({"hosts": ["localhost"], "database": "b", "ca_file": "/x.pem"}, "no effect"),
        ({"hosts": ["a/?tls=false"], "database": "b"}, "hosts"),
        ({"hosts": ["a"], "database": "b.c"}, "database"),
        ({"hosts": ["a"], "database": "b", "collections": {"c": {"columns": {"d": "int"}}}}, "not a type"),
        ({"hosts": ["a"], "database": "b", "collections": {"c": {"columns": {"d": {"type": "text", "generated": True}}}}}, "only integers"),
        ({"hosts": ["a"], "database": "b", "collections": {"c": {"columns": {"d": {"type": "objectid", "default": "x"}}}}}, "its default"),
        ({"hosts": ["a", "b"], "database": "c", "read_preference": "nearest"}, "replica_set"),
    ],
)  # fmt: skip
async def test_what_is_wrong_in_the_configuration_is_told_at_the_start(config: dict[str, Any], words: str) -> None:
    with pytest.raises(MockForgeError) as caught:
        async with asking({"use": "mongodb", "config": config}):
            pass
    assert words in str(caught.value)
