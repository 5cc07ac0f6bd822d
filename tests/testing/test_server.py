"""A server of the tests: a configuration or an app, reached over a socket."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from mockforge_asgi.testing import Server

CONFIG = {"version": 1, "routes": [{"match": {"path": "/hello"}, "response": {"text": "Hello"}}]}


async def url(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(request.url))


APP = Starlette(routes=[Route("/{rest:path}", url)])


def get(address: str) -> httpx.Response:
    return httpx.get(address, trust_env=False)


def test_a_configuration_is_served_until_the_block_ends() -> None:
    with Server(CONFIG) as server:
        answer = get(f"{server.url}/hello")
        assert (answer.status_code, answer.text) == (200, "Hello") and "date" in answer.headers
        address = server.url
    with pytest.raises(httpx.ConnectError):
        get(address)


def test_a_file_may_be_named(tmp_path: Path) -> None:
    (tmp_path / "mockforge.yaml").write_text("version: 1\nroutes:\n  - {match: {path: /a}, response: {text: from a file}}\n")
    with Server(tmp_path / "mockforge.yaml") as server:
        assert get(f"{server.url}/a").text == "from a file"


def test_two_servers_stand_beside_each_other() -> None:
    with Server(CONFIG) as one, Server(APP) as two:
        assert one.port != two.port
        assert (get(f"{one.url}/hello").text, get(f"{two.url}/hello").text) == ("Hello", f"{two.url}/hello")


def test_an_app_learns_of_the_path_that_a_proxy_mounts_it_at() -> None:
    with Server(APP, root_path="/api") as server:
        assert get(f"{server.url}/x").text == f"{server.url}/api/x"


def test_a_server_that_cannot_start_says_why() -> None:
    config = {"version": 1, "dev": True, "plugins": {"gone": {"use": "./no-such-folder"}}}
    with pytest.raises(RuntimeError, match="no-such-folder"):
        Server(config).start()
