"""The applications under measurement; each function is a factory for uvicorn. `BENCH_CONFIG` names a configuration file."""

from __future__ import annotations

import asyncio
import gc
import os
import time

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from mockforge_asgi import MockForge
from mockforge_asgi.runtime import PluginRuntime
from mockforge_asgi.telemetry.log import LogWriter
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


def watched() -> ASGIApp:
    """The same, its log written to nowhere; `/held` tells how long the loop was held at most, in ms of processor time, and begins anew."""
    runtime = PluginRuntime(os.environ["BENCH_CONFIG"])
    app = MockForge(runtime=runtime)
    runtime.events.subscribe(LogWriter(open(os.devnull, "w", encoding="utf-8"), redact=lambda text: runtime.events.redact(text)))  # noqa: SIM115
    longest = since = 0.0

    def beat() -> None:
        nonlocal longest, since
        now = time.thread_time()
        longest, since = max(longest, now - since), now
        asyncio.get_running_loop().call_later(0.001, beat)

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal longest, since
        if scope.get("path") != "/held":
            return await app(scope, receive, send)
        body = b"%.3f" % (longest * 1e3)
        if not since:
            gc.freeze()  # as `mockforge serve` does when it begins
            beat()
        longest = 0.0
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})

    return serve


def control_characters() -> ASGIApp:
    """A server that answers with 4 MiB of them."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4194304")]})
            await send({"type": "http.response.body", "body": b"\x01" * (4 << 20)})

    return app
