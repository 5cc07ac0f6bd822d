"""`request.url_for` through mounts of ours: Starlette finds the routes of the application below them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from mockforge_asgi.auth.middleware import AuthMiddleware
from mockforge_asgi.middleware import MockForge
from mockforge_asgi.mocks.middleware import ResponseMiddleware
from mockforge_asgi.mocks.responders import Responders
from mockforge_asgi.mocks.routes import build_routes
from mockforge_asgi.runtime import PluginRuntime
from mockforge_asgi.templates.middleware import TemplateMiddleware
from mockforge_asgi.templates.renderer import Renderer
from mockforge_asgi.templates.store import TemplateStore
from mockforge_asgi.testing import Client
from mockforge_asgi.types import ASGIApp

RUNTIME = PluginRuntime({"version": 1})
RENDERER = Renderer(TemplateStore(None, {}), plugin=RUNTIME.plugin)
WRAPPERS: dict[str, Callable[[ASGIApp], ASGIApp]] = {
    "MockForge": lambda app: MockForge(app, {"version": 1, "routes": []}),
    "one in another": lambda app: MockForge(MockForge(app, {"version": 1}), {"version": 1}),
    "AuthMiddleware": lambda app: AuthMiddleware(app, runtime=RUNTIME, rules=[]),
    "ResponseMiddleware": lambda app: ResponseMiddleware(app, runtime=RUNTIME, responders=Responders(build_routes([]))),
    "TemplateMiddleware": lambda app: TemplateMiddleware(
        app, runtime=RUNTIME, renderer=Renderer(TemplateStore(None, {}), plugin=RUNTIME.plugin)
    ),
}


def urls(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(request.url_for("api:user", id="7")) + " " + str(request.url_for("home")))


@pytest.mark.parametrize("wrapper", WRAPPERS)
async def test_url_for_finds_routes_below_a_mount(wrapper: str) -> None:
    inner = Starlette(routes=[Route("/users/{id}", urls, name="user")])
    outer = Starlette(routes=[Route("/", urls, name="home"), Mount("/api", WRAPPERS[wrapper](inner), name="api")])
    for path in ("/", "/api/users/1"):
        answer = await Client(outer).get(path)
        assert answer.text == "http://testserver/api/users/7 http://testserver/"


async def test_alone_there_are_no_routes_to_find() -> None:
    outer = Starlette(
        routes=[Route("/", lambda request: PlainTextResponse(str(request.url_for("home"))), name="home"), Mount("/m", MockForge())]
    )
    assert (await Client(outer).get("/")).text == "http://testserver/"
