"""CORS through `MockForge`: who answers preflights, alone and in front of an app, and which answers a page may read."""

from __future__ import annotations

import asyncio

import pytest
from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from mockforge_asgi.testing import Client, Conversation
from mockforge_asgi.types import ASGIApp, Receive, Scope, Send
from tests.support.plain_host import plain_plugin
from tests.test_middleware import KEY, PROTECT, App, greet, key_auth, mounted

WEB = "https://web.test"
ASKS = {"origin": WEB, "access-control-request-method": "GET", "access-control-request-headers": "x-api-key"}
CORS = {"origins": WEB, "credentials": True}


@pytest.mark.parametrize(("path", "status", "allowed"), [("/health", 204, "*"), ("/nothing", 204, "*"), ("/hello/Ada", 401, None)])
async def test_without_cors_a_lone_mock_is_open_where_nothing_is_protected(path: str, status: int, allowed: str | None) -> None:
    client = Client(await mounted(None, greet(), key_auth(), protect=PROTECT))
    preflight = await client.request("OPTIONS", path, headers=ASKS)
    assert (preflight.status, preflight.header("access-control-allow-origin")) == (status, allowed)
    assert preflight.header("access-control-allow-headers") == ("x-api-key" if allowed else None)
    for headers in ({}, {"origin": WEB}, {**KEY, "origin": WEB}):
        answer = await client.get(path, headers=headers)
        assert (answer.header("access-control-allow-origin"), answer.header("access-control-allow-credentials")) == (allowed, None)


async def test_a_preflight_about_a_protected_method_is_not_answered_as_if_it_were_open() -> None:
    client = Client(await mounted(None, greet(), key_auth(), protect=[{**PROTECT[0], "methods": ["POST"]}]))
    for method, allowed in (("POST", None), ("GET", "*"), ("PUT", "*")):
        answer = await client.request("OPTIONS", "/hello/Ada", headers={**ASKS, "access-control-request-method": method})
        assert answer.header("access-control-allow-origin") == allowed


@pytest.mark.parametrize("app", [None, App()])
@pytest.mark.parametrize("path", ["/health", "/hello/Ada", "/items"])
async def test_cors_of_the_configuration_answers_before_auth_and_speaks_in_every_answer(app: App | None, path: str) -> None:
    client = Client(await mounted(app, greet(), key_auth(), protect=PROTECT, cors=CORS))
    preflight = await client.request("OPTIONS", path, headers=ASKS)
    assert (preflight.status, preflight.header("access-control-allow-origin")) == (204, WEB)
    assert (await client.request("OPTIONS", path, headers={**ASKS, "origin": "https://evil.test"})).status == 403
    for headers in ({}, KEY):
        for origin, allowed in ((WEB, WEB), ("https://evil.test", None), (None, None)):
            answer = await client.get(path, headers={**headers, **({"origin": origin} if origin else {})})
            assert (answer.header("access-control-allow-origin"), answer.header("vary")) == (allowed, "origin")
    assert app is None or {scope["method"] for scope, _, _ in app.calls} <= {"GET"}


async def test_where_the_rule_leaves_preflights_to_the_app_cors_is_the_apps_own() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        grant = [(b"access-control-allow-origin", b"https://app.test")] if scope["method"] == "OPTIONS" else []
        await send({"type": "http.response.start", "status": 200, "headers": grant})
        await send({"type": "http.response.body", "body": b""})

    protect = [{**PROTECT[0], "preflight": "app"}]
    client = Client(await mounted(app, key_auth(), protect=protect, cors=CORS))
    assert (await client.request("OPTIONS", "/hello/Ada", headers=ASKS)).header("access-control-allow-origin") == "https://app.test"
    assert (await client.get("/hello/Ada", headers={**KEY, "origin": WEB})).header("access-control-allow-origin") is None
    assert (
        await Client(await mounted(None, key_auth(), protect=protect, cors=CORS)).request("OPTIONS", "/hello/Ada", headers=ASKS)
    ).status == 204


async def test_a_route_for_options_answers_preflights_itself_and_one_for_any_method_does_not() -> None:
    routes = [
        {
            "match": {"method": "OPTIONS", "path": "/own"},
            "response": {"text": "", "headers": {"access-control-allow-origin": "https://x.test"}},
        },
        {"match": {"path": "/any"}, "response": {"text": "secret"}},
    ]
    for cors in ({}, {"cors": CORS}):
        client = Client(await mounted(None, routes=routes, **cors))
        own, any_method = [await client.request("OPTIONS", path, headers=ASKS) for path in ("/own", "/any")]
        assert (own.status, own.header("access-control-allow-origin"), any_method.status) == (200, "https://x.test", 204)


async def test_without_cors_an_app_keeps_its_own_and_mocks_have_none() -> None:
    client = Client(await mounted(app := App()))
    assert (await client.get("/health", headers={"origin": WEB})).header("access-control-allow-origin") is None
    assert (await client.request("OPTIONS", "/items", headers=ASKS)).text == "app" and len(app.calls) == 1


async def test_a_preflight_never_reaches_a_protected_mock() -> None:
    route = {"match": {"path": "/hello/{name}"}, "response": {"text": "secret"}}
    asks = {"origin": "https://web.test", "access-control-request-method": "GET"}
    for app in (None, App()):
        client = Client(await mounted(app, key_auth(), routes=[route], protect=PROTECT))
        assert "secret" not in (await client.request("OPTIONS", "/hello/Ada", headers=asks)).text


async def test_a_preflight_that_the_app_does_not_answer_leaves_the_request_whole() -> None:
    nobody = plain_plugin("key", "auth", {"auth.authenticate": lambda document: None})
    forge = await mounted(app := App(), nobody, protect=[{"path": "/**", "auth": ["key"], "mode": "optional", "preflight": "app"}])
    answer = await asyncio.wait_for(Client(forge).request("OPTIONS", "/items", headers=ASKS), 5)
    assert (answer.text, app.bodies) == ("app", [b"", b""])


async def test_a_preflight_is_answered_before_the_app_has_ended() -> None:
    answered = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"access-control-allow-origin", b"*")]})
        assert [m["type"] for m in talk.sent] == ["http.response.start", "http.response.body"]
        await send({"type": "http.response.body", "body": b"not for you"})
        answered.set()

    forge = await mounted(app, key_auth(), protect=[{"path": "/**", "auth": ["key"], "preflight": "app"}])
    talk = Conversation()
    await forge(Client(forge).scope("OPTIONS", "/items", ASKS), talk.receive, talk.send)
    assert answered.is_set() and talk.response.body == b""


async def test_a_lone_mock_answers_preflights_of_endpoints_too() -> None:
    from mockforge_asgi.plugins.package.manifest import Endpoint

    plugin = key_auth(more={"endpoint.call": lambda document: None}, endpoints=(Endpoint("token", "/token", frozenset({"POST"})),))
    client = Client(await mounted(None, plugin))
    assert (await client.request("OPTIONS", "/key/token", headers=ASKS)).status == 204
    assert (await client.request("OPTIONS", "/key/token")).status == 405


async def test_a_preflight_for_what_no_header_can_carry_is_refused() -> None:
    headers = {**ASKS, "access-control-request-headers": "a\x01b"}
    assert (await Client(await mounted(None)).request("OPTIONS", "/health", headers=headers)).status == 400


async def test_development_mode_explains_nothing_to_pages_of_other_origins() -> None:
    routes = [
        {"match": {"path": "/health", "query": {"page": "expected-value"}}, "response": {"text": "ok"}},
        {"match": {"path": "/page"}, "response": {"template": "bad.txt"}},
    ]
    for app in (None, App()):
        client = Client(await mounted(app, routes=routes, templates={"inline": {"bad.txt": "{{ no_such_name }}"}}, dev=True))
        for path, words in (("/health?page=2", "expected-value"), ("/page", "no_such_name")):
            if app is not None and words == "expected-value":
                continue
            for origin, told in ((None, True), ("http://testserver", True), ("http://localhost:3000", True), (WEB, False), ("null", False)):
                answer = await client.get(path, headers={"origin": origin} if origin else {})
                assert (words in answer.text) is told, (path, origin, answer.text)


def starlettes(app: ASGIApp) -> ASGIApp:
    """The app inside Starlette's CORSMiddleware."""
    return CORSMiddleware(app, allow_origins=[WEB], allow_headers=["x-api-key"], allow_credentials=True)


def secret(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"secret for {request.method}")


async def behind_or_around(order: str, preflight: str) -> Client:
    """A Starlette app with its CORSMiddleware around `MockForge`, or inside of it."""
    routes = [Route("/hello/secret", secret, methods=["GET", "OPTIONS", "PUT"])]
    app, protect = Starlette(routes=routes), [{**PROTECT[0], "preflight": preflight}]
    forge = await mounted(starlettes(app) if order == "inside" else app, key_auth(), protect=protect)
    return Client(forge if order == "inside" else starlettes(forge))


@pytest.mark.parametrize(
    ("order", "preflight", "works", "readable"),
    [("around", "cors", True, True), ("around", "app", True, True), ("inside", "app", True, False), ("inside", "cors", False, False)],
)
async def test_with_starlettes_middleware_this_order_works(order: str, preflight: str, works: bool, readable: bool) -> None:
    client = await behind_or_around(order, preflight)
    answer = await client.request("OPTIONS", "/hello/secret", headers=ASKS)
    assert (answer.status == 200, answer.header("access-control-allow-origin") == WEB) == (works, works)
    assert "secret" not in answer.text
    passed = await client.get("/hello/secret", headers={**KEY, "origin": WEB})
    assert (passed.text, passed.header("access-control-allow-origin")) == ("secret for GET", WEB)
    for path in ("/hello/secret", "/health"):  # a refusal and a mock, both ours
        assert (await client.get(path, headers={"origin": WEB})).header("access-control-allow-origin") == (WEB if readable else None)


async def test_with_cors_of_ours_no_header_is_said_twice_by_an_app_that_has_its_own() -> None:
    client = Client(await mounted(starlettes(Starlette(routes=[Route("/items", secret)])), cors=CORS))
    answer = await client.get("/items", headers={"origin": WEB})
    assert [value for name, value in answer.headers if name == "access-control-allow-origin"] == [WEB]
    assert (await client.request("OPTIONS", "/items", headers=ASKS)).status == 204
