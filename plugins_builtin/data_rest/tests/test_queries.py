"""A query is a request, and its parameters stay in their places."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockforge_plugin import PluginError
from mockforge_plugin.engines.http.placeholders import Path
from plugins_builtin.data_rest.tests.api import Api
from plugins_builtin.data_rest.tests.conftest import Opening

ECHO = {
    "path": {"query": {"get": "/echo/:id/x"}, "params": {"id": "text"}},
    "slashes": {"query": {"get": "/echo/:id", "slashes": True}, "params": {"id": "text"}},
    "mixed": {"query": {"get": "/echo/:a-:b.json::z"}, "params": {"a": "integer", "b": "boolean"}},
    "asked": {"query": {"get": "/echo", "query": {"q": ":q", "many": ":many", "fixed": "::a", "n": 5}, "columns": {"query": "text"}},
              "params": {"q": {"type": "text", "optional": True}, "many": {"type": "integer[]", "default": []}}},
    "headers": {"query": {"post": "/echo", "headers": {"x-a": ":a"}, "reads": True}, "params": {"a": "text"}},
    "json": {"query": {"put": "/echo", "json": {"a": ":a", "d": ":d", "l": [":l", "::a"], "fixed": {"x": None}}},
             "params": {"a": {"type": "json", "optional": True}, "d": "decimal", "l": "integer[]"}, "write": True},
    "form": {"query": {"post": "/echo", "form": {"a": ":a", "b": "x y"}}, "params": {"a": "text"}, "write": True},
}  # fmt: skip


@pytest.mark.parametrize("value", ["a b", "ä", "a?b=c#d", "a%2Fb", "%2e%2e", "a;b=c", "...", "a&b", "日本", "a:b@c", "..a"])
async def test_a_value_of_a_path_is_one_part_of_it(api: Api, shop: Opening, value: str) -> None:
    async with shop(ECHO) as asking:
        await asking.rows("path", {"id": value})
    head, found, tail = api.asked[0]["path"].removeprefix("/v1/").split("/")
    assert (head, unquote(found), tail, api.asked[0]["query"]) == ("echo", value, "x", "")


@pytest.mark.parametrize("value", ["", ".", "..", "../admin", "a/b", "..\\admin", "a/../../../admin", None])
async def test_a_value_that_would_lead_elsewhere_is_refused(api: Api, shop: Opening, value: str | None) -> None:
    async with shop(ECHO) as asking:
        refused = await asking.refused("path", {"id": value})
    assert refused.code == "invalid_input" and "parameter 'id'" in refused.why and api.asked == []


async def test_slashes_that_are_meant_are_encoded_and_still_lead_nowhere_else(api: Api, shop: Opening) -> None:
    async with shop(ECHO) as asking:
        await asking.rows("slashes", {"id": "group/project"})
        assert api.asked[0]["path"] == "/v1/echo/group%2Fproject"
        assert [(await asking.refused("slashes", {"id": value})).code for value in ("../x", "a/..", "a/./b", "..")] == ["invalid_input"] * 4


async def test_parameters_stand_within_a_segment_and_a_colon_is_written_twice(api: Api, shop: Opening) -> None:
    async with shop(ECHO) as asking:
        await asking.rows("mixed", {"a": "-5", "b": True})
    assert api.asked[0]["path"] == "/v1/echo/-5-true.json:z"


@pytest.mark.parametrize(
    ("params", "pairs"),
    [
        ({"q": "a&b=c #é"}, [("q", "a&b=c #é")]), ({"q": ""}, [("q", "")]), ({}, []), ({"q": None}, []),
        ({"many": [1, 2]}, [("many", "1"), ("many", "2")]),
    ],
)  # fmt: skip
async def test_values_of_a_query_are_values_and_null_is_left_out(shop: Opening, params: dict[str, Any], pairs: list[Any]) -> None:
    async with shop(ECHO) as asking:
        (row,) = await asking.rows("asked", params)
    assert parse_qsl(row["query"], keep_blank_values=True) == [*pairs, ("fixed", ":a"), ("n", "5")]


async def test_a_header_of_a_parameter_ends_no_line(shop: Opening) -> None:
    async with shop(ECHO) as asking:
        assert (await asking.rows("headers", {"a": "x"}))[0]["method"] == "POST"
        for value in ("a\r\nx-b: c", "a\nb", "é"):
            assert (await asking.refused("headers", {"a": value})).code == "invalid_input"


async def test_a_json_body_has_values_of_their_types(shop: Opening) -> None:
    async with shop(ECHO) as asking:
        (row,) = await asking.rows("json", {"a": {"$gt": ":d"}, "d": "12345678901234567890.10", "l": ["7"]})
        assert row["body"] == '{"a":{"$gt":":d"},"d":12345678901234567890.10,"l":[[7],":a"],"fixed":{"x":null}}'
        (row,) = await asking.rows("json", {"d": None, "l": None})
    assert json.loads(row["body"])["d"] is None and row["type"] == "application/json"


async def test_a_form_is_encoded(shop: Opening) -> None:
    async with shop(ECHO) as asking:
        (row,) = await asking.rows("form", {"a": "b&c=d"})
    assert (row["body"], row["type"]) == ("a=b%26c%3Dd&b=x+y", "application/x-www-form-urlencoded")


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"post": "/echo"}, "post may change data"), ({"delete": "/echo", "reads": "yes"}, "delete may change data"),
        ({"get": "/a", "post": "/b"}, "exactly one of"), ({"rows": "$"}, "exactly one of"), ({"get": "/echo/:ids/y"}, "':ids'"),
        ({"get": "echo"}, "begins with a slash"), ({"get": "/echo?a=:id"}, "under `query`"), ({"get": "/echo", "gett": 1}, "`gett`"),
        ({"get": "/a/../../admin"}, "`.` or `..`"), ({"get": "/a/%2E%2e/b"}, "`.` or `..`"), ({"get": "/echo", "json": {}}, "no body"),
        ({"get": "/echo", "query": {"a": ":x"}}, "no parameter 'x'"), ({"get": "/echo", "query": "a=b"}, "mapping"),
        ({"get": "/echo", "rows": "items[*"}, "JSONPath"), ({"get": "/echo", "columns": {"a": "int"}}, "column 'a'"),
        ({"get": "/echo", "paging": "links"}, "paging.by"), ({"get": "/echo", "paging": {"by": "cursor"}}, "needs `at`"),
        ({"get": "/echo", "total": "$.n"}, "`total`"),
    ],
)  # fmt: skip
async def test_a_query_that_is_none_is_told_to_the_operator_alone(api: Api, shop: Opening, query: dict[str, Any], words: str) -> None:
    params = {"id": "text"} if ":id" in str(query) else {}
    async with shop({"q": {"query": query, "params": params}}) as asking:
        refused = await asking.refused("q", dict.fromkeys(params, "1"))
    assert words in refused.why and words not in refused.told and api.asked == []


@given(st.text(), st.booleans())
def test_whatever_the_value_the_path_keeps_its_segments(value: str, has_slashes: bool) -> None:
    try:
        made = Path("/a/:p/b", {"p": "text"}, has_slashes=has_slashes).fill({"p": value})
    except PluginError as error:
        assert error.code == "invalid_input" and (not value or len(value) < 4 or value not in error.message)
        return
    segments = made.split("/")
    assert (segments[1], unquote(segments[2]), segments[3], len(segments)) == ("a", value, "b", 4)
    assert made.isascii() and not {"?", "#", " ", "\\"} & set(made)
    assert not {".", ".."} & set(unquote(made).replace("\\", "/").split("/"))
