"""`python -m benchmarks.soak_data` (`scripts/soak data`): SQL sources at full size: cells of half a gigabyte, thousands who leave.

One runtime in this process, PostgreSQL and MariaDB beside it. It fails when a query gets another one's rows, when a server runs what
nobody waits for, when connections are left, or when memory grows beyond its bound.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import sys
from collections.abc import Mapping
from typing import Any, Final

from benchmarks.conditions import machine
from benchmarks.soak import MIB, _rss
from mockforge_asgi import PluginRuntime
from mockforge_asgi.errors import SourceFailed
from tests.support.mariadb import Mariadb, mariadb
from tests.support.postgresql import PASSWORD, READER, Postgresql, postgresql

GROWTH_MB: Final = 40
"""How much a query that is cut may add, over what the process held before."""
_QUERIES: Final[Mapping[str, Mapping[str, Any]]] = {
    "postgresql": {
        "one": {"query": "select :n::int as n", "params": {"n": "integer"}},
        "nap": {"query": "select :n::int as n, pg_sleep(0.01)", "params": {"n": "integer"}},
        "cell": "select repeat('x', 500000000)",
        "rows": {"query": "select repeat('x', 100) from generate_series(1, 10000000)", "limit": 100_000},
    },
    "mysql": {
        "one": {"query": "select :n as n", "params": {"n": "integer"}},
        "nap": {"query": "select :n as n, sleep(0.01) as napping", "params": {"n": "integer"}},
        "cell": "select repeat('x', 500000000)",
        "rows": {"query": "select repeat('x', 100) from seq_1_to_10000000", "limit": 100_000},
    },
}


def config(name: str, port: int) -> dict[str, Any]:
    """One source; queries take their time, and give up to 4 MiB."""
    place = {"host": "127.0.0.1", "port": port, "database": "shop", "user": READER, "password": {"secret": "shop"}}
    place |= {"pool": {"max": 5, "wait_ms": 60_000, "queue": 100_000}}
    limits = {"timeout_ms": 120_000, "max_mb": 4, "max_rows": 100_000}
    source = {"use": name, "config": place, "limits": limits, "queries": dict(_QUERIES[name])}
    return {"version": 1, "secrets": {"shop": {"value": PASSWORD}}, "sources": {"shop": source}}


async def cut(runtime: PluginRuntime, query: str) -> float:
    """How many MiB a query adds that must be cut at `max_mb`, at its worst. Raises: AssertionError where it is not."""
    before, worst, is_over = _rss(), 0, False

    async def watch() -> None:
        nonlocal worst
        while not is_over:
            worst = max(worst, _rss() - before)
            await asyncio.sleep(0.005)

    watching = asyncio.create_task(watch())
    try:
        await runtime.sources.query("shop", query, {})
        raise AssertionError(f"{query} was not cut")
    except SourceFailed as failed:
        assert failed.code == "limit", failed
    finally:
        is_over = True
        await watching
    return worst / MIB


async def departures(runtime: PluginRuntime, count: int) -> int:
    """So many who leave at any moment, and between them others who get their own rows; how many those were."""
    draw, served = random.Random(11), 0
    for n in range(count):
        left = asyncio.create_task(runtime.sources.query("shop", "nap", {"n": -n}))
        await asyncio.sleep(draw.random() * 0.012)
        left.cancel()
        with contextlib.suppress(asyncio.CancelledError, SourceFailed):
            await left
        if n % 10 == 0:
            found = await runtime.sources.query("shop", "one", {"n": n})
            assert found["rows"] == [[n]], f"{n} was given {found['rows']}"
            served += 1
    return served


async def soak(name: str, server: Postgresql | Mariadb, left: str, count: int) -> dict[str, object]:
    """All of it over one server; `left` counts the source's connections there."""
    runtime = PluginRuntime(config(name, server.port))
    await runtime.start()
    try:
        await departures(runtime, 50)
        seen: dict[str, object] = {"source": name, "departures": count, "served_between": await departures(runtime, count)}
        connections = int(server.sql(left)[0][0])
        assert connections <= 5, f"{connections} connections are left"
        seen["connections"] = connections
        for query in ("rows",) if name == "mysql" else ("cell", "rows"):  # max_allowed_packet ends a cell of MariaDB's at 16 MB
            seen[f"{query}_mb"] = round(grown := await cut(runtime, query), 1)
            assert grown <= GROWTH_MB, f"{query} added {grown:.0f} MiB"
    finally:
        await runtime.stop()
    assert server.sql(left) == [["0"]], "connections stay when the source is gone"
    return seen


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="scripts/soak data", description="SQL sources at full size. One JSON line a source.")
    parser.add_argument("--departures", type=int, default=10_000, metavar="N", help="queries whose client leaves, of each source")
    count = parser.parse_args().departures
    with postgresql() as first:
        left = "select count(*) from pg_stat_activity where usename = 'reader'"
        print(json.dumps({**asyncio.run(soak("postgresql", first, left, count)), "conditions": machine()}), flush=True)
    with mariadb() as second:
        left = "select count(*) from information_schema.processlist where user = 'reader'"
        print(json.dumps({**asyncio.run(soak("mysql", second, left, count)), "conditions": machine()}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
