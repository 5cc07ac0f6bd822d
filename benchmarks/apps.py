"""The applications under measurement; each function is a factory for uvicorn. `BENCH_CONFIG` names a configuration file.

Of the package they use `MockForge` alone, so that another commit's can be measured with them.
"""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from mockforge_asgi import MockForge

App = Callable[[Any, Any, Any], Awaitable[None]]

BODY = b'{"status":"ok"}'
HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(BODY)).encode())]
MOCKS = [
    {"match": {"method": "GET", "path": "/health"}, "response": {"json": {"status": "ok"}}},
    *({"match": {"method": "GET", "path": f"/mocks/{n}/{{id}}"}, "response": {"json": {"n": n}}} for n in range(20)),
]


def bare() -> App:
    """Nothing but the bytes."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
            await send({"type": "http.response.body", "body": BODY})

    return app


def starlette() -> Starlette:
    """A Starlette application with one route."""

    async def health(request: Request) -> JSONResponse:
        return JSONResponse({"status": "ok"})

    return Starlette(routes=[Route("/app", health)])


def wrapped() -> App:
    """The same application behind 21 mocks, none of which claims its path."""
    return MockForge(starlette(), config={"version": 1, "routes": MOCKS})


def wrapped_bare() -> App:
    """Nothing but the bytes, behind 21 mocks, none of which claims its path."""
    return MockForge(bare(), config={"version": 1, "routes": MOCKS})


def static() -> App:
    """A static mock among 21."""
    return MockForge(config={"version": 1, "routes": MOCKS})


def configured() -> App:
    """The configuration that the environment names."""
    return MockForge(config=os.environ["BENCH_CONFIG"])


def served() -> App:
    """The application that `BENCH_APP` names. On SIGUSR1 what is there is frozen."""
    freeze_when_told()
    made: App = globals()[os.environ["BENCH_APP"]]()
    return made


def freeze_when_told() -> None:
    """On SIGUSR1 what is there is frozen, as `mockforge serve` does when it has begun."""

    def freeze(*_: object) -> None:
        gc.collect()
        gc.freeze()

    signal.signal(signal.SIGUSR1, freeze)
