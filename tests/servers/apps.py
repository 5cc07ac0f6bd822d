"""What the servers serve: one Starlette app, `bare` and `wrapped` in `MockForge`, with every feature a middleware could spoil."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

from mockforge_asgi.config.objects import ResponseFilter
from mockforge_asgi.contract import Json
from mockforge_asgi.http.request_document import RequestView
from mockforge_asgi.middleware import MockForge
from mockforge_asgi.types import Receive, Scope, Send
from tests.support.plain_host import PlainRuntime, plain_plugin

FLAGS: dict[str, asyncio.Event] = defaultdict(asyncio.Event)
"""Things that happened, for `/wait/{flag}`."""


@asynccontextmanager
async def course(app: Starlette) -> AsyncIterator[dict[str, str]]:
    print("the app starts", flush=True)
    yield {"db": "open"}
    print("the app stops", flush=True)


async def info(request: Request) -> JSONResponse:
    """What the app gets to see."""
    scope = request.scope
    user = scope["user"].identity if "user" in scope else None
    return JSONResponse({"path": scope["path"], "query": request.url.query, "state": dict(scope.get("state") or {}), "user": user})


async def stream(request: Request) -> StreamingResponse:
    async def parts() -> AsyncIterator[str]:
        for n in range(5):
            yield f"part {n}\n"
            await asyncio.sleep(0)

    return StreamingResponse(parts(), media_type="text/plain")


async def events(request: Request) -> StreamingResponse:
    async def parts() -> AsyncIterator[str]:
        try:
            while True:
                yield "data: tick\n\n"
                await asyncio.sleep(0.01)
        finally:
            FLAGS["events-left"].set()

    return StreamingResponse(parts(), media_type="text/event-stream")


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Sends each part of the body back as it comes."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    more = True
    while more:
        message = await receive()
        more = message["type"] == "http.request" and message.get("more_body", False)
        await send({"type": "http.response.body", "body": message.get("body", b""), "more_body": more})


async def background(request: Request) -> PlainTextResponse:
    async def later() -> None:
        FLAGS["background"].set()

    return PlainTextResponse("started", background=BackgroundTask(later))


async def wait(request: Request) -> PlainTextResponse:
    flag = FLAGS[request.path_params["flag"]]
    await asyncio.wait_for(flag.wait(), 10)
    flag.clear()
    return PlainTextResponse("happened")


async def boom(request: Request) -> Response:
    raise OSError("the app's own error")


async def boom_late(request: Request) -> StreamingResponse:
    async def parts() -> AsyncIterator[str]:
        yield "first"
        raise OSError("the app's own late error")

    return StreamingResponse(parts())


async def file(request: Request) -> FileResponse:
    return FileResponse(Path(__file__))


async def pathsend(scope: Scope, receive: Receive, send: Send) -> None:
    """Has the server send this file where it can, and says so."""
    can = "http.response.pathsend" in (scope.get("extensions") or {})
    length = (b"content-length", b"%d" % Path(__file__).stat().st_size)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-pathsend", b"%d" % can), length]})
    if can:
        await send({"type": "http.response.pathsend", "path": __file__})
    else:
        await send({"type": "http.response.body", "body": Path(__file__).read_bytes()})


async def trailers(scope: Scope, receive: Receive, send: Send) -> None:
    """Sends trailers where the server can, and says so."""
    can = "http.response.trailers" in (scope.get("extensions") or {})
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-trailers", b"%d" % can)], "trailers": can})
    await send({"type": "http.response.body", "body": b"body"})
    if can:
        await send({"type": "http.response.trailers", "headers": [(b"x-sum", b"1")]})


async def socket(websocket: WebSocket) -> None:
    await websocket.accept(subprotocol="echo" if "echo" in websocket.scope.get("subprotocols", ()) else None)
    async for text in websocket.iter_text():
        await websocket.send_text(f"{websocket.url.path} {text}")
    FLAGS["socket-closed"].set()


def bare() -> Starlette:
    """The app alone."""
    routes: list[BaseRoute] = [
        Route("/stream", stream),
        Route("/events", events),
        Mount("/echo", app=echo),
        Mount("/upload", app=echo),
        Mount("/signed", app=echo),
        Route("/background", background),
        Route("/wait/{flag}", wait),
        Route("/boom", boom),
        Route("/boom-late", boom_late),
        Route("/file", file),
        Mount("/pathsend", app=pathsend),
        Mount("/trailers", app=trailers),
        WebSocketRoute("/ws", socket),
        Route("/info", info, methods=["GET", "POST"]),
    ]
    rest = Route("/{rest:path}", info, methods=["GET", "POST"])
    return Starlette(routes=[*routes, Mount("/private", routes=routes), Mount("/changed", routes=routes), rest], lifespan=course)


def authenticate(document: Json) -> Json:
    key = dict(document["headers"]).get("x-api-key")
    if key is None:
        return None
    if key != "k1":
        return {"deny": {"status": 401, "reason": "unknown key", "challenge": "ApiKey"}}
    return {"allow": {"principal": {"id": "demo"}, "set_headers": [["x-auth", "1"]]}}


def generate(document: Json) -> Json:
    request = document["request"]
    text = f"{request['method']} {request['path_params']['name']}"
    return {"status": 200, "headers": [["content-type", "text/plain"]], "body": {"text": text}}


async def change(document: Json, request: Json) -> Json:
    """Marks every answer; JSON that is whole is wrapped besides."""
    about = document["response"]
    size = about["body"]["available"]
    changed = {"status": about["status"], "headers": [*about["headers"], ["x-changed", "head" if size < 0 else "whole"]]}
    if size > 0 and ["content-type", "application/json"] in about["headers"]:
        changed["body"] = {"text": f"[{(await request.read_body('response')).decode()}]"}
    return changed


async def read_whole(document: Json, request: Json) -> Json:
    """Lets everybody pass, and tells in a header which body it was given."""
    body = await request.read_body("request")
    return {"allow": {"principal": {"id": "anybody"}, "set_headers": [["x-read", body.hex()]]}}


async def never(document: Json) -> Json:
    try:
        FLAGS["asked"].set()
        await asyncio.Event().wait()
    finally:
        FLAGS["cancelled"].set()


CONFIG: dict[str, Any] = {
    "version": 1,
    "protect": [
        {"path": "/private/**", "auth": ["key"]},
        {"path": "/greet/**", "auth": ["key"]},
        {"path": "/signed/**", "auth": ["signature"]},
    ],
    "routes": [
        {"match": {"method": "GET", "path": "/health"}, "response": {"json": {"status": "ok"}}},
        {"match": {"path": "/greet/{name}"}, "response": {"plugin": "greet"}},
        {"match": {"path": "/never"}, "response": {"plugin": "never"}},
        {"match": {"method": "GET", "path": "/echo"}, "response": {"text": "only GET"}},
    ],
    "limits": {"max_body_kb": 64, "body_timeout_ms": 5000},
}


def runtime() -> PlainRuntime:
    """The runtime with plugins of the tests."""
    return PlainRuntime(
        CONFIG,
        plain_plugin("key", "auth", {"auth.authenticate": authenticate}, view=RequestView(headers=frozenset({"x-api-key"}))),
        plain_plugin("signature", "auth", {"auth.authenticate": read_whole}),
        plain_plugin("greet", "response", {"response.generate": generate}),
        plain_plugin("never", "response", {"response.generate": never}),
        plain_plugin("change", "modifier", {"response.modify": change}, modifies=ResponseFilter(app=True, paths=("/changed/**",))),
    )


def wrapped() -> MockForge:
    """The app in `MockForge`."""
    return MockForge(bare(), runtime=runtime())


BARE, WRAPPED = bare(), wrapped()
