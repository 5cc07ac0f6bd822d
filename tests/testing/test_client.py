"""The in-process client."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from mockforge_asgi.middleware import MockForge
from mockforge_asgi.testing import Client
from mockforge_asgi.types import Receive, Scope, Send


async def echo(request: Request) -> JSONResponse:
    body = (await request.body()).decode()
    return JSONResponse({"path": request.url.path, "query": request.url.query, "body": body, "headers": dict(request.headers)})


APP = Starlette(routes=[Route("/{rest:path}", echo, methods=["GET", "POST"])])


async def test_a_request_reaches_the_app_as_a_server_would_send_it() -> None:
    async with Client(APP, host="api.test") as client:
        answer = await client.post("/a%20b?q=1", json={"x": 1}, headers={"X-A": "1"})
    said = answer.json()
    assert (answer.status, said["path"], said["query"], said["body"]) == (200, "/a b", "q=1", '{"x":1}')
    assert said["headers"]["host"] == "api.test"
    assert said["headers"]["content-length"] == "7" and said["headers"]["x-a"] == "1"


async def test_a_body_may_come_in_pieces() -> None:
    answer = await Client(APP).post("/", body=[b"one", b"two"])
    assert answer.json()["body"] == "onetwo" and answer.json()["headers"]["transfer-encoding"] == "chunked"


async def test_exceptions_of_the_app_reach_the_test() -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise OSError("broken")

    with pytest.raises(OSError, match="broken"):
        await Client(broken).get("/")


async def test_an_app_that_answers_nothing_is_a_failure_of_the_test() -> None:
    async def silent(scope: Scope, receive: Receive, send: Send) -> None:
        return

    with pytest.raises(AssertionError, match="no answer"):
        await Client(silent).get("/")


async def test_a_start_up_that_fails_fails_the_test() -> None:
    app = MockForge(None, {"version": 1, "plugins": {"gone": {"use": "./no-such-folder"}}, "dev": True})
    with pytest.raises(RuntimeError, match="startup failed"):
        async with Client(app):
            pass


async def test_a_url_may_hold_any_character() -> None:
    said = (await Client(APP).get("/Zoë?q=é%20")).json()
    assert (said["path"], said["query"]) == ("/Zoë", "q=%C3%A9%20")
