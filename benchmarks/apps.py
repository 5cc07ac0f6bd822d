"""The applications under measurement; each function is a factory for uvicorn. `BENCH_CONFIG` names a configuration file."""

from __future__ import annotations

import os

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from mockforge_asgi import MockForge
from mockforge_asgi.types import ASGIApp, Receive, Scope, Send

BODY = b'{"status":"ok"}'
HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(BODY)).encode())]
MOCKS = [
    {"match": {"method": "GET", "path": "/health"}, "response": {"json": {"status": "ok"}}},
    *({"match": {"method": "GET", "path": f"/mocks/{n}/{{id}}"}, "response": {"json": {"n": n}}} for n in range(20)),
]


def bare() -> ASGIApp:
    """Nothing but the bytes."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
            await send({"type": "http.response.body", "body": BODY})

    return app


def starlette() -> Starlette:
    """A Starlette application with one route."""

    async def health(request: Request) -> JSONResponse:
        return JSONResponse({"status": "ok"})

    return Starlette(routes=[Route("/app", health)])


def wrapped() -> ASGIApp:
    """The same application behind 21 mocks, none of which claims its path."""
    return MockForge(starlette(), config={"version": 1, "routes": MOCKS})


def static() -> ASGIApp:
    """A static mock among 21."""
    return MockForge(config={"version": 1, "routes": MOCKS})


def configured() -> ASGIApp:
    """The configuration that the environment names."""
    return MockForge(config=os.environ["BENCH_CONFIG"])
