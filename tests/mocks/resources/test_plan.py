"""Resources over a real table: what clients may do, what they are told, and what changes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from mockforge_asgi.errors import ConfigError
from mockforge_asgi.middleware import MockForge
from mockforge_asgi.testing import Client
from mockforge_asgi.testing.client import Response
from tests.support.table_source import Tables

TABLES = [
    "create table users (id integer primary key autoincrement, name text not null unique, city text, credit decimaltext, n integer)",
    "create table logs (shop text not null, day text not null, note text, primary key (shop, day))",
]
USERS = {
    "from": "users",
    "key": "id",
    "version": "n",
    "write": True,
    "order": "id",
    "sort": ["name"],
    "where": {"city": {"type": "text", "optional": True}},
}
LOGS = {"from": "logs", "key": ["day"], "write": True, "order": ["day"], "where": {"shop": {"type": "text", "optional": True}}}
Q = {"users": USERS, "names": {"from": "users", "key": "name", "columns": ["name", "city"]}, "logs": LOGS}


def config(*more: dict[str, Any], **queries: Any) -> dict[str, Any]:
    def route(path: str, resource: Any) -> dict[str, Any]:
        return {"match": {"path": path}, "response": {"resource": resource}}

    return {
        "version": 1,
        "sources": {"shop": {"plugin": "tables", "queries": {**Q, **queries}}},
        "routes": [
            route("/users", {"data": "shop.users", "total": True}),
            route("/readonly", "shop.names"),
            route("/added", {"data": "shop.users", "methods": ["GET", "POST"]}),
            route("/shops/{shop}/logs", "shop.logs"),
            *more,
        ],
    }


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    tables = Tables()
    tables.tables = TABLES
    async with Client(MockForge(config=config(), plugins=[tables])) as made:
        yield made


async def send(client: Client, method: str, url: str, value: Any = None, **headers: str) -> Response:
    """A request with a JSON body."""
    body = b"" if value is None else value if isinstance(value, bytes) else json.dumps(value).encode()
    sent = {"content-type": "application/json", **{name.replace("_", "-"): text for name, text in headers.items()}}
    return await client.request(method, url, headers=sent, body=body)


async def test_a_row_is_made_read_replaced_patched_and_deleted(client: Client) -> None:
    made = await send(client, "POST", "/users", {"name": "Ada", "city": "Oslo", "credit": "1.10"})
    assert (made.status, made.header("location")) == (201, "/users/1")
    assert made.text == '{"id":1,"name":"Ada","city":"Oslo","credit":1.10,"n":1}'
    read = await client.get("/users/1")
    assert (read.text, read.header("etag"), read.header("content-type")) == (made.text, made.header("etag"), "application/json")
    replaced = await send(client, "PUT", "/users/1", {"name": "Ada L", "credit": 2})
    assert replaced.json() == {"id": 1, "name": "Ada L", "city": None, "credit": 2, "n": 2}
    patched = await send(client, "PATCH", "/users/1", {"city": "Rome", "credit": None}, content_type="application/merge-patch+json")
    assert patched.json() == {"id": 1, "name": "Ada L", "city": "Rome", "credit": None, "n": 3}
    assert patched.header("etag") not in (read.header("etag"), replaced.header("etag"), None)
    same = await send(client, "PATCH", "/users/1", {"city": "Rome"})
    assert (same.json()["n"], same.header("etag")) == (3, patched.header("etag")), "what changes nothing is no change"
    assert [(await send(client, "DELETE", "/users/1")).status for _ in range(2)] == [204, 404]
    for method in ("GET", "PUT", "PATCH"):
        assert (await send(client, method, "/users/1", {"name": "x"})).status == 404


async def test_a_list_has_pages_filters_an_order_and_a_total(client: Client) -> None:
    for name, city in (("Ada", "Oslo"), ("Bo", "Rome"), ("Cy", "Oslo")):
        await send(client, "POST", "/users", {"name": name, "city": city})
    first = await client.get("/users?limit=2&sort=-name")
    assert ([row["name"] for row in first.json()], first.header("x-total-count")) == (["Cy", "Bo"], "3")
    following = (first.header("link") or "").removeprefix("<").partition(">")[0]
    assert [row["name"] for row in (await client.get(f"/users{following}")).json()] == ["Ada"]
    assert [row["name"] for row in (await client.get("/users?city=Oslo")).json()] == ["Ada", "Cy"]
    assert (await client.get("/users?sort=city")).status == 400
    head = await client.request("HEAD", "/users")
    assert (head.status, head.body) == (200, b"")


async def test_a_change_is_for_the_state_that_the_client_has_seen(client: Client) -> None:
    tag = (await send(client, "POST", "/users", {"name": "Ada"})).header("etag") or ""
    assert (await send(client, "GET", "/users/1", if_none_match=f'"x", W/{tag}')).status == 304
    assert (await send(client, "PATCH", "/users/1", {"city": "Oslo"}, if_match=tag)).status == 200
    for method in ("PUT", "PATCH", "DELETE"):
        refused = await send(client, method, "/users/1", {"name": "Bo"}, if_match=tag)
        assert (refused.status, refused.json()["error"]) == (412, "Precondition failed")
    assert (await send(client, "PUT", "/users/1", {"name": "Bo"}, if_none_match="*")).status == 412
    now = (await client.get("/users/1")).header("etag") or ""
    assert (await send(client, "PUT", "/users/1", {"name": "Bo"}, if_match=f"W/{now}")).status == 412, "a weak tag is no proof"
    assert (await send(client, "PUT", "/users/1", {"name": "Bo"}, if_match=f'"y", {now}')).status == 200
    assert (await send(client, "DELETE", "/users/1", if_match="*")).status == 204
    assert (await send(client, "DELETE", "/users/1", if_match="*")).status == 404


@pytest.mark.parametrize(
    ("method", "url", "sent", "status", "words"),
    [
        ("POST", "/users", {"name": "Ada"}, 409, "there already"),
        ("POST", "/users", {"name": None}, 422, "the field 'name' must not be null"),
        ("POST", "/users", {"city": "Oslo"}, 422, "not what the data accept"),
        ("POST", "/users", {"name": {"$gt": ""}}, 422, "the field 'name' must be of type text"),
        ("POST", "/users", {"name": "x", "credit": "1e5"}, 422, "the field 'credit' must be of type decimal"),
        ("POST", "/users", {"name": "x", "admin": True}, 422, "there is no field 'admin'"),
        ("POST", "/users", [1], 422, "must be a JSON object"),
        ("POST", "/users", b"{", 400, "the body is not JSON"),
        ("POST", "/users", b"", 400, "the body is"),
        ("PUT", "/users/1", {"city": "Oslo"}, 422, "the field 'name' is missing"),
        ("PUT", "/users/1", {"id": 2, "name": "x"}, 422, "the field 'id' is not what the path says"),
        ("PATCH", "/users/1", {"name": None}, 422, "the field 'name' must not be null"),
        ("PATCH", "/users/1", {"name": "Bo"}, 409, "there already"),
        ("GET", "/users/x", None, 404, "nothing of that kind"),
        ("GET", "/users/1%20or%201=1", None, 404, "nothing of that kind"),
        ("DELETE", "/users", None, 405, "the methods here are GET, HEAD, POST"),
        ("POST", "/users/1", {"name": "x"}, 405, "the methods here are GET, HEAD, PUT, PATCH, DELETE"),
        ("POST", "/readonly", {"name": "x"}, 405, "the methods here are GET, HEAD"),
        ("DELETE", "/readonly/Ada", None, 405, "the methods here are GET, HEAD"),
        ("DELETE", "/added/1", None, 405, "the methods here are GET, HEAD"),
    ],
)
async def test_what_cannot_be_done_is_told(client: Client, method: str, url: str, sent: Any, status: int, words: str) -> None:
    for name in ("Ada", "Bo"):
        await send(client, "POST", "/users", {"name": name})
    found = await send(client, method, url, sent)
    assert (found.status, words in found.json()["message"]) == (status, True), found.text
    if status == 405:
        assert (found.header("allow") or "") in found.json()["message"]
    assert [row["name"] for row in (await client.get("/users")).json()] == ["Ada", "Bo"]


async def test_a_body_of_another_type_is_refused_with_the_types_of_a_patch(client: Client) -> None:
    await send(client, "POST", "/added", {"name": "Ada"})
    refused = await send(client, "PATCH", "/users/1", {"name": "x"}, content_type="text/plain")
    assert (refused.status, refused.header("accept-patch")) == (415, "application/merge-patch+json, application/json")
    assert (await send(client, "PATCH", "/users/1", [], content_type="application/json-patch+json")).status == 415
    options = await send(client, "OPTIONS", "/users/1")
    assert (options.status, options.header("allow")) == (204, "GET, HEAD, PUT, PATCH, DELETE, OPTIONS")


async def test_columns_that_are_not_named_are_neither_seen_nor_set(client: Client) -> None:
    await send(client, "POST", "/users", {"name": "a/b ü"})
    assert (await client.get("/readonly/a%2Fb%20%C3%BC")).json() == {"name": "a/b ü", "city": None}


async def test_a_list_within_another_resource_has_its_rows_alone(client: Client) -> None:
    for shop in ("a", "b"):
        made = await send(client, "POST", f"/shops/{shop}/logs", {"day": "mon", "note": shop})
        assert (made.status, made.header("location")) == (201, f"/shops/{shop}/logs/mon")
    assert (await client.get("/shops/a/logs")).json() == [{"shop": "a", "day": "mon", "note": "a"}]
    assert (await client.get("/shops/a/logs?shop=b")).json()[0]["shop"] == "a", "the path stands above the query"
    assert (await send(client, "PATCH", "/shops/b/logs/mon", {"note": "new"})).json() == {"shop": "b", "day": "mon", "note": "new"}
    assert (await send(client, "PATCH", "/shops/b/logs/mon", {"shop": "a"})).status == 422
    assert (await send(client, "POST", "/shops/a/logs", {"shop": "b", "day": "tue"})).status == 422
    assert (await send(client, "DELETE", "/shops/c/logs/mon")).status == 404
    assert (await client.get("/shops/a/logs/mon")).json()["note"] == "a"


async def test_a_column_that_is_asked_for_but_not_shown_is_not_set() -> None:
    tables = Tables()
    tables.tables = TABLES
    where = {"city": {"type": "text", "optional": True}}
    hidden = {"from": "users", "key": "id", "columns": ["id", "name"], "write": True, "where": where}
    route = {"match": {"path": "/hidden"}, "response": {"resource": "shop.hidden"}}
    async with Client(MockForge(config=config(route, hidden=hidden), plugins=[tables])) as client:
        await send(client, "POST", "/users", {"name": "Ada", "city": "Oslo"})
        for method, url in (("POST", "/hidden"), ("PATCH", "/hidden/1"), ("PUT", "/hidden/1")):
            refused = await send(client, method, url, {"name": "Bo", "city": "Rome"})
            assert (refused.status, refused.json()["message"]) == (422, "there is no field 'city'")
        assert (await send(client, "PUT", "/hidden/1", {"name": "Bo"})).json() == {"id": 1, "name": "Bo"}
        assert [(row["name"], row["city"]) for row in (await client.get("/users")).json()] == [("Bo", "Oslo")]
        assert (await client.get("/hidden?city=Oslo")).json() == [{"id": 1, "name": "Bo"}]


async def test_a_path_stands_above_the_key_too() -> None:
    tables = Tables()
    tables.tables = TABLES
    where = {"shop": {"type": "text", "optional": True}}
    logs = {"from": "logs", "key": ["shop", "day"], "write": True, "order": ["day"], "where": where}
    route = {"match": {"path": "/of/{shop}/logs"}, "response": {"resource": "shop.of"}}
    async with Client(MockForge(config=config(route, of=logs), plugins=[tables])) as client:
        for shop in ("a", "b"):
            made = await send(client, "POST", f"/of/{shop}/logs", {"day": "mon", "note": shop})
            assert (made.status, made.header("location")) == (201, f"/of/{shop}/logs/{shop}/mon")
        assert [row["note"] for row in (await client.get("/of/a/logs")).json()] == ["a"]
        assert (await send(client, "POST", "/of/a/logs", {"shop": "b", "day": "tue"})).status == 422
        for method in ("GET", "PUT", "PATCH", "DELETE"):
            assert (await send(client, method, "/of/a/logs/b/mon", {"note": "x"})).status == 404
        assert [(await client.get(f"/of/{shop}/logs/{shop}/mon")).json()["note"] for shop in ("a", "b")] == ["a", "b"]


@pytest.mark.parametrize(
    "key",
    ["%00", "1%2F2", "9" * 400, "%F0%9F%92%A9", "%FF", "..", "1.0", "%201", "%EF%BC%91", "true", "null", "1;", "1'", "a" * 70_000],
)
async def test_a_key_that_no_row_can_have_is_not_found(client: Client, key: str) -> None:
    await send(client, "POST", "/users", {"name": "Ada"})
    for path in ("/users", "/readonly"):
        assert (await client.get(f"{path}/{key}")).status == 404


@pytest.mark.parametrize(
    "body",
    [
        b'{"name": NaN}', b'{"name": "\\ud800"}', b'{"name": "x", "credit": 1e400}', b'{"name": "' + b"a" * 70_000 + b'"}', b"[" * 5000,
        b'{"name": "x", "id": 99999999999999999999}', b'{"__proto__": {}}', b'{"name": "x\\u0000"}',
        b'{"name": "x", "n": {"$inc": 1}, "": 1}',
        json.dumps({str(number): 1 for number in range(5000)}).encode(), b'\xff\xfe{"name": "x"}',
    ],
)  # fmt: skip
async def test_a_body_that_is_odd_changes_nothing(client: Client, body: bytes) -> None:
    assert (await send(client, "POST", "/users", body)).status in (400, 413, 422)
    assert (await client.get("/users")).json() == []


@pytest.mark.parametrize(
    "query",
    ["sort=name;drop", "sort=-name,name", "sort=", "sort=id", "sort=-", "sort=--name", "sort=name%22", "sort=name%00", "sort=name,city",
     "limit=0", "limit=9999999999", "limit=-1", "limit=1e3", "limit=", "cursor=", "cursor=AAAA", f"cursor={'A' * 5000}", "cursor=%C3%A9"],
)  # fmt: skip
async def test_no_page_or_order_is_made_up(client: Client, query: str) -> None:
    assert (await client.get(f"/users?{query}")).status == 400


@pytest.mark.parametrize(
    ("route", "words"),
    [
        ({"resource": "shop.user"}, "the source 'shop' has no query 'user'. Did you mean 'users'?"),
        ({"resource": {"data": "stop.users"}}, "there is no source 'stop'. Did you mean 'shop'?"),
        ({"resource": "shop.plain"}, "a resource needs a query with `from` and `key`."),
        ({"resource": "shop.hidden"}, "the query's `columns` lack 'id', its `key` or `version`."),
        ({"resource": "shop.needs"}, "the query needs the parameter 'city', which a resource's list may not have."),
        ({"resource": "shop.users", "status": 201}, "`status` has no effect beside `resource`"),
        ({"resource": {"data": "shop.users", "methods": ["TRACE"]}}, "methods"),
    ],
)
def test_a_resource_that_cannot_be_is_refused_at_load(route: dict[str, Any], words: str) -> None:
    more = {"plain": "select 1", "hidden": {"from": "users", "key": "id", "columns": ["name"]}}
    needs = {"from": "users", "key": "id", "where": {"city": "text"}}
    made = config({"match": {"path": "/x"}, "response": route}, **more, needs=needs)
    with pytest.raises(ConfigError) as refused:
        MockForge(config=made, plugins=[Tables()])
    assert words in str(refused.value)
