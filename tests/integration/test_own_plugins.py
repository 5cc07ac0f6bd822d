"""The developer's own objects in a mount: their template functions are called by name, and a shared runtime holds them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import ClassVar

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from mockforge_asgi.errors import ConfigError
from mockforge_asgi.middleware import MockForge
from mockforge_asgi.runtime import PluginRuntime
from mockforge_asgi.testing import Client
from mockforge_plugin import (
    Allow,
    Answer,
    AuthPlugin,
    ModifierPlugin,
    Principal,
    Request,
    Response,
    ResponsePlugin,
    TemplatePlugin,
    endpoint,
    function,
)

CONFIG = {
    "version": 1,
    "routes": [{"match": {"path": "/hi"}, "response": {"template_text": "{{ loud_words.shout('hi') }}"}}],
}


class LoudWords(TemplatePlugin):
    """Shouts."""

    @function
    def shout(self, text: str) -> str:
        """The text, louder."""
        return text.upper() + "!"


async def test_templates_call_the_developers_own_functions() -> None:
    async with Client(MockForge(config=CONFIG, plugins=[LoudWords()])) as client:
        assert (await client.get("/hi")).text == "HI!"


async def test_two_mounts_share_a_runtime_that_holds_them() -> None:
    runtime = PluginRuntime(CONFIG, plugins=[LoudWords()])
    async with Client(MockForge(runtime=runtime)) as one, Client(MockForge(runtime=runtime)) as two:
        assert [(await c.get("/hi")).text for c in (one, two)] == ["HI!", "HI!"]


def test_plugins_beside_a_shared_runtime_are_refused() -> None:
    with pytest.raises(ConfigError, match="shared runtime"):
        MockForge(runtime=PluginRuntime(CONFIG), plugins=[LoudWords()])


class Gate(AuthPlugin):
    """Lets who has logged in pass."""

    prefix = "/login"

    async def authenticate(self, request: Request) -> Allow | None:
        """By cookie."""
        return Allow(Principal("ada")) if request.cookies.get("s") == "1" else None

    @endpoint("callback")
    async def callback(self, request: Request) -> Response:
        """Sets the cookie."""
        return Response(302, (("location", "/"), ("set-cookie", "s=1")))


class Pages(ResponsePlugin):
    """Answers with a template."""

    def generate(self, request: Request) -> Response:
        """The page, for its route's parameter."""
        return Response(200, template="page.txt", vars={"who": request.path_params["name"]})

    @endpoint("restricted")
    def restricted(self, request: Request) -> Response:
        names = ("set-cookie", "set-login", "access-control-expose-headers", "x-accel-buffering", "sec-x")
        return Response(200, tuple((name, "v") for name in names))

    @endpoint("about/us")
    def about(self, request: Request) -> Response:
        """A page of its own."""
        return Response(200, body=request.method.encode())


async def test_rules_and_routes_name_them_and_their_endpoints_are_mounted() -> None:
    config = {
        "version": 1,
        "protect": [{"path": "/**", "auth": ["gate"]}],
        "routes": [{"match": {"path": "/pages/{name}"}, "response": {"plugin": "pages"}}],
        "templates": {"inline": {"page.txt": "Hello {{ who }}."}},
    }
    async with Client(MockForge(config=config, plugins=iter([Gate(), Pages]))) as client:
        assert (await client.get("/pages/Ada")).status == 401
        answer = await client.get("/login/callback")
        assert (answer.status, answer.header("set-cookie")) == (302, "s=1")
        assert (await client.get("/pages/Ada", headers={"cookie": "s=1"})).text == "Hello Ada."
        assert (await client.post("/pages/about/us")).status == 401  # pages guard nothing: their endpoints come after auth
        assert (await client.post("/pages/about/us", headers={"cookie": "s=1"})).text == "POST"
        names = {name for name, _ in (await client.get("/pages/restricted", headers={"cookie": "s=1"})).headers}
        assert names >= {"set-cookie", "set-login", "access-control-expose-headers", "x-accel-buffering", "sec-x"}


def test_a_name_that_no_plugin_has_is_a_fault_all_the_same() -> None:
    with pytest.raises(ConfigError, match="no plugin 'gates'"):
        MockForge(config={"version": 1, "protect": [{"path": "/**", "auth": ["gates"]}]}, plugins=[Gate()])


class Louder(ModifierPlugin):
    """Makes answers of the app loud."""

    modifies: ClassVar = {"app": True, "paths": "/loud/**"}

    async def modify(self, request: Request, answer: Answer) -> Response:
        """In capitals; of a stream only the head says so."""
        if answer.body.available < 0:
            return answer.with_headers({"x-loud": "no"})
        return answer.replace(body=(await answer.text()).upper())


async def test_a_modifier_of_theirs_changes_the_apps_answers_where_it_says_so() -> None:
    async def parts() -> AsyncIterator[str]:
        yield "a"
        yield "b"

    def stream(request: object) -> StreamingResponse:
        return StreamingResponse(parts())

    routes = [Route(path, lambda request: PlainTextResponse("abc")) for path in ("/loud/a", "/b")]
    async with Client(MockForge(Starlette(routes=[*routes, Route("/loud/s", stream)]), plugins=[Louder()])) as client:
        assert [(await client.get(path)).text for path in ("/loud/a", "/b", "/loud/s")] == ["ABC", "abc", "ab"]
        assert (await client.get("/loud/s")).header("x-loud") == "no"
