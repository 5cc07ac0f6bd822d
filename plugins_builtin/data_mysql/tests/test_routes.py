"""Routes over a table of MariaDB: rows, pages, what is not there, what is written."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from mockforge_asgi import MockForge
from mockforge_asgi.testing import Client
from plugins_builtin.data_mysql.tests.mock import mock
from tests.support.data_sources import route
from tests.support.mariadb import Mariadb

QUERIES = {
    "by_id": {"query": "select * from users where id = :id", "params": {"id": "integer"}},
    "users": {"from": "users", "columns": ["name"], "where": {"city": {"type": "text", "optional": True}}, "order": ["id"]},
    "names": {"query": "select name from users order by name desc limit 40"},
    "of_city": {"query": "select id from users where city = :city", "params": {"city": "text"}},
    "add": {"query": "insert into users (name) values (:name) returning id, name", "params": {"name": "text"}, "write": True},
    "rename": {"query": "update users set name = :name where id = :id", "params": {"name": "text", "id": "integer"}, "write": True},
    "remove": {"query": "delete from users where id > :id", "params": {"id": "integer"}, "write": True},
}
ROUTES = [
    route("GET", "/users/{id:int}", "by_id", params={"id": "{{ request.path_params.id }}"}, one=True),
    route("GET", "/users", "users", total=True),
    route("GET", "/names", "names"),
    route("GET", "/one-of/{city}", "of_city", params={"city": "{{ request.path_params.city }}"}, one=True),
    route("POST", "/users", "add", params={"name": "{{ request.json.name }}"}, one=True, status=201),
    route("PUT", "/users/{id:int}", "rename", params={"id": "{{ request.path_params.id }}", "name": "{{ request.json.name }}"}),
    route("DELETE", "/users", "remove", params={"id": 50}),
]


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(server: Mariadb) -> AsyncIterator[Client]:
    async with Client(MockForge(config=mock(server, QUERIES, ROUTES))) as made:
        yield made


async def test_a_row_by_its_primary_key(client: Client) -> None:
    found = await client.get("/users/1")
    assert (found.status, found.text) == (200, '{"id":1,"name":"user 1","city":"city 1","price":1.10}')
    for nobody in ("/users/9999", "/users/99999999999"):
        assert (await client.get(nobody)).status == 404
    assert (await client.get("/one-of/city%201")).status == 500, "several rows where one is meant"


async def test_pages_of_a_table_follow_its_order(client: Client) -> None:
    names, path, pages = list[str](), "/users?limit=20", 0
    while path:
        found = await client.get(path)
        headers = dict(found.headers)
        assert headers["x-total-count"] == "50"
        names += [row["name"] for row in found.json()]
        path = "/users" + headers["link"].split(">")[0].removeprefix("<") if "link" in headers else ""
        pages += 1
    assert (names, pages) == ([f"user {i}" for i in range(1, 51)], 3)
    assert [row["name"] for row in (await client.get("/users?city=city 1&limit=2")).json()] == ["user 1", "user 4"]


async def test_a_text_with_a_limit_of_its_own_has_pages_too(client: Client) -> None:
    first = await client.get("/names?limit=25")
    second = await client.get("/names" + dict(first.headers)["link"].split(">")[0].removeprefix("<"))
    names = [row["name"] for row in [*first.json(), *second.json()]]
    assert names == sorted((f"user {i}" for i in range(1, 51)), reverse=True)[:40]
    assert "link" not in dict(second.headers)


async def test_what_is_written_is_there_once_and_a_key_that_is_there_is_a_conflict(client: Client) -> None:
    made = await client.post("/users", json={"name": "Zoë"})
    assert (made.status, made.json()["name"]) == (201, "Zoë")
    again = await client.post("/users", json={"name": "Zoë"})
    assert (again.status, "Zoë" in again.text) == (409, False)
    renamed = await client.request("PUT", f"/users/{made.json()['id']}", json={"name": "Zoe"})
    assert renamed.json() == {"affected": 1}
    assert (await client.request("DELETE", "/users")).json() == {"affected": 1}
