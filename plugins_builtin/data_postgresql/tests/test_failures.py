"""Servers that go, freeze, come back, refuse; tables that change; values that the data do not accept."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from mockforge_asgi import MockForge
from mockforge_asgi.testing import Client
from plugins_builtin.data_postgresql.tests.mock import mock
from tests.support.data_sources import failure, route, rows, running
from tests.support.postgresql import PASSWORD, Postgresql
from tests.support.server_processes import free_port

QUERIES: dict[str, Any] = {
    "one": {"query": "select :n::int as n", "params": {"n": "integer"}},
    "all": "select * from changing",
    "sleep": "select pg_sleep(20)",
    "add": {
        "query": ["insert into things values (:id, :name)", "insert into things values (:id, 'again')"],
        "params": {"id": "integer", "name": "text"},
        "write": True,
    },
    "add_one": {
        "query": "insert into things values (:id, :name, :parent)",
        "params": {"id": "integer", "name": "text", "parent": {"type": "integer", "optional": True}},
        "write": True,
    },
    "names": "select name from things order by id",
    "odd_column": {"from": "things", "columns": ["nme"]},
    "odd_table": {"from": "thing", "order": ["id"]},
    "odd_sql": "selct 1",
    "syntax": "select from where",
    "too_big": {"query": "select :n::numeric::int2", "params": {"n": "decimal"}},
    "of_text": {"query": "select :n::int", "params": {"n": "text"}},
    "search": {"query": "select to_tsquery(:n)", "params": {"n": "text"}},
    "path": {"query": "select jsonb_path_query('{}', cast(:n as text)::jsonpath)", "params": {"n": "text"}},
    "class": {"query": "select cast(:n as text)::regclass", "params": {"n": "text"}},
    "kind": {"query": "select cast(:n as text)::regtype", "params": {"n": "text"}},
    "pattern": {"query": "select 'a' ~ :n", "params": {"n": "text"}},
    "xpath": {"query": "select xpath(:n, '<a/>')", "params": {"n": "text"}},
}
TABLES = """
create table things (id int primary key, name varchar(5) not null check (name <> 'no'), parent int references things);
create table changing (id int); insert into changing values (1);
"""


@pytest.fixture(scope="module")
def own(server: Postgresql) -> Postgresql:
    """The server with tables of these tests' own; whoever stops or freezes it lets it go on."""
    server.sql(TABLES)
    return server


async def test_a_server_that_restarts_is_found_again_and_nothing_is_written_twice(own: Postgresql) -> None:
    async with running(mock(own, QUERIES, [])) as runtime:
        assert await rows(runtime, "one", {"n": 1}) == [[1]]
        sleeping = asyncio.create_task(failure(runtime, "sleep"))
        await asyncio.sleep(0.05)
        await asyncio.to_thread(own.stop, signal.SIGQUIT)
        assert (await sleeping)[0] == "unavailable"
        code, why = await failure(runtime, "one", {"n": 1})
        assert code == "unavailable" and "cannot be reached" in why
        await asyncio.to_thread(own.start)
        deadline = time.monotonic() + 5
        while True:
            try:
                assert await rows(runtime, "one", {"n": 2}) == [[2]]
                break
            except Exception:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.05)
        backends = "select count(pg_terminate_backend(pid)) from pg_stat_activity where usename = 'reader'"
        assert int(own.sql(backends)[0][0]) == 1
        assert await rows(runtime, "one", {"n": 3}) == [[3]], "a connection that is gone is noticed"


async def test_a_frozen_server_holds_nobody_and_other_routes_go_on(own: Postgresql) -> None:
    routes = [
        route("GET", "/one", "one", params={"n": 1}),
        {"match": {"path": "/other"}, "response": {"text": "other"}},
    ]
    async with Client(MockForge(config=mock(own, QUERIES, routes, limits={"timeout_ms": 300}))) as client:
        assert (await client.get("/one")).status == 200
        own.freeze(True)
        try:
            began_s = time.monotonic()
            asked = [asyncio.create_task(client.get("/one")) for _ in range(3)]
            assert (await client.get("/other")).text == "other"
            assert {(await each).status for each in asked} <= {503, 504}
            assert time.monotonic() - began_s < 1.5
        finally:
            own.freeze(False)
        deadline = time.monotonic() + 10
        while (await client.get("/one")).status != 200:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)


async def test_a_server_that_is_down_at_the_start_hinders_nobody() -> None:
    nobody = Postgresql(Path("/nowhere"), free_port())
    routes = [route("GET", "/one", "one", params={"n": 1}), {"match": {"path": "/other"}, "response": {"text": "other"}}]
    async with Client(MockForge(config=mock(nobody, QUERIES, routes))) as client:
        assert (await client.get("/other")).text == "other"
        found = await client.get("/one")
        assert (found.status, found.header("retry-after"), "127.0.0.1" in found.text) == (503, "1", False)


async def test_a_table_that_changes_is_read_anew(own: Postgresql) -> None:
    async with running(mock(own, QUERIES, [])) as runtime:
        assert await rows(runtime, "all") == [[1]]
        own.sql("alter table changing add name text default 'x'; alter table changing alter id type bigint")
        assert await rows(runtime, "all") == [[1, "x"]]


async def test_statements_of_one_write_are_done_together_or_not(own: Postgresql) -> None:
    async with running(mock(own, QUERIES, [])) as runtime:
        assert (await failure(runtime, "add", {"id": 1, "name": "a"}))[0] == "conflict"
        assert await rows(runtime, "names") == []
        found = await runtime.sources.query("shop", "add_one", {"id": 2, "name": "b"})
        assert found["affected"] == 1
        assert await rows(runtime, "names") == [["b"]]


@pytest.mark.parametrize(
    ("query", "params", "code"),
    [
        ("add_one", {"id": 2, "name": "b"}, "conflict"), ("add_one", {"id": 3, "name": "hush-hush"}, "invalid_input"),
        ("add_one", {"id": 3, "name": None}, "invalid_input"), ("add_one", {"id": 3, "name": "no"}, "invalid_input"),
        ("add_one", {"id": 3, "name": "c", "parent": 99}, "invalid_input"), ("add_one", {"id": 2**40, "name": "c"}, "invalid_input"),
        ("too_big", {"n": "123456789"}, "invalid_input"), ("of_text", {"n": "hush-hush"}, "invalid_input"), ("odd_column", {}, "bad_data"),
        ("search", {"n": "hush & &"}, "invalid_input"), ("path", {"n": "hush-hush("}, "invalid_input"),
        ("class", {"n": "hush"}, "bad_data"), ("kind", {"n": "hush'"}, "invalid_input"), ("pattern", {"n": "hush("}, "invalid_input"),
        ("odd_table", {}, "bad_data"), ("odd_sql", {}, "bad_data"), ("syntax", {}, "bad_data"),
    ],
)  # fmt: skip
async def test_what_the_data_do_not_accept_is_told_without_its_value(
    own: Postgresql, query: str, params: dict[str, Any], code: str
) -> None:
    async with running(mock(own, QUERIES, [])) as runtime:
        if query == "add_one":
            await runtime.sources.query("shop", "add_one", {"id": 2, "name": "b"}) if not await rows(runtime, "names") else None
        found, why = await failure(runtime, query, params)
        assert found == code and "hush" not in why and "123456789" not in why


async def test_no_value_of_a_client_makes_a_source_look_down(own: Postgresql) -> None:
    async with running(mock(own, QUERIES, [])) as runtime:
        for _ in range(5):
            assert (await failure(runtime, "xpath", {"n": "hush("}))[0] == "bad_data"
        assert await rows(runtime, "one", {"n": 1}) == [[1]]


async def test_a_password_that_is_wrong_shows_nowhere(own: Postgresql, caplog: pytest.LogCaptureFixture) -> None:
    config = mock(own, QUERIES, [])
    config["secrets"] = {"shop_db": {"value": "wrong-secret-0815"}}
    async with running(config) as runtime:
        code, why = await failure(runtime, "one", {"n": 1})
        assert code == "unavailable" and "refuses the login: the password is wrong, or there is no such role; see `user`" in why
    assert "0815" not in caplog.text + why


async def test_a_database_that_there_is_not_is_told(own: Postgresql) -> None:
    config = mock(own, QUERIES, [])
    config["sources"]["shop"]["config"]["database"] = "shpo"
    async with running(config) as runtime:
        code, why = await failure(runtime, "one", {"n": 1})
        assert code == "unavailable" and "/shpo: it has no database of that name; see `database`" in why


async def test_pages_neither_skip_nor_repeat_while_rows_come_and_go(own: Postgresql) -> None:
    own.sql("create table logs (at timestamptz, id int, note text)")
    at = "case when i % 4 > 0 then '2026-01-01'::timestamptz + i / 10 * interval '1 s' end"
    own.sql(f"insert into logs select {at}, i, 'n' from generate_series(1, 60) i")
    for order in (["at", "id"], ["-at", "id"], ["-at", "-id"], ["note", "-id"]):
        queries = {"pages": {"query": "select * from logs where id <= 60", "order": order}}
        async with running(mock(own, queries, [])) as runtime:
            whole = [row[1] for row in await rows(runtime, "pages")]
            seen, cursor = list[int](), None
            while True:
                found = await runtime.sources.query("shop", "pages", {}, limit=20, cursor=cursor, count=True)
                assert found["total"] == 60
                seen += [row[1] for row in found["rows"]]
                own.sql("insert into logs values (null, -1, 'n'), ('2025-01-01', 0, 'a')") if cursor is None else None
                own.sql("delete from logs where id <= 0")
                if (cursor := found.get("next")) is None:
                    break
            assert seen == whole and sorted(seen) == list(range(1, 61))


async def test_a_password_that_was_replaced_is_read_again_by_new_connections(own: Postgresql, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(PASSWORD)
    own.sql(f"create role rotated login password '{PASSWORD}'; grant pg_read_all_data to rotated")
    config = mock(own, QUERIES, [], user="rotated")
    config["secrets"] = {"shop_db": {"file": str(file)}}
    async with running(config) as runtime:
        assert await rows(runtime, "one", {"n": 1}) == [[1]]
        own.sql("alter role rotated password 'another-secret-4711'")
        file.write_text("another-secret-4711")
        assert await rows(runtime, "one", {"n": 2}) == [[2]], "connections that are there go on"
        own.sql("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'rotated'")
        assert await rows(runtime, "one", {"n": 3}) == [[3]]
