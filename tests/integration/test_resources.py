"""Resources over a real database that two workers share: SQLite, by the built-in source."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from mockforge_asgi.middleware import MockForge
from mockforge_asgi.testing import Client
from mockforge_asgi.testing.client import Response

TABLES = """
create table users (id integer primary key, name varchar(40) not null unique, balance decimaltext, born date, tags json, n integer);
create table notes (id integer primary key, text text);
"""
JSON = {"content-type": "application/json"}


@pytest.fixture
async def workers(tmp_path: Path) -> AsyncIterator[list[Client]]:
    """Two mocks over one database."""
    with closing(sqlite3.connect(tmp_path / "shop.db")) as database:
        database.executescript(TABLES)
    queries = {
        "users": {"from": "users", "key": "id", "version": "n", "write": True, "order": "id"},
        "notes": {"from": "notes", "key": "id", "write": True, "order": "id", "cache_s": 60},
    }
    source = {"use": "sqlite", "config": {"file": str(tmp_path / "shop.db"), "write": True}, "queries": queries}
    routes = [{"match": {"path": f"/{name}"}, "response": {"resource": f"shop.{name}"}} for name in queries]
    config = {"version": 1, "sources": {"shop": source}, "routes": routes}
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(Client(MockForge(config=config))) for _ in range(2)]


async def send(client: Client, method: str, url: str, value: Any = None, **headers: str) -> Response:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return await client.request(method, url, headers={**JSON, **named}, body=b"" if value is None else json.dumps(value).encode())


async def test_of_many_who_change_one_state_one_does_whichever_worker_serves_them(workers: list[Client]) -> None:
    tag = (await send(workers[0], "POST", "/users", {"name": "Ada", "tags": {"a": 1}})).header("etag") or ""
    patches = [send(workers[n % 2], "PATCH", "/users/1", {"tags": {"by": n}}, if_match=tag) for n in range(8)]
    answers = await asyncio.gather(*patches)
    assert sorted(answer.status for answer in answers) == [200] + [412] * 7
    (won,) = [answer for answer in answers if answer.status == 200]
    assert (await workers[1].get("/users/1")).json() == won.json() and won.json()["n"] == 2
    assert won.json()["tags"] == {"a": 1, "by": won.json()["tags"]["by"]}


async def test_changes_without_conditions_are_none_of_them_lost(workers: list[Client]) -> None:
    await send(workers[0], "POST", "/users", {"name": "Ada"})
    answers = await asyncio.gather(*(send(workers[n % 2], "PATCH", "/users/1", {"tags": {f"k{n}": n}}) for n in range(4)))
    done = [n for n, answer in enumerate(answers) if answer.status == 200]
    assert {answer.status for answer in answers} <= {200, 409} and done
    now = (await workers[0].get("/users/1")).json()
    assert (now["tags"], now["n"]) == ({f"k{n}": n for n in done}, 1 + len(done))


async def test_values_keep_their_types_and_a_write_empties_what_is_cached(workers: list[Client]) -> None:
    sent = {"name": "Ada", "balance": "1.10", "born": "1815-12-10", "tags": [1, {"x": None}]}
    made = await send(workers[0], "POST", "/users", sent)
    assert '"balance":1.10,"born":"1815-12-10","tags":[1,{"x":null}]' in made.text
    for wrong in ({"born": "1815-13-10"}, {"balance": "much"}, {"n": "x", "name": 1.5, "id": "y"}):
        assert (await send(workers[0], "PATCH", "/users/1", wrong)).status == 422
    assert (await workers[0].get("/notes")).json() == []
    await send(workers[0], "POST", "/notes", {"text": "'; drop table users; --"})
    assert (await workers[0].get("/notes")).json() == [{"id": 1, "text": "'; drop table users; --"}]
    assert len((await workers[0].get("/users")).json()) == 1
