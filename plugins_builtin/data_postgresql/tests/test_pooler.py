"""Behind PgBouncer in transaction mode, where each query may meet another connection of the server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from mockforge_asgi import PluginRuntime
from plugins_builtin.data_postgresql.tests.mock import mock
from tests.support.data_sources import failure, rows, running
from tests.support.pgbouncer import INSTALL, is_installed, pgbouncer
from tests.support.postgresql import Postgresql
from tests.support.toolchains import missing

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUERIES = {
    "one": {"query": "select :n::int as n", "params": {"n": "integer"}},
    "types": {
        "query": "select :at::timestamptz as a, interval '1 day' as b, 1.10 as c, array[date 'infinity'] as d",
        "params": {"at": "datetime"},
    },
    "users": {"from": "users", "where": {"city": "text"}, "order": ["id"]},
    "sleep": "select pg_sleep(20)",
    "write": {"query": "insert into pooled values (:n) returning n", "params": {"n": "integer"}, "write": True},
    "reads_and_writes": {"query": "with x as (insert into pooled values (:n) returning n) select * from x", "params": {"n": "integer"}},
    "wrong": "select 1 / 0",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def runtime(server: Postgresql) -> AsyncIterator[PluginRuntime]:
    if not is_installed():
        missing(f"PgBouncer is missing: {INSTALL}")
    server.sql("create table pooled (n int unique); grant all on pooled to writer, reader")
    with pgbouncer(server) as port:
        limits = {"timeout_ms": 5000}
        config = mock(server, QUERIES, [], port=port, pooler=True, limits=limits, pool={"max": 8, "wait_ms": 5000}, connect_ms=5000)
        async with running(config) as made:
            yield made


async def test_queries_of_all_sorts_go_through_it_side_by_side(runtime: PluginRuntime) -> None:
    async def one_of_each(n: int) -> None:
        assert await rows(runtime, "one", {"n": n}) == [[n]]
        shown = [["2026-01-31T21:00:00+00:00", "P1D", "1.10", ["infinity"]]]
        assert await rows(runtime, "types", {"at": "2026-01-31T23:00:00+02:00"}) == shown
        assert len(await rows(runtime, "users", {"city": "city 1"}, limit=3)) == 3
        assert await rows(runtime, "write", {"n": n}) == [[n]]
        assert (await failure(runtime, "write", {"n": n}))[0] == "conflict"
        assert (await failure(runtime, "reads_and_writes", {"n": -n}))[0] == "bad_data"
        assert (await failure(runtime, "wrong"))[0] == "invalid_input"

    await asyncio.gather(*(one_of_each(n) for n in range(1, 13)))


async def test_time_ends_there_too(server: Postgresql, runtime: PluginRuntime) -> None:
    asking = asyncio.create_task(rows(runtime, "sleep"))
    await asyncio.sleep(0.1)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert await rows(runtime, "one", {"n": 1}) == [[1]]
