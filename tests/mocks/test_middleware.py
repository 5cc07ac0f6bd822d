"""Responders and their middleware: who is asked, in which order, and what a request gets when nobody answers or a plugin fails."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any

import pytest

from mockforge_asgi.auth.middleware import AuthMiddleware
from mockforge_asgi.config import load_config
from mockforge_asgi.config.objects import ProtectRule
from mockforge_asgi.contract import Json
from mockforge_asgi.errors import PluginFailed, PluginUnavailable
from mockforge_asgi.http.body import BodyLimits
from mockforge_asgi.http.exchange import Exchange
from mockforge_asgi.http.responses import MockResponse, TemplateResponse
from mockforge_asgi.mocks.middleware import ResponseMiddleware
from mockforge_asgi.mocks.plans import READY, ResponderResult
from mockforge_asgi.mocks.responders import Responders
from mockforge_asgi.mocks.routes import build_routes, plugins_named
from mockforge_asgi.plugins.plugin import Plugin
from mockforge_asgi.plugins.registry import LoadedPlugins
from mockforge_asgi.runtime import PluginRuntime
from mockforge_asgi.templates.middleware import TemplateMiddleware
from mockforge_asgi.testing import Client
from mockforge_asgi.types import ASGIApp, Receive, Scope, Send
from tests.support.plain_host import PlainRuntime, plain_plugin
from tests.support.template_rendering import exchange, renderer


class FixedResponder:
    """A built-in responder with one response; `waits`: only after a wait."""

    def __init__(self, name: str, priority: float, response: ResponderResult, *, waits: bool = False) -> None:
        self.name, self.priority, self._response, self._waits = name, priority, response, waits
        self.asked = 0

    def respond(self, exchange: Exchange) -> ResponderResult | Awaitable[ResponderResult]:
        self.asked += 1
        return self._later() if self._waits else self._response

    async def _later(self) -> ResponderResult:
        await asyncio.sleep(0)
        return self._response


async def answer(responders: Responders, exchange: Exchange) -> ResponderResult:
    """Their response, waited for where it must be."""
    response = responders.respond(exchange)
    return response if response is None or isinstance(response, READY) else await response


async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
    """The app behind: answers `app` and the body it got."""
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"app " + body})


def text(body: str) -> MockResponse:
    """A plain answer."""
    return MockResponse.text(body)


def says(body: Json, **operations: Any) -> dict[str, Any]:
    """Operations of a response plugin that answers this text, or None."""
    answer = None if body is None else {"status": 200, "headers": [], "body": {"text": body}}
    return {"response.generate": lambda document: answer, **operations}


def fails(error: Exception) -> dict[str, Any]:
    """Operations of a response plugin that fails."""

    def fail(document: Json) -> Json:
        raise error

    return {"response.generate": fail}


def runtime_of(*plugins: Plugin) -> PlainRuntime:
    """A runtime that holds these plugins."""
    return PlainRuntime({"version": 1}, *plugins)


def responders(
    routes: Sequence[Mapping[str, Any]] = (),
    *built_in: FixedResponder,
    priorities: Mapping[str, float] | None = None,
    explains: bool = False,
) -> Responders:
    """These routes and built-in responders."""
    config = load_config({"version": 1, "routes": list(routes), "templates": {"inline": {"t.txt": "of the configuration"}}}, own=["greet"])
    return Responders(
        build_routes(config.routes) if routes else None,
        built_in,
        named_by_routes=plugins_named(config.routes),
        priorities=priorities or {},
        explains=explains,
    )


def loaded(*plugins: Plugin) -> LoadedPlugins:
    """The state of a registry that holds these plugins."""
    return LoadedPlugins({plugin.name: plugin for plugin in plugins})


def chain(
    runtime: PluginRuntime, routes: Sequence[Mapping[str, Any]] = (), *, app: ASGIApp | None = None, explains: bool = False
) -> ResponseMiddleware:
    """The middleware with these routes and the runtime's plugins."""
    return ResponseMiddleware(app, runtime=runtime, responders=responders(routes, explains=explains))


Route = Mapping[str, Any]
HEALTH: Route = {"match": {"method": "GET", "path": "/health"}, "response": {"text": "route"}}
HELLO: Route = {"match": {"path": "/hello/{name}"}, "response": {"text": "hello"}}
GREET: Route = {"match": {"method": "GET", "path": "/hello/{name}"}, "response": {"plugin": "greet"}}


async def test_responders_are_asked_by_priority_until_one_answers() -> None:
    quiet, waiting, late = (
        FixedResponder("b", 1, None),
        FixedResponder("a", 0.5, None, waits=True),
        FixedResponder("c", 9, text("late")),
    )
    made = responders([HEALTH], late, quiet, waiting)
    assert [responder.name for responder in made.ordered] == ["a", "b", "routes", "c"]
    assert await answer(made, exchange("/health")) == text("route")
    assert await answer(made, exchange("/else")) == text("late")
    assert (quiet.asked, waiting.asked, late.asked) == (2, 2, 1)


async def test_one_that_has_to_wait_answers_after_it() -> None:
    made = responders([], FixedResponder("a", 1, text("waited"), waits=True))
    assert await answer(made, exchange("/")) == text("waited")


def test_a_route_with_a_response_answers_without_waiting() -> None:
    routes = responders([HEALTH, GREET]).routes
    assert routes is not None
    assert routes.respond(exchange("/health")) == text("route")
    assert routes.respond(exchange("/else")) is None


async def test_plugins_go_between_the_built_in_responders_by_their_priority() -> None:
    early, usual = plain_plugin("early", "response", says(None)), plain_plugin("usual", "response", says("usual"))
    made = responders([HEALTH], FixedResponder("first", 3, None), FixedResponder("last", 9, None), priorities={"early": 2.5})
    made = made.of(loaded(early, usual))
    assert await answer(made, exchange("/health")) == MockResponse(200, (), b"usual")
    assert [responder.name for responder in made.ordered] == ["early", "first", "usual", "routes", "last"]


async def test_a_plugin_that_a_route_names_answers_there_only() -> None:
    greet = plain_plugin("greet", "response", says("hi", **{"response.can_handle": lambda document: False}))
    made = responders([HEALTH, GREET]).of(loaded(greet))
    assert [responder.name for responder in made.ordered] == ["routes"]
    assert await answer(made, exchange("/health")) == text("route")
    assert await answer(made, exchange("/hello/Ada")) == MockResponse(200, (), b"hi")
    assert await answer(made, exchange("/other")) is None


async def test_a_route_whose_plugin_is_not_loaded_is_unavailable() -> None:
    with pytest.raises(PluginUnavailable, match="'greet' is unavailable: it is not loaded"):
        await answer(responders([GREET]), exchange("/hello/Ada"))


async def test_a_plugin_is_told_route_and_parameters() -> None:
    seen: list[Json] = []

    def generate(document: Json) -> Json:
        seen.append(document["request"])
        return None

    greet = plain_plugin("greet", "response", {"response.generate": generate})
    await answer(responders([GREET]).of(loaded(greet)), exchange("/hello/Ada"))
    assert [(request["route"], request["path_params"]) for request in seen] == [("/hello/{name}", {"name": "Ada"})]


async def test_a_plugin_that_cannot_handle_is_passed_over() -> None:
    no = says("never", **{"response.can_handle": lambda document: False})
    yes = says("yes", **{"response.can_handle": lambda document: document["request"]["path"] == "/a"})
    made = responders().of(loaded(plain_plugin("no", "response", no), plain_plugin("yes", "response", yes)))
    assert await answer(made, exchange("/a")) == MockResponse(200, (), b"yes")
    assert await answer(made, exchange("/b")) is None


async def test_a_plugin_loaded_later_is_asked_from_then_on() -> None:
    runtime = runtime_of(plain_plugin("one", "response", says(None)))
    client = Client(chain(runtime, [HEALTH]))
    assert (await client.get("/health")).text == "route"
    runtime.registry.put(plain_plugin("two", "response", says("two")))
    assert (await client.get("/health")).text == "two"
    runtime.registry.remove("two")
    assert (await client.get("/health")).text == "route"


@pytest.mark.parametrize(
    ("error", "status"),
    [(PluginFailed("p", "response.generate", "deep inside"), 502), (PluginUnavailable("p", "deep inside"), 503)],
)
async def test_a_failing_plugin_is_answered_without_its_inside(error: Exception, status: int) -> None:
    answer = await Client(chain(runtime_of(plain_plugin("p", "response", fails(error))), [HEALTH])).get("/health")
    assert answer.status == status
    assert "deep inside" not in answer.text


async def test_a_failing_plugin_that_is_to_be_skipped_is_passed_over() -> None:
    failing = plain_plugin("p", "response", fails(PluginFailed("p", "response.generate", "x")), on_failure="skip")
    asked = exchange("/health")
    asked.trace = []
    assert await answer(responders([HEALTH]).of(loaded(failing)), asked) == text("route")
    assert [(step.asked, step.outcome) for step in asked.trace] == [("plugin p", "failed")]


async def test_a_plugin_names_only_templates_it_is_allowed() -> None:
    asks = {"response.generate": lambda document: {"status": 200, "headers": [], "template": "a.txt", "vars": {"x": 1}}}
    allowed = plain_plugin("p", "response", asks, templates=frozenset(["a.txt"]))
    assert await answer(responders().of(loaded(allowed)), exchange("/")) == TemplateResponse(200, (), "a.txt", {"x": 1})
    everything = plain_plugin("p", "response", asks, templates=frozenset(["*"]))
    assert isinstance(await answer(responders().of(loaded(everything)), exchange("/")), TemplateResponse)
    with pytest.raises(PluginFailed, match=r"templates: \[a\.txt\]"):
        await answer(responders().of(loaded(plain_plugin("p", "response", asks))), exchange("/"))


async def test_the_body_decides_between_routes() -> None:
    routes: list[Route] = [
        {"match": {"method": "POST", "path": "/o", "body": {"kind": "a"}}, "response": {"text": "a"}},
        {"match": {"method": "POST", "path": "/o"}, "response": {"text": "other"}},
    ]
    client = Client(chain(runtime_of(), routes))
    assert (await client.post("/o", body=b'{"kind": "a"}')).text == "a"
    assert (await client.post("/o", body=b'{"kind": "b"}')).text == "other"


async def test_around_an_app_it_answers_its_own_and_hands_on_the_rest_unread() -> None:
    client = Client(chain(runtime_of(plain_plugin("p", "response", says(None))), [HEALTH], app=wrapped))
    assert (await client.get("/health")).text == "route"
    answer = await client.post("/else", body=[b"one ", b"two"])
    assert answer.text == "app one two"


async def test_inside_templates_its_template_answers_are_rendered() -> None:
    runtime = runtime_of()
    made = chain(runtime, [{"match": {"path": "/t"}, "response": {"template": "t.txt", "vars": {"who": "Ada"}}}])
    rendering = TemplateMiddleware(made, runtime=runtime, renderer=renderer({"t.txt": "Hi {{ who }}"}))
    assert (await Client(rendering).get("/t")).text == "Hi Ada"
    assert (await Client(made).get("/t")).status == 500


@pytest.mark.parametrize(
    ("method", "url", "status", "allow"),
    [("POST", "/health", 405, "GET, HEAD"), ("GET", "/nothing", 404, None), ("HEAD", "/health", 200, None), ("DELETE", "/any", 404, None)],
)
async def test_alone_it_says_not_found_or_not_allowed(method: str, url: str, status: int, allow: str | None) -> None:
    routes: list[Route] = [HEALTH, {"match": {"path": "/any", "query": {"q": True}}, "response": {"text": "any"}}]
    answer = await Client(chain(runtime_of(), routes)).request(method, url)
    assert (answer.status, answer.header("allow")) == (status, allow)


async def test_in_dev_mode_a_404_says_why() -> None:
    answer = await Client(chain(runtime_of(), [HEALTH], explains=True)).get("/heath")
    assert "Did you mean GET /health" in answer.json()["message"]
    assert "Did you mean" not in (await Client(chain(runtime_of(), [HEALTH])).get("/heath")).text


async def test_in_dev_mode_a_404_says_which_plugin_was_skipped() -> None:
    failing = plain_plugin("p", "response", fails(PluginFailed("p", "response.generate", "why")), on_failure="skip")
    answer = await Client(chain(runtime_of(failing), [HEALTH], explains=True)).get("/x")
    assert "skipped: plugin 'p' failed" in answer.json()["message"]


async def test_in_dev_mode_a_404_says_which_plugins_had_no_answer() -> None:
    silent, choosy = plain_plugin("greet", "response", says(None)), {"response.can_handle": lambda document: False}
    made = chain(runtime_of(silent, plain_plugin("choosy", "response", says("x", **choosy))), [GREET], explains=True)
    choosy_says = "Plugin 'choosy' was asked, and said in can_handle that it does not answer this."
    told = (await Client(made).get("/x")).json()["message"].splitlines()
    assert told[0] == "No route answers GET /x." and told[-1] == choosy_says
    told = (await Client(made).get("/hello/Ada")).json()["message"].splitlines()
    assert told[0] == "GET /hello/{name} fits, and nobody answered." and choosy_says in told
    assert "Plugin 'greet' was asked, and generate gave no answer." in told
    told = (await Client(chain(runtime_of(silent), explains=True)).get("/x")).json()["message"]
    assert told.startswith("There are no routes.\nPlugin 'greet'")


def test_claims_are_the_paths_of_routes_unless_others_may_answer_anything() -> None:
    claims = responders([HEALTH, HELLO]).claims()
    assert [claims.cover(path) for path in ("/health", "/hello/x", "/other")] == [True, True, False]
    assert not responders().claims().cover("/health")
    assert responders([HEALTH]).of(loaded(plain_plugin("p", "response", says(None)))).claims().cover("/other")
    assert responders([HEALTH], FixedResponder("fixture", 0, None)).claims().cover("/other")


async def test_64_requests_at_once_each_get_their_own_answer() -> None:
    async def generate(document: Json) -> Json:
        await asyncio.sleep(0)
        return {"status": 200, "headers": [], "body": {"text": document["request"]["path_params"]["name"]}}

    client = Client(chain(runtime_of(plain_plugin("greet", "response", {"response.generate": generate})), [GREET]))
    answers = await asyncio.gather(*(client.get(f"/hello/{n}") for n in range(64)))
    assert [answer.text for answer in answers] == [str(n) for n in range(64)]


async def test_a_websocket_is_none_of_its_business() -> None:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await chain(runtime_of(), [HEALTH])({"type": "websocket", "path": "/health", "headers": []}, receive, send)
    assert sent == [{"type": "websocket.close"}]


@pytest.mark.parametrize(("outer", "inner", "status"), [(None, 10, 413), (10, None, 413), (10, 20, 404), (None, None, 404)])
async def test_of_middlewares_inside_one_another_the_innermost_limits_hold(outer: int | None, inner: int | None, status: int) -> None:
    routes = load_config({"version": 1, "routes": [{"match": {"path": "/x", "body": {"a": 1}}, "response": {"text": "x"}}]}).routes

    def limits(most: int | None) -> BodyLimits | None:
        return None if most is None else BodyLimits(most)

    runtime = runtime_of()
    mocks = ResponseMiddleware(runtime=runtime, responders=Responders(build_routes(routes)), limits=limits(inner))
    guarded = AuthMiddleware(mocks, runtime=runtime, rules=[ProtectRule("/x/below", ("nobody",))], limits=limits(outer))
    whole = TemplateMiddleware(guarded, runtime=runtime, renderer=renderer({}))
    assert (await Client(whole).post("/x", body=b"x" * 15)).status == status


async def test_a_length_told_for_head_outlives_the_way_to_the_renderer() -> None:
    answer = {"template_text": "hi", "headers": {"content-length": "5"}}
    routes = load_config({"version": 1, "routes": [{"match": {"path": "/x", "method": "HEAD"}, "response": answer}]}).routes
    mocks = ResponseMiddleware(runtime=runtime_of(), responders=Responders(build_routes(routes)))
    whole = TemplateMiddleware(mocks, runtime=runtime_of(), renderer=renderer({"routes[0].txt": "hi"}))
    assert (await Client(whole).request("HEAD", "/x")).header("content-length") == "5"
