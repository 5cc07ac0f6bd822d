"""Applications that set a root path of their own, whatever the server says: one resource, two paths, one rule."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware

from mockforge_asgi.auth.middleware import AuthMiddleware
from mockforge_asgi.errors import ConfigError
from mockforge_asgi.http.paths import own_root_path
from mockforge_asgi.middleware import MockForge
from mockforge_asgi.testing import Client
from mockforge_asgi.types import ASGIApp, Receive, Scope, Send
from tests.support.plain_host import PlainRuntime, plain_plugin

SECRET = "/admin/secret"


def fastapi(*, root_path: str = "") -> FastAPI:
    """`FastAPI(root_path=…)`, of which later versions warn."""
    api = FastAPI()
    api.root_path = root_path
    api.get(SECRET)(lambda: "secret")
    return api


def django(root: str) -> ASGIApp:
    """As an app of Django with `FORCE_SCRIPT_NAME` finds its paths."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        found = scope["path"].removeprefix(root) == SECRET
        await send({"type": "http.response.start", "status": 200 if found else 404, "headers": []})
        await send({"type": "http.response.body", "body": b"secret" if found else b""})

    return app


def runtime(rule: str) -> PlainRuntime:
    key = plain_plugin("key", "auth", {"auth.authenticate": lambda document: None})
    return PlainRuntime({"version": 1, "protect": [{"path": rule, "auth": ["key"]}]}, key)


def inside(rule: str) -> ASGIApp:
    api = fastapi(root_path="/api")
    api.add_middleware(MockForge, runtime=runtime(rule), root_path="/api")
    return api


def chain(rule: str) -> ASGIApp:
    held = runtime(rule)
    return AuthMiddleware(fastapi(root_path="/api"), runtime=held, rules=held.config.protect)


MOUNTINGS: dict[str, Callable[[str], ASGIApp]] = {
    "an app that says so": lambda rule: MockForge(fastapi(root_path="/api"), runtime=runtime(rule)),
    "with a slash at the end": lambda rule: MockForge(fastapi(root_path="/api/"), runtime=runtime(rule)),
    "below somebody else's middleware": lambda rule: MockForge(
        GZipMiddleware(CORSMiddleware(fastapi(root_path="/api"))), runtime=runtime(rule)
    ),
    "one MockForge in another": lambda rule: MockForge(MockForge(fastapi(root_path="/api")), runtime=runtime(rule)),
    "told": lambda rule: MockForge(django("/api"), runtime=runtime(rule), root_path="/api"),
    "told with a slash at the end": lambda rule: MockForge(django("/api"), runtime=runtime(rule), root_path="/api/"),
    "as a middleware of the app": inside,
    "the auth chain alone": chain,
}


@pytest.mark.parametrize("mounting", MOUNTINGS)
@pytest.mark.parametrize("rule", ["/admin/**", "/api/admin/**", "/api/**", SECRET, f"/api{SECRET}", "/*/admin/*"])
@pytest.mark.parametrize("path", [SECRET, f"/api{SECRET}", f"/api{SECRET.replace('d', '%64', 1)}"])
async def test_a_rule_guards_both_paths_of_a_resource(mounting: str, rule: str, path: str) -> None:
    answer = await Client(MOUNTINGS[mounting](rule)).get(path)
    assert answer.status == 401 and "secret" not in answer.text


@pytest.mark.parametrize("root", ["", "/x"])
@pytest.mark.parametrize("path", [f"/x{SECRET}", f"/x/api{SECRET}"])
async def test_a_root_path_below_that_of_a_server_is_seen(root: str, path: str) -> None:
    app = MockForge(fastapi(root_path="/x/api"), runtime=runtime("/admin/**"))
    answer = await Client(app, root_path=root).get(path)
    assert answer.status in (401, 404)


async def test_without_a_root_path_of_its_own_an_app_has_one_path_for_each_resource() -> None:
    client = Client(MockForge(fastapi(), runtime=runtime("/api/admin/**")))
    assert (await client.get(SECRET)).status == 200
    assert (await client.get(f"/api{SECRET}")).status == 401


def test_a_root_path_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="root_path 'api'"):
        MockForge(fastapi(), {"version": 1}, root_path="api")


def test_what_wraps_itself_has_no_root_path() -> None:
    class Loop:
        """Its own app."""

        @property
        def app(self) -> Loop:
            return self

    assert own_root_path(Loop()) == "" and own_root_path(None) == "" and own_root_path(fastapi(root_path="api")) == ""
