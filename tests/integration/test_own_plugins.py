"""The developer's own objects in a mount: their template functions are called by name, and a shared runtime holds them."""

from __future__ import annotations

import pytest

from mockforge_asgi.errors import ConfigError
from mockforge_asgi.middleware import MockForge
from mockforge_asgi.runtime import PluginRuntime
from mockforge_asgi.testing import Client
from mockforge_plugin import Allow, AuthPlugin, Principal, Request, Response, ResponsePlugin, TemplatePlugin, endpoint, function

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
        assert (await client.post("/pages/about/us")).text == "POST"


def test_a_name_that_no_plugin_has_is_a_fault_all_the_same() -> None:
    with pytest.raises(ConfigError, match="no plugin 'gates'"):
        MockForge(config={"version": 1, "protect": [{"path": "/**", "auth": ["gates"]}]}, plugins=[Gate()])
