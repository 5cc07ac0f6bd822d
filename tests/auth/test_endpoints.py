"""Endpoints of plugins: whose are asked before auth, whatever their manifests say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mockforge_asgi import MockForge
from mockforge_asgi.auth.endpoints import public_plugins
from mockforge_asgi.config import load_config
from mockforge_asgi.config.objects import PluginUse
from mockforge_asgi.contract import Json
from mockforge_asgi.plugins.package.manifest import Endpoint
from mockforge_asgi.plugins.plugin import Plugin
from mockforge_asgi.testing import Client
from tests.support.plain_host import plain_plugin
from tests.support.plugin_packages import folder, minimal
from tests.test_middleware import KEY, App, key_auth, mounted

EVERYTHING = [{"path": "/**", "auth": ["key"]}]


def call(document: Json) -> Json:
    return {"body": {"text": f"{document['endpoint']} of a guest"}}


def guest(*kinds: str, **facts: Any) -> Plugin:
    """A plugin whose author wants an endpoint, and says that it is of these kinds."""
    endpoints = (Endpoint("x", "/x"), Endpoint("form", "/form", frozenset({"POST"})))
    return plain_plugin("guest", " ".join(kinds), {"endpoint.call": call}, **{"endpoints": endpoints, **facts})


@pytest.mark.parametrize("kinds", [("template",), ("response",), ("modifier",), ("data_source",), ("auth",), ("template", "auth")])
@pytest.mark.parametrize("app", [None, App()])
async def test_a_manifest_opens_nothing_in_what_is_protected(kinds: tuple[str, ...], app: App | None) -> None:
    client = Client(await mounted(app, key_auth(), guest(*kinds), routes=[], protect=EVERYTHING))
    for method, path in (("GET", "/guest/x"), ("DELETE", "/guest/form"), ("OPTIONS", "/guest/x"), ("POST", "/guest/form")):
        answer = await client.request(method, path)
        assert (answer.status, "guest" in answer.text) == (401, False)
    assert (await client.get("/guest/x", headers=KEY)).text == "x of a guest"
    assert (await client.get("/guest/form", headers=KEY)).status == 405


@pytest.mark.parametrize("prefix", ["/", "/hello", "/a/b"])
async def test_nor_does_a_prefix_below_somebody_elses_path(prefix: str) -> None:
    client = Client(await mounted(None, key_auth(), guest("template", prefix=prefix), routes=[], protect=EVERYTHING))
    assert (await client.get(f"{prefix.rstrip('/')}/x")).status == 401


@pytest.mark.parametrize(
    ("said", "protect", "public"),
    [
        ({}, EVERYTHING, {"key"}),
        ({"guest": "public"}, EVERYTHING, {"key", "guest"}),
        ({"guest": "protected"}, EVERYTHING, {"key"}),
        ({"key": "protected"}, EVERYTHING, set()),
        ({"key": "protected", "guest": "public"}, EVERYTHING, {"guest"}),
        ({}, [], set()),
        ({}, [*EVERYTHING, {"path": "/x", "auth": ["guest"]}], {"key", "guest"}),
    ],
)
async def test_the_operator_says_whose_endpoints_are_asked_before_auth(said: dict[str, str], protect: Any, public: set[str]) -> None:
    plugins = {
        name: {"use": f"./{name}", "enabled": False, **({"endpoints": said[name]} if name in said else {})} for name in ("key", "guest")
    }
    assert public_plugins(load_config({"version": 1, "plugins": plugins, "protect": protect})) == public
    key = key_auth(more={"endpoint.call": call}, endpoints=(Endpoint("login", "/login"),))
    client = Client(await mounted(App(), key, guest("template", "auth"), routes=[], plugins=plugins, protect=EVERYTHING))
    if protect is EVERYTHING:
        for name, path in (("key", "/key/login"), ("guest", "/guest/x")):
            assert ((await client.get(path)).status == 200) == (name in public)


@pytest.mark.parametrize(
    ("use", "is_builtin", "said", "public"),
    [
        ("idp-oidc", True, None, True),
        ("idp-oidc", True, "protected", False),
        ("auth-jwt", True, None, False),
        ("./idp-oidc", False, None, False),
    ],
)
def test_built_in_identity_providers_are_asked_before_auth(use: str, is_builtin: bool, said: Any, public: bool) -> None:
    config = load_config({"version": 1})
    plugin = PluginUse("provider", use, Path(use), is_builtin=is_builtin, endpoints=said)
    assert ("provider" in public_plugins(replace(config, plugins={"provider": plugin}))) is public


async def test_without_a_rule_every_endpoint_answers() -> None:
    client = Client(await mounted(App(), guest("template"), routes=[]))
    assert (await client.get("/guest/x")).text == "x of a guest"
    assert (await client.request("PUT", "/guest/form")).header("allow") == "POST"


async def test_a_preflight_is_no_call_of_an_endpoint_that_takes_any_method() -> None:
    headers = {"origin": "https://web.test", "access-control-request-method": "GET"}
    assert (await Client(await mounted(None, guest("template"), routes=[])).request("OPTIONS", "/guest/x", headers=headers)).status == 204


TELLS = """
from mockforge_plugin import ResponsePlugin, Response, endpoint

class Tells(ResponsePlugin):
    def generate(self, request):
        return None

    @endpoint("x")
    def x(self, request):
        return Response.json([self.plugin.id, self.plugin.prefix, self.plugin.development])
"""


@pytest.mark.parametrize("runtime", ["python", "native"])
@pytest.mark.parametrize(("prefix", "known"), [(None, "/tells"), ("/a/b", "/a/b"), ("/", "")])
async def test_a_plugin_knows_where_its_endpoints_are(tmp_path: Path, runtime: str, prefix: str | None, known: str) -> None:
    manifest = minimal("tells", "endpoints: [/x]", kinds="[response]").replace("runtime: python", f"runtime: {runtime}")
    made = folder(tmp_path, {"plugin.yaml": manifest, "plugin.py": TELLS}, name="tells")
    use: dict[str, Any] = {"use": str(made), "endpoints": "public", **({"prefix": prefix} if prefix else {})}
    use |= {"native": {"trust": "path"}} if runtime == "native" else {}
    async with Client(MockForge(config=load_config({"version": 1, "dev": True, "plugins": {"tells": use}}))) as client:
        assert (await client.get(f"{known}/x")).json() == ["tells", known, True]
