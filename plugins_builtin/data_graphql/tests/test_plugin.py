"""Rows of a GraphQL API: lists, things, connections in pages, mutations; and what it may do to us."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mockforge_asgi.errors import MockForgeError, SourceFailed
from mockforge_asgi.testing import Server
from plugins_builtin.data_graphql.tests.api import USERS, Api
from plugins_builtin.data_graphql.tests.conftest import Opening
from tests.support.querying import asking

USER = {"query": "query ($id: Int!) { user(id: $id) { id name credit score tags address { city } } }", "params": {"id": "integer"}}
ECHO = "query ($text: String!, $number: Float! = 2.5, $ids: [Int!]! = []) { echo(text: $text, number: $number, ids: $ids) }"
PEOPLE = (
    'query ($first: Int!, $after: String = "0") '
    "{ people(first: $first, after: $after) { %s totalCount pageInfo { hasNextPage endCursor } } }"
)
NODES, EDGES = PEOPLE % "nodes { id }", PEOPLE % "edges { node { id } }"


async def test_a_thing_is_a_row_a_list_is_its_items_and_null_is_none(shop: Opening) -> None:
    columns = {"name": "text", "credit": "decimal", "city": {"path": "$.address.city"}}
    queries = {"user": USER, "users": "{ users { id } }", "typed": {**USER, "query": {"query": USER["query"], "columns": columns}}}
    async with shop(queries) as asking:
        (row,) = await asking.rows("user", {"id": "3"})
        assert row == {"id": 3, "name": "user 3", "credit": "3.10", "score": "1.5", "tags": ["a"], "address": {"city": "Oslo"}}
        assert await asking.rows("user", {"id": 99}) == []
        assert len(await asking.rows("users")) == 25
        assert await asking.rows("typed", {"id": 3}) == [{"name": "user 3", "credit": "3.10", "city": "Oslo"}]


@pytest.mark.parametrize("text", ['") { id } }', 'a"b\\c\nd', "$id", "日本", "", "{users{id}}", "a" * 5000])
async def test_a_value_is_a_variable_and_never_text_of_the_query(shop: Opening, text: str) -> None:
    async with shop({"q": {"query": ECHO, "params": {"text": "text", "number": "decimal", "ids": "integer[]"}}}) as asking:
        ((found,),) = (await asking.result("q", {"text": text, "number": "1.10", "ids": ["7"]}))["rows"]
    assert json.loads(found) == [text, 1.1, [7]]


async def test_null_leaves_a_variable_its_default(shop: Opening) -> None:
    params = {"text": "text", "number": {"type": "decimal", "optional": True}}
    async with shop({"q": {"query": ECHO, "params": params}}) as asking:
        assert (await asking.result("q", {"text": "a"}))["rows"] == [['["a", 2.5, []]']]


@pytest.mark.parametrize("text", [NODES, EDGES])
async def test_a_connection_comes_in_as_many_pages_as_are_needed(shop: Opening, text: str) -> None:
    async with shop({"q": text}, page_size=10) as asking:
        result = await asking.result("q", count=True)
        assert [row[0] for row in result["rows"]] == list(range(1, 26))
        assert (result["total"], result["truncated"]) == (25, False)
        found: list[int] = []
        cursor: str | None = None
        for _ in range(4):
            result = await asking.result("q", limit=7, cursor=cursor)
            found, cursor = found + [row[0] for row in result["rows"]], result.get("next")
        assert found == list(range(1, 26)) and cursor is None


async def test_an_order_is_kept_over_all_pages(shop: Opening) -> None:
    async with shop({"q": {"query": NODES, "order": ["-id"]}}, page_size=10) as asking:
        assert [row[0] for row in (await asking.result("q", limit=3))["rows"]] == [25, 24, 23]


async def test_a_mutation_wants_write_and_tells_what_it_made(api: Api, shop: Opening) -> None:
    text = "mutation ($name: String!) { addUser(name: $name) { id name } }"
    params = {"name": "text"}
    async with shop({"add": {"query": text, "params": params, "write": True}, "sly": {"query": text, "params": params}}) as asking:
        made = await asking.result("add", {"name": "Ada"})
        assert (made["rows"], made["affected"]) == ([[26, "Ada"]], 1)
        refused = await asking.refused("add", {"name": "Ada"})
        assert refused.code == "conflict" and "taken" not in refused.told + refused.why
        refused = await asking.refused("sly", {"name": "Bo"})
        assert "write: true" in refused.why and len(USERS) == 26
        sly = 'query { users { id } } mutation { addUser(name: "x") { id } }'
        for raw in (f'mutation {{ addUser(name: "x") {{ id }} }}', sly, "subscription { users }"):  # noqa: F541
            assert (await asking.refused(raw, raw=True)).code == "bad_data"
        assert len(USERS) == 26 and len(await asking.rows("{ users { id } }", raw=True)) == 26


@pytest.mark.parametrize(
    ("given", "code"),
    [("", "bad_data"), ("BAD_USER_INPUT", "invalid_input"), ("CONFLICT", "conflict"), ("FORBIDDEN", "unavailable"),
     ("THROTTLED", "unavailable"), ("OTHER", "bad_data"), ("hush", "bad_data")],
)  # fmt: skip
async def test_29_errors_in_a_200_are_errors_and_their_words_go_no_further(shop: Opening, given: str, code: str) -> None:
    text = "query ($code: String!) { fails(code: $code) users { id } }"
    async with shop({"q": {"query": text, "params": {"code": "text"}}}) as asking:
        refused = await asking.refused("q", {"code": given})
    assert refused.code == code and "at fails" in refused.why
    assert "hush" not in refused.told + refused.why and "10.0.0.1" not in refused.told + refused.why


async def test_a_value_that_is_not_of_its_variables_type_is_the_clients_fault_and_a_query_that_does_not_fit_is_not(shop: Opening) -> None:
    queries = {"value": {"query": USER["query"], "params": {"id": "text"}}, "field": "{ users { nothing } }"}
    async with shop(queries) as asking:
        assert (await asking.refused("value", {"id": "x"})).code == "invalid_input"
        slip = await asking.refused("field")
        assert (
            slip.code == "bad_data"
            and "in line 1, column 11 of the query: it may have no such field" in slip.why
            and "nothing" not in slip.why
        )


SCRIPTED = {
    "half": ((200, {"data": {"users": [{"id": 1}]}, "errors": [{"message": "hush"}]}, {}), "bad_data"),
    "no data": ((200, {"data": None}, {}), "bad_data"),
    "list": ((200, [], {}), "bad_data"),
    "text": ((200, "hello", {"content-type": "text/html"}), "bad_data"),
    "odd errors": ((200, {"errors": "hush"}, {}), "bad_data"),
    "odd code": ((200, {"errors": [{"extensions": {"code": {"a": 1}}, "path": [{}]}]}, {}), "bad_data"),
    "400 of a value": ((400, {"errors": [{"message": "Variable \"$id\" got invalid value \"hush\"; Int cannot"}]}, {}), "invalid_input"),
    "400 of a query": ((400, {"errors": [{"message": "hush", "extensions": {"code": "GRAPHQL_VALIDATION_FAILED"}}]}, {}), "bad_data"),
    "503 page": ((503, "<html>", {"content-type": "text/html"}), "unavailable"),
    "redirect": ((307, "", {"location": "http://169.254.169.254/"}), "bad_data"),
    "401": ((401, {"errors": [{"message": "hush"}]}, {}), "unavailable"),
}  # fmt: skip


@pytest.mark.parametrize("name", SCRIPTED)
async def test_29_no_answer_but_a_whole_one_is_taken(api: Api, shop: Opening, name: str) -> None:
    api.answer, code = SCRIPTED[name]
    async with shop({"q": "{ users { id } }"}, "/scripted") as asking:
        refused = await asking.refused("q")
    assert refused.code == code and "hush" not in refused.told + refused.why


async def test_29_an_api_that_is_busy_says_when_to_come_back(api: Api, shop: Opening) -> None:
    api.answer = (429, {"errors": [{"message": "slow down"}]}, {"retry-after": "9"})
    async with shop({"q": "{ users { id } }"}, "/scripted") as asking:
        for _ in range(4):
            refused = await asking.refused("q")
            assert isinstance(refused.error, SourceFailed) and (refused.code, refused.error.retry_after_s) == ("unavailable", 9)
        api.answer = (200, {"data": {"users": []}}, {})
        assert await asking.rows("q") == []


@pytest.mark.parametrize(
    ("info", "code", "asked"),
    [({"hasNextPage": True, "endCursor": "x"}, "bad_data", 2), (None, "bad_data", 1), ({"hasNextPage": "yes"}, "bad_data", 1)],
)
async def test_29_a_connection_without_end_or_without_pages_ends(api: Api, shop: Opening, info: Any, code: str, asked: int) -> None:
    api.answer = (200, {"data": {"people": {"nodes": [{"id": 1}], "pageInfo": info}}}, {})
    async with shop({"q": NODES}, "/scripted") as asking:
        assert (await asking.refused("q")).code == code
    assert len(api.asked) == asked


@pytest.mark.parametrize(
    ("query", "params", "words"),
    [
        ("{ users { id }", {}, "not GraphQL"), ("{ a } { b }", {}, "exactly one operation"),
        ("query a { a } query b { b }", {}, "exactly one operation"), ("{ users { id } }", {"id": "integer"}, "no variable $id"),
        ("query ($id: Int!) { user(id: $id) { id } }", {}, "$id has no parameter"), ({"query": "{ a }", "row": "$"}, {}, "`row`"),
        ({"rows": "$"}, {}, "a text in GraphQL"), ({"query": "{ a }", "rows": "a"}, {}, "JSONPath"),
        ("{" + "a{" * 20_000 + "b" + "}" * 20_001, {}, "not GraphQL"),
    ],
)  # fmt: skip
async def test_a_query_that_is_none_is_told_to_the_operator(
    api: Api, shop: Opening, query: Any, params: dict[str, str], words: str
) -> None:
    async with shop({"q": {"query": query, "params": params}}, "/scripted") as asking:
        refused = await asking.refused("q", dict.fromkeys(params, "1"))
    assert words in refused.why and refused.code == "bad_data" and api.asked == []


async def test_a_portable_query_is_refused_by_name(shop: Opening) -> None:
    async with shop({"q": {"from": "users"}}) as asking:
        assert "no tables" in (await asking.refused("q")).why


async def test_the_address_must_be_one() -> None:
    with pytest.raises(MockForgeError, match="over plain http"):
        async with asking({"use": "graphql", "config": {"url": "http://api.example/graphql"}}):
            pass


@pytest.mark.parametrize("path", ["/graphql/", "/scripted"])
async def test_the_endpoint_is_the_address_itself(served: tuple[Api, Server], shop: Opening, path: str) -> None:
    served[0].answer = (200, {"data": {"users": [{"id": 1}]}}, {})
    async with shop({"q": "{ users { id } }"}, path, auth={"query": {"name": "key", "secret": "key"}}) as asking:
        assert await asking.rows("q")
