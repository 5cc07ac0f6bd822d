"""Portable queries: what the configuration makes of them, and the contract that every engine keeps, kept by one of the tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from mockforge_asgi.config.sources.models import SourceModel
from mockforge_asgi.config.sources.objects import NamedQuery, QueryParameter
from mockforge_asgi.contract.source_query import SourceQuery
from mockforge_asgi.errors import SourceFailed
from mockforge_asgi.middleware import MockForge
from mockforge_asgi.sources.parameters import typed_parameters
from mockforge_asgi.testing import Client
from mockforge_plugin.operations.rows import data_document
from tests.support.portable_contract import hold_portable_contract
from tests.support.table_source import Tables


async def test_a_source_of_tables_keeps_the_portable_contract() -> None:
    source = Tables()
    source.init()

    async def ask(asked: SourceQuery) -> Mapping[str, Any]:
        given = asked.document()
        options = {name: given[name] for name in ("limit", "cursor", "order", "count") if name in given}
        return data_document(await source.query(given["query"], given["params"], **options))

    await hold_portable_contract(ask)


QUERIES = {
    "add": {"from": "users", "insert": {"name": "text", "city": {"type": "text", "optional": True}}, "columns": ["id"]},
    "rename": {"from": "users", "update": {"name": "text"}, "where": {"id": "integer"}},
    "remove": {"from": "users", "delete": True, "where": {"id": "integer"}},
    "users": {"from": "users", "key": "id", "version": "n", "write": True, "cache_s": 5},
}


def test_a_change_says_what_it_does_and_is_a_write() -> None:
    made = SourceModel.model_validate({"use": "./a", "cache_s": 9, "queries": QUERIES}).build_queries()
    text, integer = QueryParameter("text"), QueryParameter("integer")
    insert = {"from": "users", "insert": {"name": "name", "city": "city"}, "columns": ["id"]}
    assert made["add"] == NamedQuery("add", insert, {"name": text, "city": QueryParameter("text", False)}, write=True)
    update = {"from": "users", "update": {"name": "name"}, "where": ["id"]}
    assert made["rename"] == NamedQuery("rename", update, {"name": text, "id": integer}, write=True)
    assert made["remove"] == NamedQuery("remove", {"from": "users", "delete": True, "where": ["id"]}, {"id": integer}, write=True)
    read = NamedQuery("users", {"from": "users", "where": []}, cache_s=5, key=("id",), version="n", is_writable=True)
    assert made["users"] == read, "it reads, and a resource may change its table"


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"query": "a", "insert": {"a": "text"}}, "`insert` belongs to `from`."),
        ({"query": "a", "key": "id"}, "`key` belongs to `from`."),
        ({"from": "t", "insert": {"a": "text"}, "delete": True}, "a query does one of insert and delete."),
        ({"from": "t", "insert": {"a": "text"}, "where": {"b": "text"}}, "`insert` has no conditions."),
        ({"from": "t", "delete": True}, "`delete` needs a `where` whose parameters are all given, and has no `columns`."),
        ({"from": "t", "update": {"a": "text"}, "where": {"b": {"type": "text", "optional": True}}}, "`update` needs a `where`"),
        ({"from": "t", "update": {"a": "text"}, "where": {"a": "text"}}, "the column 'a' is both in `update` and in `where`."),
        ({"from": "t", "delete": True, "where": {"a": "text"}, "write": True}, "`delete` says that it writes"),
        ({"from": "t", "delete": True, "where": {"a": "text"}, "order": "a"}, "has no `cache_s`, `order` or `sort`."),
        ({"from": "t", "version": "n"}, "`version` has no effect without `key`."),
    ],
)
def test_what_no_change_can_be_is_refused(query: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError) as refused:
        SourceModel.model_validate({"use": "./a", "queries": {"q": query}})
    assert words.replace("`", "") in str(refused.value).replace("`", "")


async def test_routes_write_without_a_word_of_sql() -> None:
    queries = {
        "add": {"from": "articles", "insert": {"name": "text", "price": "decimal"}},
        "rename": {"from": "articles", "update": {"name": "text"}, "where": {"id": "integer"}},
        "remove": {"from": "articles", "delete": True, "where": {"id": "integer"}},
    }
    given = {"name": "{{ request.json.name }}", "price": "{{ request.json.price }}"}
    routes = [
        {"match": {"method": "POST", "path": "/a"}, "response": {"data": "shop.add", "params": given, "one": True, "status": 201}},
        {
            "match": {"method": "PUT", "path": "/a/{id}"},
            "response": {"data": "shop.rename", "params": {"id": "{{ request.path_params.id }}", "name": "x"}, "one": True},
        },
        {
            "match": {"method": "DELETE", "path": "/a/{id}"},
            "response": {"data": "shop.remove", "params": {"id": "{{ request.path_params.id }}"}, "one": True, "status": 204},
        },
    ]
    config = {"version": 1, "sources": {"shop": {"plugin": "tables", "queries": queries}}, "routes": routes}
    async with Client(MockForge(config=config, plugins=[Tables()])) as client:
        made = await client.post("/a", json={"name": "tea", "price": "1.50"})
        assert (made.status, made.text) == (201, '{"id":1,"name":"tea","price":1.50,"city":"Oslo"}')
        assert (await client.post("/a", json={"name": "tea", "price": 1})).status == 409
        assert [(await client.request("PUT", f"/a/{n}")).status for n in (1, 9)] == [200, 404]
        assert [(await client.request("DELETE", "/a/1")).status for _ in range(2)] == [204, 404]


def test_a_change_that_lacks_a_value_reaches_no_source() -> None:
    queries = SourceModel.model_validate({"use": "./a", "queries": QUERIES}).build_queries()
    with pytest.raises(SourceFailed, match="its parameter .id. is missing"):
        typed_parameters(queries["remove"], {})
