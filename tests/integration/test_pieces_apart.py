"""The pieces mounted one by one around an app, with somebody else's middleware between them: they share what they know of a request."""

from __future__ import annotations

import asyncio

import pytest

from mockforge_asgi.auth.chain import AuthChain
from mockforge_asgi.config.objects import ProtectRule
from mockforge_asgi.contract import Json
from mockforge_asgi.http.documents import RequestView
from mockforge_asgi.mocks.chain import ResponseChain
from mockforge_asgi.mocks.links import RouteLink
from mockforge_asgi.mocks.routes import build_routes
from mockforge_asgi.runtime import PluginRuntime
from mockforge_asgi.templates.renderer import Renderer
from mockforge_asgi.templates.store import TemplateStore
from mockforge_asgi.templates.templates import Templates
from mockforge_asgi.testing import Client
from mockforge_asgi.types import ASGIApp, Message, Receive, Scope, Send
from tests.plain_host import plain_plugin

KEY = {"x-api-key": "k1"}
CONFIG = {
    "version": 1,
    "plugins": {"greet": {"use": "./greet", "enabled": False, "templates": ["hello.txt"]}},
    "templates": {"inline": {"hello.txt": "Hello {{ name }}, says {{ who }}."}},
    "routes": [
        {"match": {"path": "/hello/{name}"}, "response": {"plugin": "greet"}},
        {"match": {"path": "/health"}, "response": {"text": "ok"}},
    ],
}


def marking(app: ASGIApp) -> ASGIApp:
    """Somebody else's middleware: marks every answer that passes through it."""

    async def marked(scope: Scope, receive: Receive, send: Send) -> None:
        async def mark(message: Message) -> None:
            if message["type"] in ("http.response.start", "mockforge.template"):
                message["headers"].append((b"x-mark", b"1"))
            await send(message)

        await app(scope, receive, mark)

    return marked


async def inner(scope: Scope, receive: Receive, send: Send) -> None:
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["user"].identity.encode() + b" " + body})


@pytest.fixture
async def client() -> Client:
    seen: list[Json] = []

    def authenticate(document: Json) -> Json:
        has_key = dict(document["headers"]).get("x-api-key") == "k1"
        return {"allow": {"principal": {"id": "demo"}, "set_headers": [["x-auth", "1"]]}} if has_key else None

    def generate(document: Json) -> Json:
        request = document["request"]
        seen.append(request)
        assert "x-api-key" not in dict(request["headers"])
        variables = {"name": request["path_params"]["name"], "who": request["principal"]["id"]}
        return {"template": "hello.txt", "vars": variables} if request["method"] == "GET" else None

    runtime = PluginRuntime(CONFIG)
    await runtime.ensure()
    asks = RequestView(headers=frozenset({"x-api-key"}))
    runtime.registry.put(plain_plugin("key", "auth", {"auth.authenticate": authenticate}, view=asks))
    runtime.registry.put(plain_plugin("greet", "response", {"response.generate": generate}, templates=frozenset({"hello.txt"})))
    responses = ResponseChain(inner, runtime=runtime, links=[RouteLink(build_routes(runtime.config.routes), runtime)])
    auth = AuthChain(marking(responses), runtime=runtime, rules=[ProtectRule("/**", ("key",))])
    renderer = Renderer(TemplateStore(None, runtime.config.templates.inline))
    return Client(Templates(auth, runtime=runtime, renderer=renderer))


async def test_a_plugins_template_is_rendered_outside_with_the_headers_of_all(client: Client) -> None:
    answer = await client.get("/hello/Ada", headers=KEY)
    assert (answer.status, answer.text) == (200, "Hello Ada, says demo.")
    assert (answer.header("x-auth"), answer.header("x-mark")) == ("1", "1")
    assert [name for name, _ in answer.headers].count("x-auth") == 1


async def test_a_static_answer_passes_through_all_of_them(client: Client) -> None:
    answer = await client.get("/health", headers=KEY)
    assert (answer.text, answer.header("x-auth"), answer.header("x-mark")) == ("ok", "1", "1")


async def test_the_app_within_gets_the_caller_and_the_body_a_plugin_read(client: Client) -> None:
    assert (await client.post("/hello/Ada", headers=KEY, body=[b"a", b"b"])).text == "demo ab"


async def test_without_credentials_nothing_within_is_asked(client: Client) -> None:
    answer = await client.get("/hello/Ada")
    assert answer.status == 401 and answer.header("x-mark") is None


async def test_nothing_is_left_running(client: Client) -> None:
    await client.get("/hello/Ada", headers=KEY)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}
