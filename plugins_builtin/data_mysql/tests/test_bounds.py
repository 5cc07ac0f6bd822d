"""Bounds: time, data, connections; whoever leaves ends its query; servers that go, freeze and come back."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from mockforge_asgi import MockForge, PluginRuntime
from mockforge_asgi.testing import Client
from plugins_builtin.data_mysql.tests.mock import mock
from tests.support.data_sources import failure, route, rows, running
from tests.support.mariadb import Mariadb

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUERIES: dict[str, Any] = {
    "one": {"query": "select :n as n", "params": {"n": "integer"}},
    "sleep": "select sleep(20) as sleeping",
    "nap": {"query": "select :n as n, sleep(0.02) as napping", "params": {"n": "integer"}},
    "cell": "select repeat('x', 15000000)",
    "many": "select repeat('x', 4000) from seq_1_to_400000",
    "many_shown": {"query": "select seq from seq_1_to_100000", "limit": 10},
    "write_sleep": {"query": ["insert into things values (90, 'x', null)", "insert into changing select sleep(20)"], "write": True},
    "all": "select * from changing",
    "add": {
        "query": ["insert into things values (:id, :name, null)", "insert into things values (:id, 'again', null)"],
        "params": {"id": "integer", "name": "text"},
        "write": True,
    },
    "add_one": {
        "query": "insert into things values (:id, :name, :parent)",
        "params": {"id": "integer", "name": "text", "parent": {"type": "integer", "optional": True}},
        "write": True,
    },
    "several": {"query": "call several()", "write": True},
    "names": "select name from things order by id",
    "odd_column": {"from": "things", "columns": ["nme"]},
    "odd_table": {"from": "thing", "order": ["id"]},
    "syntax": "select from where 'hush-hush'",
    "pages": {"query": "select * from logs where id <= 60 order by id desc", "order": ["-price", "at", "id"]},
}
TABLES = """
create table things (id int primary key, name varchar(5) not null check (name <> 'no'), parent int references things (id));
create table changing (id int); insert into changing values (1);
create table logs (at timestamp null, id int, price decimal(40,10));
insert into logs select if(seq % 4, timestamp'2026-01-01 00:00:00' + interval floor(seq / 10) second, null), seq,
  if(seq % 5, 12345678901234567890.1 + floor(seq / 9) / 1000000, null) from seq_1_to_60;
delimiter //
create procedure several() begin select 1 as a; select 2 as b; end //
"""
SLEEPING = "select count(*) from information_schema.processlist where info like '%sleep%' and info not like '%processlist%'"


@pytest.fixture(scope="module")
def own(server: Mariadb) -> Mariadb:
    """The server with tables of these tests' own; whoever stops or freezes it lets it go on."""
    server.sql(TABLES)
    return server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def runtime(own: Mariadb) -> AsyncIterator[PluginRuntime]:
    limits = {"timeout_ms": 1000, "max_mb": 1}
    async with running(mock(own, QUERIES, [], limits=limits, pool={"max": 2, "wait_ms": 900})) as made:
        yield made


async def no_longer(server: Mariadb) -> None:
    """Wait until nobody sleeps there."""
    deadline = time.monotonic() + 5
    while server.sql(SLEEPING) != [["0"]]:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def test_a_query_ends_in_time_and_its_server_is_told(runtime: PluginRuntime, own: Mariadb) -> None:
    for query in ("sleep", "write_sleep"):
        began_s = time.monotonic()
        assert (await failure(runtime, query))[0] == "timeout"
        assert 0.9 < time.monotonic() - began_s < 3
        await no_longer(own)
    assert await rows(runtime, "names") == []
    assert await rows(runtime, "one", {"n": 1}) == [[1]]


async def test_whoever_leaves_ends_its_query_and_the_next_gets_its_own_rows(runtime: PluginRuntime, own: Mariadb) -> None:
    asking = asyncio.create_task(rows(runtime, "sleep"))
    while own.sql(SLEEPING) == [["0"]]:
        await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await no_longer(own)
    for n in range(30):
        left = asyncio.create_task(rows(runtime, "nap", {"n": -n}))
        await asyncio.sleep(0.001 * (n % 5))
        left.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await left
        assert await rows(runtime, "one", {"n": n}) == [[n]]
    await no_longer(own)
    assert int(own.sql("select count(*) from information_schema.processlist where user = 'reader'")[0][0]) <= 2


@pytest.mark.parametrize("query", ["cell", "many"])
async def test_more_than_max_mb_is_cut_at_the_network(own: Mariadb, query: str) -> None:
    limits = {"timeout_ms": 20_000, "max_mb": 1}
    async with running(mock(own, QUERIES, [], limits=limits)) as patient:
        code, why = await failure(patient, query)
        assert code == "limit" and "max_mb" in why
        assert await rows(patient, "one", {"n": 1}) == [[1]]


async def test_rows_beyond_a_limit_are_not_fetched(runtime: PluginRuntime) -> None:
    found = await runtime.sources.query("shop", "many_shown", {})
    assert (len(found["rows"]), found["truncated"], "next" in found) == (10, True, True)


async def test_what_a_procedure_gives_first_is_its_result_and_the_rest_nobodys(runtime: PluginRuntime) -> None:
    assert await rows(runtime, "several") == [[1]]
    assert await rows(runtime, "several") == [[1]]


async def test_a_table_that_changes_is_read_anew(runtime: PluginRuntime, own: Mariadb) -> None:
    assert await rows(runtime, "all") == [[1]]
    own.sql("alter table changing add name text default 'x'")
    assert await rows(runtime, "all") == [[1, "x"]]


async def test_statements_of_one_write_are_done_together_or_not(runtime: PluginRuntime) -> None:
    code, why = await failure(runtime, "add", {"id": 1, "name": "a"})
    assert (code, "PRIMARY" in why) == ("conflict", True)
    assert await rows(runtime, "names") == []
    assert (await runtime.sources.query("shop", "add_one", {"id": 2, "name": "b"}))["affected"] == 1
    assert await rows(runtime, "names") == [["b"]]
    for query, params, code in (
        ("add_one", {"id": 2, "name": "b"}, "conflict"),
        ("add_one", {"id": 3, "name": "hush-hush"}, "invalid_input"),
        ("add_one", {"id": 3, "name": None}, "invalid_input"),
        ("add_one", {"id": 3, "name": "no"}, "invalid_input"),
        ("add_one", {"id": 3, "name": "c", "parent": 99}, "invalid_input"),
        ("add_one", {"id": 2**40, "name": "c"}, "invalid_input"),
        ("odd_column", {}, "bad_data"),
        ("odd_table", {}, "bad_data"),
        ("syntax", {}, "bad_data"),
    ):
        found, why = await failure(runtime, query, params)
        assert found == code and "hush" not in why, (query, why)


async def test_pages_neither_skip_nor_repeat_while_rows_come_and_go(runtime: PluginRuntime, own: Mariadb) -> None:
    whole = [row[1] for row in await rows(runtime, "pages")]
    seen, cursor = list[int](), None
    while True:
        found = await runtime.sources.query("shop", "pages", {}, limit=9, cursor=cursor, count=True)
        seen += [row[1] for row in found["rows"]]
        if cursor is None:
            own.sql("insert into logs values (null, 0, 99999999999999999999999)")
        if (cursor := found.get("next")) is None:
            break
    assert seen == [number for number in whole if number] and sorted(seen) == list(range(1, 61))


async def test_a_frozen_server_holds_nobody_and_one_that_restarts_is_found_again(own: Mariadb) -> None:
    routes = [route("GET", "/one", "one", params={"n": 1}), {"match": {"path": "/other"}, "response": {"text": "other"}}]
    async with Client(MockForge(config=mock(own, QUERIES, routes, limits={"timeout_ms": 300}))) as client:

        async def comes_back() -> None:
            deadline = time.monotonic() + 10
            while (await client.get("/one")).status != 200:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.05)

        await comes_back()
        own.freeze(True)
        try:
            began_s = time.monotonic()
            asked = [asyncio.create_task(client.get("/one")) for _ in range(3)]
            assert (await client.get("/other")).text == "other"
            assert {(await each).status for each in asked} <= {503, 504}
            assert time.monotonic() - began_s < 1.5
        finally:
            own.freeze(False)
        await comes_back()
        await asyncio.to_thread(own.stop, signal.SIGKILL)
        assert (await client.get("/one")).status == 503
        await asyncio.to_thread(own.start)
        await comes_back()


async def test_a_password_that_is_wrong_shows_nowhere(own: Mariadb, caplog: pytest.LogCaptureFixture) -> None:
    config = mock(own, QUERIES, [])
    config["secrets"] = {"shop_db": {"value": "wrong-secret-0815"}}
    async with running(config) as made:
        code, why = await failure(made, "one", {"n": 1})
        assert code == "unavailable" and "refuses the login: the password is wrong, or there is no such user" in why
    assert "0815" not in caplog.text + why


async def test_a_database_that_there_is_not_is_told(own: Mariadb) -> None:
    config = mock(own, QUERIES, [])
    config["sources"]["shop"]["config"]["database"] = "shpo"
    async with running(config) as made:
        code, why = await failure(made, "one", {"n": 1})
        assert code == "unavailable" and "or there is none of that name; see `user`, `database`" in why
