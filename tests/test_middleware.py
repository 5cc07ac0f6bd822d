"""The life of one request, in the process: order of the steps, who answers, what the wrapped app gets to see."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route as StarletteRoute
from starlette.testclient import TestClient

from mockforge_asgi.contract import Json
from mockforge_asgi.errors import ConfigError, PluginFailed, PluginUnavailable
from mockforge_asgi.http.request_document import RequestView
from mockforge_asgi.middleware import MockForge
from mockforge_asgi.plugins.plugin import Plugin
from mockforge_asgi.runtime import PluginRuntime
from mockforge_asgi.testing import Client, Conversation, Response
from mockforge_asgi.types import ASGIApp, Receive, Scope, Send
from tests.support.plain_host import PlainHost, PlainRuntime, plain_plugin

ROUTES = [
    {"match": {"method": "GET", "path": "/health"}, "response": {"json": {"status": "ok"}}},
    {"match": {"method": "GET", "path": "/hello/{name}"}, "response": {"plugin": "greet"}},
    {"match": {"method": "GET", "path": "/page"}, "response": {"template": "page.txt", "vars": {"who": "Ada"}}},
]


class App:
    """The wrapped app: remembers its calls, answers `app`."""

    def __init__(self) -> None:
        self.calls: list[tuple[Scope, Receive, Send]] = []
        self.bodies: list[bytes] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.calls.append((scope, receive, send))
        if scope["type"] == "websocket":
            return await send({"type": "websocket.accept"})
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        self.bodies.append(body)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-app", b"1")]})
        await send({"type": "http.response.body", "body": b"app"})


async def mounted(app: ASGIApp | None, *plugins: Plugin, routes: list[Any] | None = None, **config: Any) -> MockForge:
    """A `MockForge` whose runtime holds these plugins."""
    whole = {"version": 1, "routes": ROUTES if routes is None else routes, **config}
    if routes is None and "greet" not in [plugin.name for plugin in plugins]:
        whole["routes"] = [ROUTES[0], ROUTES[2]]
    whole.setdefault("templates", {"inline": {"page.txt": "Hello {{ who }}!", "login.txt": "Log in, {{ who }}."}})
    forge = MockForge(app, runtime=PlainRuntime(whole, *plugins))
    await forge.runtime.ensure()
    return forge


def greet(**more: Any) -> Plugin:
    def generate(document: Json) -> Json:
        return {"status": 200, "headers": [], "body": {"text": f"Hello {document['request']['path_params']['name']}"}}

    return plain_plugin("greet", "response", {"response.generate": generate, **more})


def key_auth(says: Json = None, *, more: dict[str, Any] | None = None, **facts: Any) -> Plugin:
    def authenticate(document: Json) -> Json:
        if says is not None:
            return says
        key = dict(document["headers"]).get("x-api-key")
        if key is None:
            return None
        if key != "k1":
            return {"deny": {"status": 401, "reason": "unknown key", "challenge": "ApiKey"}}
        return {"allow": {"principal": {"id": "demo", "roles": ["reader"]}, "set_headers": [["x-auth", "1"]]}}

    operations = {"auth.authenticate": authenticate, **(more or {})}
    return plain_plugin("key", "auth", operations, view=RequestView(headers=frozenset({"x-api-key"}), body=True), **facts)


PROTECT = [{"path": "/hello/**", "auth": ["key"]}]
KEY = {"x-api-key": "k1"}


async def test_what_nobody_claims_reaches_the_app_with_the_very_same_objects() -> None:
    forge = await mounted(app := App(), greet(), key_auth(), protect=PROTECT)
    await Client(forge).get("/health")
    scope, talk = Client(forge).scope("GET", "/items/1"), Conversation([{"type": "http.request"}])
    receive, send = talk.receive, talk.send
    await forge(scope, receive, send)
    called = app.calls[-1]
    assert called[0] is scope and called[1] is receive and called[2] is send


async def test_a_static_route_answers() -> None:
    answer = await Client(await mounted(App())).get("/health")
    assert answer == Response(200, (("content-type", "application/json"), ("content-length", "15")), b'{"status":"ok"}')


async def test_a_template_is_rendered_by_the_host() -> None:
    answer = await Client(await mounted(App())).get("/page")
    assert (answer.status, answer.text) == (200, "Hello Ada!")


async def test_a_claimed_prefix_without_an_answer_reaches_the_app() -> None:
    forge = await mounted(app := App())
    assert (await Client(forge).post("/health", body=[b"a", b"b"])).text == "app"
    assert app.bodies == [b"ab"]


async def test_without_an_app_it_is_a_404_or_405() -> None:
    client = Client(await mounted(None))
    assert (await client.get("/nothing")).status == 404
    wrong = await client.post("/health")
    assert (wrong.status, wrong.header("allow")) == (405, "GET, HEAD")


async def test_in_dev_mode_the_404_says_why() -> None:
    assert "/health" in (await Client(await mounted(None, dev=True)).get("/healthy")).text


async def test_a_protected_mock_needs_credentials_and_the_plugin_answers() -> None:
    client = Client(await mounted(App(), greet(), key_auth(), protect=PROTECT))
    assert (await client.get("/hello/Ada")).status == 401
    assert (await client.get("/hello/Ada", headers={"x-api-key": "wrong"})).json()["message"] == "unknown key"
    answer = await client.get("/hello/Ada", headers=KEY)
    assert (answer.text, answer.header("x-auth"), answer.header("content-length")) == ("Hello Ada", "1", "9")


async def test_the_app_behind_a_rule_gets_the_caller_and_auths_headers() -> None:
    forge = await mounted(app := App(), key_auth(), protect=[{"path": "/items/**", "auth": ["key"]}])
    answer = await Client(forge).get("/items/1", headers=KEY)
    assert (answer.text, answer.header("x-auth"), answer.header("x-app")) == ("app", "1", "1")
    assert app.calls[0][0]["user"].identity == "demo" and "reader" in app.calls[0][0]["auth"].scopes


@pytest.mark.parametrize("url", ["//hello/Ada", "/x/../hello/Ada", "/hello%2FAda", "/hello/%2e%2e/hello/Ada", "/%5chello/Ada"])
async def test_no_other_spelling_leads_around_a_rule(url: str) -> None:
    plugin = key_auth({"allow": {"principal": {"id": "x"}}})
    forge = await mounted(app := App(), greet(), plugin, protect=PROTECT)
    assert (await Client(forge).get(url, headers=KEY)).status == 400
    assert app.calls == [] and isinstance(plugin.host, PlainHost) and plugin.host.log == []


async def test_auth_is_told_the_route_and_later_plugins_not_the_key() -> None:
    seen: list[Json] = []

    def authenticate(document: Json) -> Json:
        seen.append((document["route"], document["path_params"]))
        return {"allow": {"principal": {"id": "demo"}}}

    def generate(document: Json) -> Json:
        seen.append((dict(document["request"]["headers"]), document["request"]["principal"]["id"]))
        return {"status": 204}

    auth = plain_plugin("key", "auth", {"auth.authenticate": authenticate}, view=RequestView(headers=frozenset({"x-api-key"})))
    client = Client(await mounted(None, plain_plugin("greet", "response", {"response.generate": generate}), auth, protect=PROTECT))
    assert (await client.get("/hello/Ada", headers={**KEY, "authorization": "Bearer t", "x-other": "o"})).status == 204
    assert seen == [("/hello/{name}", {"name": "Ada"}), ({"host": "testserver", "x-other": "o"}, "demo")]


async def test_an_endpoint_is_asked_before_auth() -> None:
    from mockforge_asgi.plugins.package.manifest import Endpoint

    def call(document: Json) -> Json:
        body = document["request"]["body"].get("text", "")
        return {"status": 302, "headers": [["location", f"/{document['endpoint']}?{body}"], ["set-cookie", "s=1"]]}

    plugin = key_auth(
        more={"endpoint.call": call}, prefix="/login", endpoints=(Endpoint("callback", "/callback", frozenset({"GET", "POST"})),)
    )
    client = Client(await mounted(App(), plugin, protect=[{"path": "/**", "auth": ["key"]}]))
    answer = await client.post("/login/callback", body=b"code=1")
    assert (answer.status, answer.header("location"), answer.header("set-cookie")) == (302, "/callback?code=1", None)
    assert (await client.request("DELETE", "/login/callback")).status == 405
    assert (await client.get("/login/other")).status == 401


async def test_an_auth_plugin_may_reply_with_a_template_on_its_list() -> None:
    reply = {"reply": {"status": 200, "template": "login.txt", "vars": {"who": "you"}}}
    for templates, status, text in ((frozenset({"login.txt"}), 200, "Log in, you."), (frozenset[str](), 503, "Unavailable")):
        client = Client(await mounted(App(), greet(), key_auth(reply, templates=templates), protect=PROTECT))
        answer = await client.get("/hello/Ada")
        assert answer.status == status and text in answer.text


async def test_modifiers_change_answers_in_their_order_and_may_be_skipped() -> None:
    def stamp(name: str) -> Callable[[Json], Json]:
        return lambda document: {"status": 200, "headers": [*document["response"]["headers"], [f"x-{name}", "1"]]}

    def fail(document: Json) -> Json:
        raise PluginFailed("broken", "response.modify", "boom")

    first = plain_plugin("first", "modifier", {"response.modify": stamp("first")}, priority=1)
    second = plain_plugin("second", "modifier", {"response.modify": stamp("second")}, priority=2)
    broken = plain_plugin("broken", "modifier", {"response.modify": fail}, on_failure="skip")
    answer = await Client(await mounted(App(), second, first, broken)).get("/health")
    assert [name for name, _ in answer.headers][:3] == ["content-type", "x-first", "x-second"] and answer.json() == {"status": "ok"}
    strict = plain_plugin("broken", "modifier", {"response.modify": fail})
    assert (await Client(await mounted(App(), strict)).get("/health")).status == 502


async def test_refusals_are_not_modified() -> None:
    def stamp(document: Json) -> Json:
        return {"status": 200, "headers": []}

    modifier = plain_plugin("stamp", "modifier", {"response.modify": stamp})
    assert (await Client(await mounted(App(), key_auth(), greet(), modifier, protect=PROTECT)).get("/hello/x")).status == 401


@pytest.mark.parametrize(
    ("failure", "status", "retry_after"),
    [
        (PluginFailed("greet", "response.generate", "secret inside"), 502, None),
        (PluginUnavailable("greet", "secret inside", retry_after_s=4), 503, "4"),
    ],
)
async def test_a_failing_plugin_is_an_answer_without_its_inside(failure: Exception, status: int, retry_after: str | None) -> None:
    def generate(document: Json) -> Json:
        raise failure

    client = Client(await mounted(App(), plain_plugin("greet", "response", {"response.generate": generate})))
    answer = await client.get("/hello/Ada")
    assert (answer.status, answer.header("retry-after")) == (status, retry_after) and "secret" not in answer.text


async def test_leases_are_given_back_before_the_app_runs() -> None:
    plugin = plain_plugin("any", "response", {"response.generate": lambda document: None})
    host = plugin.host
    assert isinstance(host, PlainHost)
    logs: list[list[str]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        logs.append(list(host.log))
        await App()(scope, receive, send)

    assert (await Client(await mounted(app, plugin)).get("/items")).text == "app"
    assert logs == [["response.generate", "release"]]


async def test_a_body_that_a_plugin_asked_for_is_replayed_to_the_app() -> None:
    plugin = plain_plugin("any", "response", {"response.generate": lambda document: None})
    forge = await mounted(app := App(), plugin)
    await Client(forge).post("/upload", body=[b"one", b"two"])
    assert app.bodies == [b"onetwo"]


async def test_a_body_over_the_limit_is_refused() -> None:
    plugin = plain_plugin("any", "response", {"response.generate": lambda document: None})
    client = Client(await mounted(App(), plugin, limits={"max_body_kb": 1}))
    assert (await client.post("/upload", body=b"x" * 1025)).status == 413
    assert (await client.post("/upload", body=[b"x" * 600, b"x" * 600])).status == 413


async def test_errors_of_the_app_are_its_own() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise PluginFailed("inner", "op", "the app's own")

    forge = await mounted(app)
    for path in ("/items", "/health/x"):
        with pytest.raises(PluginFailed, match="own"):
            await Client(forge).get(path)


async def test_a_client_that_leaves_ends_the_plugins_call() -> None:
    talk, ended = Conversation(), asyncio.Event()

    async def generate(document: Json) -> Json:
        talk.leave()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    plugin = plain_plugin("greet", "response", {"response.generate": generate})
    forge = await mounted(app := App(), plugin)
    await forge(Client(forge).scope("GET", "/hello/Ada"), talk.receive, talk.send)
    assert ended.is_set() and talk.sent == [] and app.calls == []
    assert isinstance(plugin.host, PlainHost) and plugin.host.log[-1] == "release"


async def test_head_gets_the_head_of_the_get() -> None:
    answer = await Client(await mounted(App())).request("HEAD", "/health")
    assert (answer.status, answer.header("content-length"), answer.body) == (200, "15", b"")


async def test_websockets_are_guarded_and_pass() -> None:
    forge = await mounted(app := App(), greet(), key_auth(), protect=PROTECT)
    for path, headers, sent in (
        ("/hello/ws", {}, ["websocket.close"]),
        ("/hello/ws", KEY, ["websocket.accept"]),
        ("/items/ws", {}, ["websocket.accept"]),
        ("/health", {}, ["websocket.accept"]),
    ):
        talk = Conversation([{"type": "websocket.connect"}])
        await forge({**Client(forge).scope("GET", path, headers), "type": "websocket"}, talk.receive, talk.send)
        assert [m["type"] for m in talk.sent] == sent
    assert len(app.calls) == 3


async def test_a_websocket_to_a_lone_mock_is_refused() -> None:
    forge, talk = await mounted(None), Conversation([{"type": "websocket.connect"}])
    await forge({**Client(forge).scope("GET", "/x"), "type": "websocket"}, talk.receive, talk.send)
    assert [m["type"] for m in talk.sent] == ["websocket.close"]


async def test_unknown_scope_types_pass() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)

    seen: list[Scope] = []
    forge, talk, scope = await mounted(app), Conversation(), {"type": "webtransport"}
    await forge(scope, talk.receive, talk.send)
    assert seen[0] is scope


async def test_the_mount_below_a_root_path_matches_what_is_below() -> None:
    client = Client(await mounted(App()), root_path="/api")
    assert (await client.get("/health")).json() == {"status": "ok"}


async def test_a_plugin_that_comes_later_answers_the_next_request() -> None:
    forge = await mounted(App(), greet())
    assert (await Client(forge).get("/hello/Ada")).text == "Hello Ada"
    forge.runtime.registry.put(plain_plugin("greet", "response", {"response.generate": lambda document: {"body": {"text": "new"}}}))
    assert (await Client(forge).get("/hello/Ada")).text == "new"


async def test_two_mounts_of_one_runtime_start_and_stop_it_once() -> None:
    runtime = PluginRuntime({"version": 1, "routes": [ROUTES[0]]})
    one, two = MockForge(App(), runtime=runtime), MockForge(None, runtime=runtime)
    async with Client(one):
        async with Client(two) as client:
            assert (await client.get("/health")).status == 200
        assert runtime.is_ready
    assert not runtime.is_ready


async def test_without_lifespan_the_first_request_starts_the_plugins() -> None:
    forge = MockForge(App(), {"version": 1, "routes": [ROUTES[0]]})
    assert not forge.runtime.is_ready
    assert (await Client(forge).get("/items")).text == "app"
    assert forge.runtime.is_ready


def test_one_mount_serves_several_event_loops_in_turn() -> None:
    forge = MockForge(App(), {"version": 1, "routes": [ROUTES[0]]})
    for _ in range(2):
        assert asyncio.run(Client(forge).get("/health")).status == 200


async def test_a_configuration_with_faults_is_refused_at_once() -> None:
    with pytest.raises(ConfigError):
        MockForge(App(), {"version": 1, "routes": [{"match": {"path": "no-slash"}, "response": {"text": "x"}}]})
    with pytest.raises(ConfigError):
        MockForge(App(), {"version": 1, "templates": {"inline": {"t": "{{ unclosed"}}})


@pytest.mark.parametrize("url", ["//hello/ws", "/x/../hello/ws", "/hello%2Fws", "/%2e/hello/ws", "/%5chello/ws"])
async def test_no_other_spelling_leads_a_websocket_around_a_rule(url: str) -> None:
    forge = await mounted(app := App(), key_auth(), routes=[], protect=PROTECT)
    talk = Conversation([{"type": "websocket.connect"}])
    await forge({**Client(forge).scope("GET", url, KEY), "type": "websocket"}, talk.receive, talk.send)
    assert [m["type"] for m in talk.sent] == ["websocket.close"] and app.calls == []


def test_starlettes_test_client_is_served_with_and_without_its_with() -> None:
    forge = MockForge(
        Starlette(routes=[StarletteRoute("/app", lambda request: PlainTextResponse("app"))]),
        runtime=PlainRuntime({"version": 1, "routes": ROUTES[:2]}, greet()),
    )
    client = TestClient(forge)
    for _ in range(2):
        assert [client.get(path).text for path in ("/app", "/health", "/hello/Ada")] == ["app", '{"status":"ok"}', "Hello Ada"]
        assert not forge.runtime.is_ready
    with client:
        assert client.get("/hello/Ada").text == "Hello Ada"


async def test_a_request_that_waits_for_the_apps_preflight_goes_by_the_plugins_loaded_meanwhile() -> None:
    reached, go = asyncio.Event(), asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "OPTIONS":
            reached.set()
            await go.wait()
        await App()(scope, receive, send)

    key = key_auth({"allow": {"principal": {"id": "demo"}}})
    protect = [{"path": "/**", "auth": ["key"], "preflight": "app"}]
    client = Client(MockForge(app, runtime=PlainRuntime({"version": 1, "protect": protect}, key)))
    asks = {"origin": "https://web.test", "access-control-request-method": "GET"}
    first = asyncio.create_task(client.request("OPTIONS", "/x", headers=asks))
    await reached.wait()
    assert (await client.get("/x")).text == "app"
    go.set()
    assert (await first).text == "app"
