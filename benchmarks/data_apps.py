"""The applications that `benchmarks.data` measures; each function is a factory for uvicorn."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg
import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.apps import freeze_when_told
from mockforge_asgi import MockForge

App = Callable[[Any, Any, Any], Awaitable[None]]


def ours() -> App:
    """The mock of `BENCH_CONFIG`."""
    freeze_when_told()
    return MockForge(config=json.loads(Path(os.environ["BENCH_CONFIG"]).read_text()))


def by_hand() -> Starlette:
    """What an engineer would write: a pool of five, rows as dicts, orjson, decimals with all their digits."""

    freeze_when_told()

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with asyncpg.create_pool(os.environ["BENCH_DSN"], min_size=5, max_size=5) as app.state.pool:
            yield

    def shown(value: object) -> Response:
        return Response(orjson.dumps(value, default=_number), media_type="application/json")

    async def one(request: Request) -> Response:
        row = await request.app.state.pool.fetchrow("select * from users where id = $1", request.path_params["id"])
        return Response(status_code=404) if row is None else shown(dict(row))

    async def every(request: Request) -> Response:
        limit = int(request.query_params.get("limit", "1000"))
        rows = await request.app.state.pool.fetch("select * from users order by id limit $1", limit)
        return shown([dict(row) for row in rows])

    return Starlette(routes=[Route("/users/{id:int}", one), Route("/users", every)], lifespan=lifespan)


def _number(value: object) -> object:
    return orjson.Fragment(str(value)) if isinstance(value, Decimal) else str(value)
