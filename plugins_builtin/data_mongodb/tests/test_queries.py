"""A query is one operation of a list; a parameter is a value wherever it stands; nothing runs code, and nothing writes that may not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from bson import Decimal128, ObjectId
from hypothesis import given
from hypothesis import strategies as st

from mockforge_plugin import PluginError
from plugins_builtin.data_mongodb.queries import DENIED, Values, read_query
from plugins_builtin.data_mongodb.tests.conftest import Database, Opening

FIND = {"find": "people", "filter": {"name": ":v"}, "projection": {"_id": 0}}
INJECTED: list[Any] = [{"$gt": ""}, {"$ne": None}, [], {}, 0, False, {"$where": "1"}, {"$regex": ".*"}, ["Ada"], {"a": {"$gt": ""}}]


@pytest.mark.parametrize("value", INJECTED)
async def test_6_an_operator_as_a_parameter_is_refused_or_a_value(database: Database, shop: Opening, value: Any) -> None:
    database.people.insert_many([{"name": "Ada"}, {"name": None}, {"name": ""}])
    kinds = ("text", "json", "integer", "text[]", "objectid", "decimal")
    async with shop({kind.strip("[]"): {"query": FIND, "params": {"v": kind}} for kind in kinds}) as asking:
        for kind in kinds:
            try:
                assert await asking.rows(kind.strip("[]"), {"v": value}) == []
            except Exception as error:
                assert getattr(error, "code", None) == "invalid_input"


@pytest.mark.parametrize("text", ["$secret", "$$ROOT", '{"$gt": ""}', "'; return true; //", "$where", "::a", ":v", "a\\b"])
async def test_5_a_text_is_a_value_in_every_place(database: Database, shop: Opening, text: str) -> None:
    database.people.insert_many([{"name": "Ada", "secret": "hush"}, {"name": text, "secret": "hush"}])
    params = {"v": "text"}
    places: dict[str, Any] = {
        "filter": {"find": "people", "filter": {"name": ":v"}, "projection": {"_id": 0, "name": 1}},
        "expr": {"find": "people", "filter": {"$expr": {"$eq": ["$name", ":v"]}}, "projection": {"_id": 0, "name": 1}},
        "projected": {"find": "people", "filter": {"name": ":v"}, "projection": {"_id": 0, "name": ":v"}},
        "stage": {"aggregate": "people", "pipeline": [{"$match": {"name": ":v"}}, {"$project": {"_id": 0, "name": ":v"}}]},
        "facet": {"aggregate": "people", "pipeline": [{"$facet": {"a": [{"$limit": 1}, {"$project": {"_id": 0, "name": ":v"}}]}}]},
        "joined": {"aggregate": "people", "pipeline": [
            {"$limit": 1}, {"$lookup": {"from": "people", "as": "a", "pipeline": [{"$limit": 1}, {"$project": {"_id": 0, "name": ":v"}}]}},
            {"$project": {"_id": 0, "a": 1}}]},
        "regex": {"find": "people", "filter": {"name": {"$regex": ":v"}}, "projection": {"_id": 0, "name": 1}},
    }  # fmt: skip
    async with shop({name: {"query": query, "params": params} for name, query in places.items()}) as asking:
        for name in ("filter", "expr", "projected", "stage", "regex"):
            assert await asking.rows(name, {"v": text}) == [{"name": text}], name
        for name in ("facet", "joined"):
            assert await asking.rows(name, {"v": text}) == [{"a": [{"name": text}]}], name


async def test_literals_may_be_extended_json_and_a_colon_is_written_twice(database: Database, shop: Opening) -> None:
    id = ObjectId()
    database.people.insert_one({"_id": id, "name": ":v", "price": Decimal128("1.10")})
    query = {"find": "people", "filter": {"_id": {"$oid": str(id)}, "name": "::v", "price": {"$gte": {"$numberDecimal": "1.1"}}}}
    async with shop({"q": {"query": query}, "wrong": {"query": {"find": "people", "filter": {"_id": {"$oid": ":id"}}}}}) as asking:
        assert len(await asking.rows("q")) == 1
        assert "not Extended JSON" in (await asking.refused("wrong")).why


def nestings(key: str) -> Iterator[dict[str, Any]]:
    """Queries with that key at all depths."""
    yield {"find": "a", "filter": {key: "x"}}
    yield {"find": "a", "filter": {"$and": [{"b": {"$not": {key: "x"}}}]}}
    yield {"find": "a", "projection": {"x": {"$cond": [{key: "x"}, 1, 2]}}}
    yield {"aggregate": "a", "pipeline": [{key: "x"}]}
    yield {"aggregate": "a", "pipeline": [{"$match": {"$or": [{"$expr": {key: "x"}}]}}]}
    yield {"aggregate": "a", "pipeline": [{"$facet": {"f": [{"$lookup": {"from": "b", "as": "c", "pipeline": [{key: "x"}]}}]}}]}
    yield {"aggregate": "a", "pipeline": [{"$group": {"_id": None, "n": {key: {}}}}]}
    yield {"aggregate": "a", "pipeline": [{"$unionWith": {"coll": "b", "pipeline": [{key: {"into": "x"}}]}}]}


@pytest.mark.parametrize("key", sorted(DENIED))
def test_9_code_and_stages_that_write_are_refused_at_any_depth(key: str) -> None:
    for query in nestings(key):
        for write in (False, True):
            with pytest.raises(PluginError):
                read_query(query, write=write)


async def test_9_a_query_that_reads_changes_nothing(database: Database, shop: Opening) -> None:
    database.people.insert_one({"_id": 1})
    texts = (
        '{"aggregate": "people", "pipeline": [{"$out": "stolen"}]}', '{"delete": "people", "all": true}', '{"drop": "people"}',
        '{"insert": "people", "documents": {}}', '{"find": "people", "$db": "admin"}', '{"find": "system.users"}', '{"eval": "1"}',
        "[]", "x",
        '{"aggregate": "people", "pipeline": [{"$lookup": {"from": {"db": "admin", "coll": "system.users"}, "as": "x"}}]}',
        '{"aggregate": "people", "pipeline": [{"$currentOp": {}}]}', '{"aggregate": "people", "pipeline": [{"$unionWith": "system.js"}]}',
        '{"find": ":v"}', "[" * 100_000,
    )  # fmt: skip
    async with shop({}) as asking:
        for text in texts:
            assert (await asking.refused(text, raw=True)).code == "bad_data", text
        assert await asking.rows('{"find": "people"}', raw=True) == [{"_id": 1}]
    assert database.list_collection_names() == ["people"] and database.people.count_documents({}) == 1


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"find": "a", "update": "b"}, "exactly one"), ({"filter": {}}, "exactly one"), ({"find": "a", "fitler": {}}, "`fitler`"),
        ({"find": "$cmd"}, "not a collection"), ({"find": 5}, "not a collection"), ({"aggregate": "a"}, "`pipeline`"),
        ({"aggregate": "a", "pipeline": [{"$match": {}, "$sort": {}}]}, "a stage"), ({"find": "a", "sort": {"b": "asc"}}, "1 or -1"),
        ({"find": "a", "filter": {"$or": [":v"]}}, "no parameter in their place"),
        ({"find": "a", "filter": {"$and": ":v"}}, "no parameter in"),
        ({"find": "a", "filter": {"b": {"$elemMatch": ":v"}}}, "no parameter in"), ({"update": "a", "filter": {"b": 1}}, "`change`"),
        ({"update": "a", "filter": {"b": 1}, "change": {"b": 2}}, "`change`"), ({"update": "a", "change": {"$set": {}}}, "every document"),
        ({"delete": "a"}, "every document"), ({"insert": "a"}, "`documents`"), ({"find": "a", "filter": "x"}, "an object"),
    ],
)  # fmt: skip
def test_a_query_that_is_none_is_refused_with_its_reason(query: dict[str, Any], words: str) -> None:
    with pytest.raises(PluginError, match=words):
        read_query(query, write=True)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8
)


@given(JSON)
def test_whatever_is_given_as_json_no_operator_comes_of_it(value: Any) -> None:
    def operators(node: Any) -> bool:
        if isinstance(node, dict):
            return any(key.startswith("$") or operators(item) for key, item in node.items())
        return isinstance(node, list) and any(map(operators, node))

    values = Values({"v": value}, {"v": "json"})
    try:
        assert not operators(values.value({"a": ":v"}))
        made = values.expression(":v")
    except PluginError as error:
        assert error.code == "invalid_input"
        return
    assert not isinstance(made, str | list) and (not isinstance(made, dict) or set(made) == {"$literal"})
