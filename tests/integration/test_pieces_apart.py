"""The pieces mounted one by one around an app, with somebody else's middleware between them: they share what they know of a request."""

from __future__ import annotations

import asyncio

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from mockforge_asgi.auth.middleware import AuthMiddleware
from mockforge_asgi.config import load_config
from mockforge_asgi.config.objects import ProtectRule
from mockforge_asgi.contract import Json
from mockforge_asgi.http.request_document import RequestView
from mockforge_asgi.mocks.middleware import ResponseMiddleware
from mockforge_asgi.mocks.responders import Responders
from mockforge_asgi.mocks.routes import build_routes
from mockforge_asgi.runtime import PluginRuntime
from mockforge_asgi.templates.middleware import TemplateMiddleware
from mockforge_asgi.templates.renderer import Renderer
from mockforge_asgi.templates.store import TemplateStore
from mockforge_asgi.testing import Client
from mockforge_asgi.types import ASGIApp, Message, Receive, Scope, Send
from tests.support.plain_host import PlainRuntime, plain_plugin

KEY = {"x-api-key": "k1"}
CONFIG = {
    "version": 1,
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

    asks = RequestView(headers=frozenset({"x-api-key"}))
    key = plain_plugin("key", "auth", {"auth.authenticate": authenticate}, view=asks)
    greet = plain_plugin("greet", "response", {"response.generate": generate}, templates=frozenset({"hello.txt"}))
    runtime = PlainRuntime(CONFIG, key, greet)
    await runtime.ensure()
    responders = Responders(build_routes(runtime.config.routes), named_by_routes={"greet"})
    responses = ResponseMiddleware(inner, runtime=runtime, responders=responders)
    auth = AuthMiddleware(marking(responses), runtime=runtime, rules=[ProtectRule("/**", ("key",))])
    renderer = Renderer(TemplateStore(None, runtime.config.templates.inline))
    return Client(TemplateMiddleware(auth, runtime=runtime, renderer=renderer))


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


def chain(app: ASGIApp, path: str, runtime: PluginRuntime) -> ResponseMiddleware:
    routes = load_config({"version": 1, "routes": [{"match": {"path": path}, "response": {"text": path}}]}).routes
    return ResponseMiddleware(app, runtime=runtime, responders=Responders(build_routes(routes)))


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    message = await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": message["body"]})


async def test_chains_around_one_another_each_have_their_own_routes() -> None:
    runtime = PluginRuntime()
    client = Client(chain(chain(echo, "/b", runtime), "/a", runtime))
    assert [(await client.get(path)).text for path in ("/a", "/b")] == ["/a", "/b"]


def guarded(app: ASGIApp) -> Client:
    decides = plain_plugin("key", "auth", {"auth.authenticate": lambda document: {"allow": {"principal": {"id": "x"}}}})
    runtime = PlainRuntime({"version": 1}, decides)
    return Client(AuthMiddleware(app, runtime=runtime, rules=[ProtectRule("/**", ("key",))]))


async def test_a_chain_below_a_mount_matches_what_is_below_it_guarded_or_not() -> None:
    mounted = Starlette(routes=[Mount("/api", chain(echo, "/a", PluginRuntime()))])
    assert (await Client(mounted).get("/api/a")).text == "/a"
    assert (await guarded(mounted).get("/api/a")).text == "/a"


async def test_somebody_elses_middleware_may_change_what_the_app_receives() -> None:
    def louder(app: ASGIApp) -> ASGIApp:
        async def changed(scope: Scope, receive: Receive, send: Send) -> None:
            async def loud() -> Message:
                message = await receive()
                return {**message, "body": message["body"].upper()}

            await app(scope, loud, send)

        return changed

    assert (await guarded(louder(chain(echo, "/a", PluginRuntime()))).post("/b", body=b"abc")).text == "ABC"


async def test_a_template_that_needs_a_body_the_app_has_read_fails_with_words(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "mockforge.template", "name": "t.txt"})

    templates = TemplateMiddleware(app, runtime=PluginRuntime(), renderer=Renderer(TemplateStore(None, {"t.txt": "{{ request.body }}"})))
    assert (await asyncio.wait_for(Client(templates).post("/", body=b"abc"), 5)).status == 500
    assert "wrapped app" in caplog.text
