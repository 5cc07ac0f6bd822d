"""A route over PostgreSQL, beside the same written by hand in Starlette with asyncpg: one row by its primary key, and a thousand rows.

Each in a process of its own under uvicorn, over one server that is thrown away; wrk, in turns. What they hold when they begin is frozen, as
`mockforge serve` does. The ratios are requests a second, ours to
theirs; bounds: 0.7 for one row, 0.6 for a thousand. `cpu/<case>` is the server's processor time for a request.
"""

from __future__ import annotations

import json
import os
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import httpx

from benchmarks.figures import Figure, Turn, compare, summary
from benchmarks.load import wrk
from benchmarks.processes import cpu_s
from benchmarks.servers import Server, uvicorn
from tests.support.postgresql import PASSWORD, READER, Postgresql, postgresql

BOUNDS: Final = {"ours/one": 0.7, "ours/thousand": 0.6}
CONNECTIONS: Final = 16
_PATHS: Final = {"one": "/users/7", "thousand": "/users?limit=1000"}
_TABLE: Final = """
create table users (id serial primary key, name text not null, city text, price numeric(10,2), born date);
insert into users (name, city, price, born) select 'user ' || i, 'city ' || i % 50, i * 1.10, '2000-01-01'::date + i
  from generate_series(1, 2500) i;
"""


def config(server: Postgresql) -> dict[str, Any]:
    """The mock."""
    queries = {
        "one": {"query": "select * from users where id = :id", "params": {"id": "integer"}},
        "all": "select * from users order by id",
    }
    place = {"host": "127.0.0.1", "port": server.port, "database": "shop", "user": READER, "password": {"secret": "shop"}}
    place |= {"pool": {"max": 5, "wait_ms": 10_000}}
    by_id = {"data": "shop.one", "params": {"id": "{{ request.path_params.id }}"}, "one": True}
    return {
        "version": 1,
        "secrets": {"shop": {"value": PASSWORD}},
        "sources": {"shop": {"use": "postgresql", "config": place, "queries": queries}},
        "routes": [
            {"match": {"method": "GET", "path": "/users/{id:int}"}, "response": by_id},
            {"match": {"method": "GET", "path": "/users"}, "response": {"data": "shop.all"}},
        ],
    }


async def run(quick: bool) -> AsyncIterator[Figure]:
    """Ours and theirs in turns, after both were seen to answer alike."""
    seconds, turns = (1.0, 2) if quick else (5.0, 7)
    with postgresql() as server, tempfile.TemporaryDirectory() as made:
        server.sql(_TABLE)
        file = Path(made) / "mockforge.json"
        file.write_text(json.dumps(config(server)))
        dsn = f"postgresql://{READER}:{PASSWORD}@127.0.0.1:{server.port}/shop"
        async with AsyncExitStack() as stack:
            apps = {
                "ours": await stack.enter_async_context(uvicorn("benchmarks.data_apps:ours", {"BENCH_CONFIG": str(file)})),
                "by_hand": await stack.enter_async_context(uvicorn("benchmarks.data_apps:by_hand", {"BENCH_DSN": dsn})),
            }
            await _agree(apps)
            for app in apps.values():
                os.kill(app.pid, signal.SIGUSR1)
            for figure in await _measured(apps, seconds, turns):
                yield figure


async def _agree(apps: dict[str, Server]) -> None:
    """Raises: RuntimeError where they do not give the same rows."""
    async with httpx.AsyncClient() as client:
        for path in _PATHS.values():
            ours, theirs = [(await client.get(app.url + path)).json() for app in apps.values()]
            if ours != theirs or not ours:
                raise RuntimeError(f"{path}: they answer differently: {str(ours)[:200]} and {str(theirs)[:200]}")


async def _measured(apps: dict[str, Server], seconds: float, turns: int) -> list[Figure]:
    seen: dict[str, list[tuple[float, float]]] = {}
    for turn in range(turns + 1):
        for kind, path in _PATHS.items():
            for name, app in apps.items():
                before = cpu_s(app.pid)
                load = await wrk(app.url + path, seconds=seconds, connections=CONNECTIONS)
                if load.errors:
                    raise RuntimeError(f"{name}/{kind}: {load.errors} of {load.requests} requests failed")
                if turn:  # the first turn warms up
                    used_us = (cpu_s(app.pid) - before) / max(load.requests, 1) * 1e6
                    seen.setdefault(f"{name}/{kind}", []).append((load.requests_s, used_us))
    conditions = {"seconds": seconds, "turns": turns, "connections": CONNECTIONS}
    figures = []
    for position, (prefix, unit) in enumerate((("", "requests/s"), ("cpu/", "us"))):
        made = [
            Figure(
                bench="data",
                case=f"{prefix}{case}",
                value=summary([Turn(values[position]) for values in each]).value,
                unit=unit,
                conditions={**conditions, "bound": BOUNDS.get(case) if not prefix else None},
            )
            for case, each in seen.items()
        ]
        figures += compare(made, {f"{prefix}ours/{kind}": f"{prefix}by_hand/{kind}" for kind in _PATHS})
    return figures
