"""The response chain: who is asked, in which order, and what a request gets when nobody answers or a plugin fails."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from mockforge_asgi.config import load_config
from mockforge_asgi.contract import Json
from mockforge_asgi.errors import PluginFailed, PluginUnavailable
from mockforge_asgi.events import EventStream
from mockforge_asgi.http.exchange import Exchange
from mockforge_asgi.http.responses import MockResponse, TemplateResponse
from mockforge_asgi.mocks.middleware import PluginResponders, ResponseChain
from mockforge_asgi.mocks.responders import WAIT, ResponderResult, RouteResponder
from mockforge_asgi.mocks.routes import build_routes, plugins_named
from mockforge_asgi.plugins.plugin import Plugin
from mockforge_asgi.plugins.registry import Registry
from mockforge_asgi.runtime import PluginRuntime
from mockforge_asgi.templates.middleware import TemplateMiddleware
from mockforge_asgi.testing import Client
from mockforge_asgi.types import ASGIApp, Receive, Scope, Send
from tests.plain_host import plain_plugin
from tests.templates.rendering import exchange, renderer


class Runtime:
    """A runtime that holds these plugins; it becomes ready when it is asked to."""

    def __init__(self, *plugins: Plugin) -> None:
        self.events = EventStream()
        self.registry = Registry(self.events)
        self.is_ready = False
        for plugin in plugins:
            self.registry.put(plugin)

    async def ensure(self) -> None:
        self.is_ready = True

    async def start(self) -> None:
        await self.ensure()

    async def stop(self) -> None:
        self.is_ready = False

    def plugin(self, name: str) -> Plugin:
        return self.registry[name]


class FixedLink:
    """A built-in link with one answer; `waits`: only after a wait."""

    def __init__(self, name: str, priority: float, answer: ResponderResult, *, waits: bool = False) -> None:
        self.name, self.priority, self._answer, self._waits = name, priority, answer, waits
        self.asked = 0

    def answer_now(self, exchange: Exchange) -> Any:
        self.asked += 1
        return WAIT if self._waits else self._answer

    async def answer(self, exchange: Exchange) -> ResponderResult:
        await asyncio.sleep(0)
        return self._answer


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


def chain(
    runtime: Runtime,
    routes: Sequence[Mapping[str, Any]] = (),
    *links: FixedLink,
    app: ASGIApp | None = None,
    priorities: dict[str, float] | None = None,
    explains: bool = False,
) -> ResponseChain:
    """A chain of these routes and links, and of the runtime's plugins."""
    names = {plugin.name: {"use": f"./{plugin.name}"} for plugin in runtime.registry}
    templates = {"inline": {"t.txt": "of the configuration"}}
    config = load_config({"version": 1, "routes": list(routes), "plugins": names, "templates": templates})
    plugins = PluginResponders(runtime, named_by_routes=plugins_named(config.routes), priorities=priorities, expects_any=bool(names))
    own = [RouteResponder(build_routes(config.routes), runtime)] if routes else []
    return ResponseChain(app, runtime=runtime, links=[*links, *own], plugins=plugins, explains=explains)


Route = Mapping[str, Any]
HEALTH: Route = {"match": {"method": "GET", "path": "/health"}, "response": {"text": "route"}}
HELLO: Route = {"match": {"path": "/hello/{name}"}, "response": {"text": "hello"}}
GREET: Route = {"match": {"method": "GET", "path": "/hello/{name}"}, "response": {"plugin": "greet"}}


async def test_links_are_asked_by_priority_until_one_answers() -> None:
    quiet, waiting, late = FixedLink("b", 1, None), FixedLink("a", 0.5, None, waits=True), FixedLink("c", 9, text("late"))
    made = chain(Runtime(), [HEALTH], late, quiet, waiting)
    assert [link.name for link in made.built_in] == ["a", "b", "routes", "c"]
    assert await made.answer(exchange("/health")) == text("route")
    assert await made.answer(exchange("/else")) == text("late")
    assert (quiet.asked, waiting.asked, late.asked) == (2, 2, 1)


def test_without_plugins_a_route_is_answered_without_waiting() -> None:
    made = chain(Runtime(), [HEALTH])
    assert made.answer_now(exchange("/health")) == text("route")
    assert made.answer_now(exchange("/else")) is None


async def test_plugins_go_between_the_built_in_links_by_their_priority() -> None:
    runtime = Runtime(plain_plugin("early", "response", says(None)), plain_plugin("usual", "response", says("usual")))
    made = chain(runtime, [HEALTH], FixedLink("first", 3, None), FixedLink("last", 9, None), priorities={"early": 2.5})
    assert made.links() is None
    assert made.answer_now(exchange("/health")) is WAIT
    assert await made.answer(exchange("/health")) == MockResponse(200, (), b"usual")
    links = made.links()
    assert links is not None
    assert [link.name for link in links] == ["early", "first", "usual", "routes", "last"]


async def test_a_plugin_that_a_route_names_answers_there_only() -> None:
    runtime = Runtime(plain_plugin("greet", "response", says("hi", **{"response.can_handle": lambda document: False})))
    made = chain(runtime, [HEALTH, GREET])
    await runtime.ensure()
    assert [link.name for link in made.links() or ()] == ["routes"]
    assert made.answer_now(exchange("/health")) == text("route")
    assert made.answer_now(exchange("/hello/Ada")) is WAIT
    assert await made.answer(exchange("/hello/Ada")) == MockResponse(200, (), b"hi")
    assert await made.answer(exchange("/other")) is None


async def test_a_plugin_is_told_route_and_parameters() -> None:
    seen: list[Json] = []

    def generate(document: Json) -> Json:
        seen.append(document["request"])
        return None

    await chain(Runtime(plain_plugin("greet", "response", {"response.generate": generate})), [GREET]).answer(exchange("/hello/Ada"))
    assert [(request["route"], request["path_params"]) for request in seen] == [("/hello/{name}", {"name": "Ada"})]


async def test_a_plugin_that_cannot_handle_is_passed_over() -> None:
    no = says("never", **{"response.can_handle": lambda document: False})
    yes = says("yes", **{"response.can_handle": lambda document: document["request"]["path"] == "/a"})
    made = chain(Runtime(plain_plugin("no", "response", no), plain_plugin("yes", "response", yes)))
    assert await made.answer(exchange("/a")) == MockResponse(200, (), b"yes")
    assert await made.answer(exchange("/b")) is None


async def test_a_plugin_loaded_later_is_asked_from_then_on() -> None:
    runtime = Runtime(plain_plugin("one", "response", says(None)))
    made = chain(runtime, [HEALTH])
    assert await made.answer(exchange("/health")) == text("route")
    runtime.registry.put(plain_plugin("two", "response", says("two")))
    assert await made.answer(exchange("/health")) == MockResponse(200, (), b"two")
    runtime.registry.remove("two")
    assert await made.answer(exchange("/health")) == text("route")
    runtime.registry = Registry(runtime.events)
    assert made.links() == made.built_in


@pytest.mark.parametrize(
    ("error", "status"),
    [(PluginFailed("p", "response.generate", "deep inside"), 502), (PluginUnavailable("p", "deep inside"), 503)],
)
async def test_a_failing_plugin_is_answered_without_its_inside(error: Exception, status: int) -> None:
    answer = await Client(chain(Runtime(plain_plugin("p", "response", fails(error))), [HEALTH])).get("/health")
    assert answer.status == status
    assert "deep inside" not in answer.text


async def test_a_failing_plugin_that_is_to_be_skipped_is_passed_over() -> None:
    failing = plain_plugin("p", "response", fails(PluginFailed("p", "response.generate", "x")), on_failure="skip")
    made = chain(Runtime(failing), [HEALTH])
    asked = exchange("/health")
    asked.notes = []
    assert await made.answer(asked) == text("route")
    assert asked.notes and "p" in asked.notes[0]


async def test_a_plugin_names_only_templates_it_is_allowed() -> None:
    asks = {"response.generate": lambda document: {"status": 200, "headers": [], "template": "a.txt", "vars": {"x": 1}}}
    allowed = plain_plugin("p", "response", asks, templates=frozenset(["a.txt"]))
    assert await chain(Runtime(allowed)).answer(exchange("/")) == TemplateResponse(200, (), "a.txt", {"x": 1})
    everything = plain_plugin("p", "response", asks, templates=frozenset(["*"]))
    assert isinstance(await chain(Runtime(everything)).answer(exchange("/")), TemplateResponse)
    with pytest.raises(PluginFailed, match=r"templates: \[a\.txt\]"):
        await chain(Runtime(plain_plugin("p", "response", asks))).answer(exchange("/"))


async def test_the_body_decides_between_routes() -> None:
    routes: list[Route] = [
        {"match": {"method": "POST", "path": "/o", "body": {"kind": "a"}}, "response": {"text": "a"}},
        {"match": {"method": "POST", "path": "/o"}, "response": {"text": "other"}},
    ]
    made = chain(Runtime(), routes)
    assert made.answer_now(exchange("/o", method="POST", body=b'{"kind": "a"}')) is WAIT
    client = Client(made)
    assert (await client.post("/o", body=b'{"kind": "a"}')).text == "a"
    assert (await client.post("/o", body=b'{"kind": "b"}')).text == "other"


async def test_around_an_app_it_answers_its_own_and_hands_on_the_rest_unread() -> None:
    client = Client(chain(Runtime(plain_plugin("p", "response", says(None))), [HEALTH], app=wrapped))
    assert (await client.get("/health")).text == "route"
    answer = await client.post("/else", body=[b"one ", b"two"])
    assert answer.text == "app one two"


async def test_inside_templates_its_template_answers_are_rendered() -> None:
    runtime = Runtime()
    made = chain(runtime, [{"match": {"path": "/t"}, "response": {"template": "t.txt", "vars": {"who": "Ada"}}}])
    rendering = TemplateMiddleware(made, runtime=PluginRuntime({"version": 1}), renderer=renderer({"t.txt": "Hi {{ who }}"}))
    assert (await Client(rendering).get("/t")).text == "Hi Ada"
    assert (await Client(made).get("/t")).status == 500


@pytest.mark.parametrize(
    ("method", "url", "status", "allow"),
    [("POST", "/health", 405, "GET, HEAD"), ("GET", "/nothing", 404, None), ("HEAD", "/health", 200, None), ("DELETE", "/any", 404, None)],
)
async def test_alone_it_says_not_found_or_not_allowed(method: str, url: str, status: int, allow: str | None) -> None:
    routes: list[Route] = [HEALTH, {"match": {"path": "/any", "query": {"q": True}}, "response": {"text": "any"}}]
    answer = await Client(chain(Runtime(), routes)).request(method, url)
    assert (answer.status, answer.header("allow")) == (status, allow)


async def test_in_dev_mode_a_404_says_why() -> None:
    answer = await Client(chain(Runtime(), [HEALTH], explains=True)).get("/heath")
    assert "Did you mean GET /health" in answer.json()["message"]
    assert "Did you mean" not in (await Client(chain(Runtime(), [HEALTH])).get("/heath")).text


async def test_in_dev_mode_a_404_says_which_plugin_was_skipped() -> None:
    failing = plain_plugin("p", "response", fails(PluginFailed("p", "response.generate", "why")), on_failure="skip")
    answer = await Client(chain(Runtime(failing), [HEALTH], explains=True)).get("/x")
    assert "skipped: plugin 'p' failed" in answer.json()["message"]


async def test_in_dev_mode_a_404_says_which_plugins_had_no_answer() -> None:
    silent, choosy = plain_plugin("greet", "response", says(None)), {"response.can_handle": lambda document: False}
    made = chain(Runtime(silent, plain_plugin("choosy", "response", says("x", **choosy))), [GREET], explains=True)
    choosy_says = "Plugin 'choosy' was asked, and said in can_handle that it does not answer this."
    told = (await Client(made).get("/x")).json()["message"].splitlines()
    assert told[0] == "No route answers GET /x." and told[-1] == choosy_says
    told = (await Client(made).get("/hello/Ada")).json()["message"].splitlines()
    assert told[0] == "GET /hello/{name} fits, and nobody answered." and choosy_says in told
    assert "Plugin 'greet' was asked, and generate gave no answer." in told
    assert (
        (await Client(chain(Runtime(silent), explains=True)).get("/x")).json()["message"].startswith("There are no routes.\nPlugin 'greet'")
    )


def test_claims_are_the_paths_of_routes_unless_plugins_may_answer_anything() -> None:
    claims = chain(Runtime(), [HEALTH, HELLO]).claims()
    assert [claims.cover(path) for path in ("/health", "/hello/x", "/other")] == [True, True, False]
    assert not chain(Runtime()).claims().cover("/health")
    assert chain(Runtime(plain_plugin("p", "response", says(None))), [HEALTH]).claims().cover("/other")
    assert chain(Runtime(), [HEALTH], FixedLink("fixture", 0, None)).claims().cover("/other")


async def test_64_requests_at_once_each_get_their_own_answer() -> None:
    async def generate(document: Json) -> Json:
        await asyncio.sleep(0)
        return {"status": 200, "headers": [], "body": {"text": document["request"]["path_params"]["name"]}}

    client = Client(chain(Runtime(plain_plugin("greet", "response", {"response.generate": generate})), [GREET]))
    answers = await asyncio.gather(*(client.get(f"/hello/{n}") for n in range(64)))
    assert [answer.text for answer in answers] == [str(n) for n in range(64)]


async def test_a_websocket_is_none_of_its_business() -> None:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await chain(Runtime(), [HEALTH])({"type": "websocket", "path": "/health", "headers": []}, receive, send)
    assert sent == [{"type": "websocket.close"}]
