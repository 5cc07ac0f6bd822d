"""Bounds: time, data, connections; whoever leaves ends its query."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from mockforge_asgi import MockForge, PluginRuntime
from mockforge_asgi.testing import Client
from mockforge_asgi.testing.client import Conversation
from plugins_builtin.data_postgresql.tests.mock import mock
from tests.support.data_sources import failure, route, rows, running
from tests.support.postgresql import Postgresql

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUERIES = {
    "one": {"query": "select :n::int as n", "params": {"n": "integer"}},
    "sleep": "select pg_sleep(20) /* sleeping */",
    "nap": {"query": "select :n::int as n, pg_sleep(0.02)", "params": {"n": "integer"}},
    "cell": "select repeat('x', 40000000)",
    "many": "select repeat('x', 4000) from generate_series(1, 400000)",
    "many_shown": {"query": "select i from generate_series(1, 100000) i", "limit": 10},
    "explained": {"query": "show all", "limit": 10},
    "write_sleep": {"query": ["insert into written values (1)", "select pg_sleep(20) /* sleeping */"], "write": True},
    "settings": "select current_setting('statement_timeout') as a, current_setting('timezone') as b",
}
SLEEPING = "select count(*) from pg_stat_activity where state = 'active' and query like '%/* sleeping */%' and query not like '%activity%'"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def runtime(server: Postgresql) -> AsyncIterator[PluginRuntime]:
    server.sql("create table written (id int); grant all on written to writer")
    limits = {"timeout_ms": 1000, "max_mb": 1}
    async with running(mock(server, QUERIES, [], limits=limits, pool={"max": 2, "wait_ms": 100})) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def patient(server: Postgresql) -> AsyncIterator[PluginRuntime]:
    limits = {"timeout_ms": 20_000, "max_mb": 1}
    async with running(mock(server, QUERIES, [], limits=limits, pool={"max": 2, "wait_ms": 20_000}, connect_ms=20_000)) as made:
        yield made


async def no_longer(server: Postgresql, text: str = SLEEPING) -> None:
    """Wait until nobody sleeps there."""
    deadline = time.monotonic() + 5
    while server.sql(text) != [["0"]]:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def test_a_query_ends_in_time_and_its_server_is_told(runtime: PluginRuntime, server: Postgresql) -> None:
    for query in ("sleep", "write_sleep"):
        began_s = time.monotonic()
        assert (await failure(runtime, query))[0] == "timeout"
        assert 0.9 < time.monotonic() - began_s < 3
        await no_longer(server)
    assert server.sql("select count(*) from written") == [["0"]]
    assert await rows(runtime, "one", {"n": 1}) == [[1]]
    assert await rows(runtime, "settings") == [["1s", "UTC"]]


async def test_whoever_leaves_ends_its_query_and_the_next_gets_its_own_rows(runtime: PluginRuntime, server: Postgresql) -> None:
    asking = asyncio.create_task(rows(runtime, "sleep"))
    while server.sql(SLEEPING) == [["0"]]:
        await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await no_longer(server)
    for n in range(30):
        left = asyncio.create_task(rows(runtime, "nap", {"n": -n}))
        await asyncio.sleep(0.001 * (n % 5))
        left.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await left
        with contextlib.suppress(AssertionError):  # no connection may be left while those are being ended
            assert await rows(runtime, "one", {"n": n}) == [[n]]
    await no_longer(server, "select count(*) from pg_stat_activity where query like '%pg_sleep(0.02)%' and query not like '%activity%'")
    assert int(server.sql("select count(*) from pg_stat_activity where usename = 'reader'")[0][0]) <= 2


@pytest.mark.parametrize("query", ["cell", "many"])
async def test_more_than_max_mb_is_cut_at_the_network(patient: PluginRuntime, query: str) -> None:
    code, why = await failure(patient, query)
    assert code == "limit" and "max_mb" in why
    assert await rows(patient, "one", {"n": 1}) == [[1]]


async def test_rows_beyond_a_limit_are_not_fetched_or_not_given(runtime: PluginRuntime) -> None:
    found = await runtime.sources.query("shop", "many_shown", {})
    assert (len(found["rows"]), found["truncated"], "next" in found) == (10, True, True)
    found = await runtime.sources.query("shop", "explained", {})
    assert (len(found["rows"]), found["truncated"], "next" in found) == (10, True, False)


async def test_a_query_waits_for_a_connection_only_so_long(runtime: PluginRuntime) -> None:
    asking = [asyncio.create_task(failure(runtime, "sleep")) for _ in range(2)]
    await asyncio.sleep(0.05)
    began_s = time.monotonic()
    code, why = await failure(runtime, "one", {"n": 1})
    assert code == "unavailable" and "pool.max" in why and time.monotonic() - began_s < 0.8
    assert [code for code, _ in await asyncio.gather(*asking)] == ["timeout", "timeout"]


async def test_those_that_wait_are_served_in_turn(patient: PluginRuntime) -> None:
    assert await asyncio.gather(*(rows(patient, "one", {"n": n}) for n in range(300))) == [[[n]] for n in range(300)]


async def test_a_client_that_leaves_ends_its_query_at_the_server(server: Postgresql) -> None:
    routes = [route("GET", "/sleep", "sleep")]
    async with Client(MockForge(config=mock(server, QUERIES, routes, limits={"timeout_ms": 20_000}))) as client:
        conversation = Conversation([{"type": "http.request", "body": b"", "more_body": False}])
        asking = asyncio.ensure_future(client.app(client.scope("GET", "/sleep"), conversation.receive, conversation.send))
        while await asyncio.to_thread(server.sql, SLEEPING) == [["0"]]:
            await asyncio.sleep(0.01)
        conversation.leave()
        with contextlib.suppress(Exception):
            await asyncio.wait_for(asking, 5)
        await no_longer(server)
