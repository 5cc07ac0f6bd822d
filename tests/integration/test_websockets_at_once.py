"""Several websockets at once under Starlette's test client, which gives each an event loop of its own unless it is used with `with`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient, WebSocketDenialResponse, WebSocketTestSession
from starlette.websockets import WebSocket, WebSocketDisconnect

from mockforge_asgi import MockForge
from mockforge_asgi.auth.middleware import AuthMiddleware
from mockforge_asgi.mocks.middleware import ResponseMiddleware
from mockforge_asgi.mocks.responders import Responders
from mockforge_asgi.runtime import PluginRuntime
from tests.support.plugin_packages import folder, minimal

KEY: Final = {"x-api-key": "k1"}
AUTH: Final = """\
from mockforge_plugin import Allow, Deny, Principal, kv

async def authenticate(request):
    if request.header("x-api-key") != "k1":
        return Deny(401, "unknown key")
    return Allow(Principal(str(await kv.incr("callers"))))
"""
GREET: Final = """\
from mockforge_plugin import TemplatePlugin, function, kv

class Greet(TemplatePlugin):
    @function
    async def number(self):
        return await kv.incr("greetings")
"""
NATIVE: Final = {"native": {"trust": "path"}}


async def echo(socket: WebSocket) -> None:
    await socket.accept()
    with suppress(WebSocketDisconnect):
        while True:
            await socket.send_text(f"{await socket.receive_text()} of {socket.user.identity}")


async def plain(request: Any) -> PlainTextResponse:
    return PlainTextResponse(request.user.identity)


APP: Final = Starlette(routes=[WebSocketRoute("/ws", echo), Route("/plain", plain)])


def package(tmp_path: Path, name: str, code: str, kinds: str, runtime: str) -> dict[str, Any]:
    manifest = minimal(name, "permissions: {kv: {}, request.headers: {names: [x-api-key]}}", kinds=kinds)
    made = folder(tmp_path, {"plugin.yaml": manifest.replace("runtime: python", f"runtime: {runtime}"), "plugin.py": code}, name=name)
    grants = {"kv": True, "request": {"headers": ["x-api-key"]}}
    return {"use": str(made), "grants": grants, **(NATIVE if runtime == "native" else {})}


@pytest.fixture(params=["python", "native"])
def config(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    auth = package(tmp_path, "key", AUTH, "[auth]", request.param)
    greet = package(tmp_path, "greet", GREET, "[template]", request.param)
    return {
        "version": 1,
        "dev": True,
        "plugins": {"key": auth, "greet": greet},
        "protect": [{"path": "/**", "auth": ["key"]}],
        "routes": [{"match": {"path": "/greet"}, "response": {"template_text": "{{ greet.number() }}"}}],
    }


@contextmanager
def open_at_once(client: TestClient, number: int) -> Iterator[list[WebSocketTestSession]]:
    with ExitStack() as stack:
        yield [stack.enter_context(client.websocket_connect("/ws", headers=KEY)) for _ in range(number)]


def said(socket: WebSocketTestSession) -> str:
    socket.send_text("x")
    return socket.receive_text()


@pytest.mark.parametrize("number", [2, 3])
def test_all_are_served_and_state_is_one_for_all(config: dict[str, Any], number: int) -> None:
    client = TestClient(MockForge(APP, config))
    with open_at_once(client, number) as sockets:
        assert [said(socket) for socket in sockets] == [f"x of {n}" for n in range(1, number + 1)]
        assert [client.get("/greet", headers=KEY).text for _ in range(3)] == ["1", "2", "3"]
        with pytest.raises(WebSocketDenialResponse) as denied, client.websocket_connect("/ws"):
            pass
        assert denied.value.status_code == 401
    assert client.get("/plain", headers=KEY).text == str(number + 4)


def test_one_ends_and_the_others_go_on(config: dict[str, Any]) -> None:
    forge = MockForge(APP, config)
    client = TestClient(forge)
    with ExitStack() as outlives, open_at_once(client, 1):
        with open_at_once(client, 1) as sockets:
            (later,) = outlives.enter_context(open_at_once(client, 1))
            assert said(sockets[0]) == "x of 2"
        assert said(later) == "x of 3"
    assert not forge.runtime._siblings and not forge.runtime._loops._lives


def test_two_test_clients_with_lifespans_run_at_once(config: dict[str, Any]) -> None:
    forge = MockForge(APP, config)
    with TestClient(forge) as one, TestClient(forge) as two, open_at_once(one, 2) as ones, open_at_once(two, 2) as twos:
        assert [said(socket) for socket in (*ones, *twos)] == ["x of 1", "x of 2", "x of 3", "x of 4"]
        assert [client.get("/greet", headers=KEY).text for client in (one, two)] == ["1", "2"]


def test_the_pieces_are_served_alike(config: dict[str, Any]) -> None:
    runtime = PluginRuntime(config)
    answers = ResponseMiddleware(APP, runtime=runtime, responders=Responders())
    client = TestClient(AuthMiddleware(answers, runtime=runtime, rules=runtime.config.protect))
    with open_at_once(client, 2) as sockets:
        assert [said(socket) for socket in sockets] == ["x of 1", "x of 2"]
        assert client.get("/plain", headers=KEY).text == "3"
