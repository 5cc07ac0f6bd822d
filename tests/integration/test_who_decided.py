"""Who answered a request, and why it was refused: as events and log lines tell it, and in development mode the answer itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from mockforge_asgi import MockForge
from mockforge_asgi.contract import Json
from mockforge_asgi.errors import PluginFailed, PluginUnavailable
from mockforge_asgi.events import Event, RequestAnswered
from mockforge_asgi.http.request_document import RequestView
from mockforge_asgi.plugins.package.manifest import Endpoint
from mockforge_asgi.plugins.plugin import Plugin
from mockforge_asgi.runtime import PluginRuntime
from mockforge_asgi.telemetry.log import line_of
from mockforge_asgi.testing import Client, Conversation
from tests.support.plain_host import plain_plugin
from tests.test_middleware import App, key_auth, mounted

ROUTES = [
    {"match": {"method": "GET", "path": "/items/{id}"}, "response": {"text": "one"}},
    {"match": {"path": "/pay"}, "response": {"plugin": "payments"}},
    {"match": {"path": "/open/{rest:path}"}, "response": {"template": "page"}},
]
KEY, WRONG = {"x-api-key": "k1"}, {"x-api-key": "wrong"}
PREFLIGHT = {"origin": "https://web.test", "access-control-request-method": "GET"}


def deciding(name: str, said: Json | Exception, kind: str = "auth", op: str = "auth.authenticate", **facts: Any) -> Plugin:
    def say(document: Json) -> Json:
        if isinstance(said, Exception):
            raise said
        return said

    return plain_plugin(name, kind, {op: say}, view=RequestView(headers=frozenset({"x-api-key"})), **facts)


def payments(said: Json | Exception = None) -> Plugin:
    return deciding("payments", said or {"status": 201}, "response", "response.generate")


async def told(forge: MockForge, method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b"") -> tuple[int, str]:
    heard: list[Event] = []
    forge.runtime.events.subscribe(heard.append, RequestAnswered)
    await Client(forge).request(method, path, headers=headers or {}, body=body)
    if not heard:
        return 0, ""
    (event,) = heard
    assert isinstance(event, RequestAnswered)
    words = line_of(event)[1].partition(" by ")[2].rpartition(" in ")[0]
    return event.status, words


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "words"),
    [
        ("GET", "/items/1", {}, 200, "route /items/{id}"),
        ("GET", "/open/a/b", {}, 200, "route /open/{rest:path}"),
        ("POST", "/pay", KEY, 201, "plugin payments"),
        ("POST", "/pay", {}, 401, "key: authentication required"),
        ("POST", "/pay", WRONG, 401, "key: unknown key"),
        (
            "OPTIONS",
            "/pay",
            PREFLIGHT,
            401,
            "key: authentication required (a CORS preflight, which carries no credentials: `cors:` would answer it)",
        ),
        ("OPTIONS", "/items/1", PREFLIGHT, 204, "cors"),
        ("GET", "/nothing", {}, 404, "no route"),
        ("DELETE", "/items/1", {}, 405, "no route"),
        ("GET", "/key/login", {}, 204, "plugin key"),
        ("POST", "/key/login", {}, 405, "plugin key"),
        ("GET", "//pay", {}, 400, "request check: "),
    ],
)
async def test_the_log_says_who_answered_and_why(method: str, path: str, headers: dict[str, str], status: int, words: str) -> None:
    key = key_auth(more={"endpoint.call": lambda document: {"status": 204}}, endpoints=(Endpoint("login", "/login", frozenset({"GET"})),))
    protect = [{"path": "/pay", "auth": ["key"]}]
    forge = await mounted(None, payments(), key, routes=ROUTES, protect=protect, templates={"inline": {"page": "x"}})
    found = await told(forge, method, path, headers)
    assert found[0] == status and (found[1].startswith(words) if words.endswith(": ") else found[1] == words)


async def test_a_refusal_of_cors_says_what_is_not_allowed() -> None:
    forge = await mounted(None, routes=[], cors={"origins": "https://app.test"})
    assert (await told(forge, "OPTIONS", "/x", PREFLIGHT))[1].startswith("cors: CORS: this origin is not allowed here")


DENY_A, DENY_B = ({"deny": {"status": 401, "reason": f"says {name}"}} for name in "ab")
ALLOW = {"allow": {"principal": {"id": "ada"}}}
REPLY = {"reply": {"status": 302, "headers": [["location", "/login"]]}}


@pytest.mark.parametrize(
    ("mode", "a", "b", "words"),
    [
        ("first", None, DENY_B, "b: says b"),
        ("first", DENY_A, DENY_B, "a: says a"),
        ("first", None, None, "a, b: authentication required"),
        ("first", REPLY, None, "a"),
        ("any", DENY_A, DENY_B, "a: says a"),
        ("any", None, DENY_B, "b: says b"),
        ("any", DENY_A, ALLOW, "route /items/{id} for ada"),
        ("all", ALLOW, DENY_B, "b: says b"),
        ("all", ALLOW, None, "a, b: authentication required"),
        ("optional", None, None, "route /items/{id}"),
        ("optional", None, DENY_B, "b: says b"),
        ("first", PluginFailed("a", "auth.authenticate", "boom"), ALLOW, "plugin a: it failed to decide about a request (internal)"),
        ("first", PluginUnavailable("a", "pool full"), ALLOW, "plugin a: pool full"),
    ],
)
async def test_of_several_guards_the_one_that_decided_is_named(mode: str, a: Any, b: Any, words: str) -> None:
    protect = [{"path": "/**", "auth": ["a", "b"], "mode": mode}]
    forge = await mounted(App(), deciding("a", a), deciding("b", b), routes=ROUTES[:1], protect=protect)
    found = (await told(forge, "GET", "/items/1"))[1]
    assert found == words.partition(" for ")[0]


@pytest.mark.parametrize("name", ["bearer", "apikey", "token", "basic"])
async def test_a_plugin_that_is_called_like_a_credential_is_named_all_the_same(name: str) -> None:
    forge = await mounted(App(), deciding(name, DENY_A), routes=[], protect=[{"path": "/**", "auth": [name]}])
    assert await told(forge, "GET", "/x") == (401, f"{name}: says a")


async def test_a_reason_cannot_forge_a_line_of_the_log() -> None:
    forged = {"deny": {"status": 401, "reason": "no\n12:00 info all is well"}}
    forge = await mounted(App(), deciding("a", forged), routes=[], protect=[{"path": "/**", "auth": ["a"]}])
    assert "\n" not in (await told(forge, "GET", "/x"))[1]


async def test_what_passes_to_the_app_is_not_told() -> None:
    assert await told(await mounted(App(), routes=[]), "GET", "/items") == (0, "")


async def test_plugins_that_fail_are_named_and_so_is_what_stands_in_for_them() -> None:
    failing = payments(PluginFailed("payments", "response.generate", "boom"))
    assert await told(await mounted(App(), failing, routes=ROUTES[1:2]), "GET", "/pay") == (502, "plugin payments")
    plugins = {"payments": {"use": "./x", "enabled": False, "on_failure": {"status": 503, "text": "later"}}}
    forge = await mounted(App(), failing, routes=ROUTES[1:2], plugins=plugins)
    assert await told(forge, "GET", "/pay") == (503, "on_failure of payments")


async def test_a_websocket_that_nobody_serves_and_one_that_is_refused_are_told() -> None:
    forge = await mounted(None, key_auth(), routes=[], protect=[{"path": "/private", "auth": ["key"]}])
    heard: list[Event] = []
    forge.runtime.events.subscribe(heard.append, RequestAnswered)
    for path in ("/x", "/private"):
        talk = Conversation([{"type": "websocket.connect"}])
        await forge({**Client(forge).scope("GET", path), "type": "websocket"}, talk.receive, talk.send)
    assert [e.answered_by for e in heard if isinstance(e, RequestAnswered)] == ["no route", "key"]


SOURCE = """from mockforge_plugin import ResponsePlugin, Response


class Broken(ResponsePlugin):
    def generate(self, request):
        total = 1
        return Response.json(total / 0)
"""


@pytest.mark.parametrize(("dev", "origin", "is_told"), [(True, None, True), (True, "https://evil.test", False), (False, None, False)])
async def test_in_development_mode_a_502_names_plugin_and_line(tmp_path: Path, dev: bool, origin: str | None, is_told: bool) -> None:
    manifest = {"manifest_version": 1, "id": "broken", "version": "1.0.0", "contract": "0.1", "kinds": ["response"], "runtime": "native"}
    (tmp_path / "plugin.yaml").write_text(yaml.safe_dump({**manifest, "entry": "plugin.py"}))
    (tmp_path / "plugin.py").write_text(SOURCE)
    config = {"version": 1, "dev": True, "plugins": {"broken": {"use": str(tmp_path), "native": {"trust": "path"}}}}
    runtime = PluginRuntime(config)
    async with Client(MockForge(None, config={**config, "dev": dev}, runtime=runtime)) as client:
        answer = await client.get("/x", headers={"origin": origin} if origin else {})
    message = answer.json()["message"]
    assert answer.status == 502
    assert ("plugin 'broken' failed in response.generate" in message and "plugin.py" in message and "line 7" in message) is is_told
    assert is_told or message == "the plugin that should answer failed"


async def test_nor_does_development_mode_show_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    failing = payments(PluginFailed("payments", "response.generate", "no such token: s3cret-value-1"))
    forge = await mounted(None, failing, routes=ROUTES[1:2], dev=True, secrets={"token": {"value": "s3cret-value-1"}})
    answer = await Client(forge).get("/pay")
    assert "plugin 'payments' failed" in answer.text and "s3cret" not in answer.text


async def test_in_development_mode_a_guard_that_fails_is_named_with_its_reason() -> None:
    failing = deciding("a", PluginFailed("a", "auth.authenticate", "boom"))
    forge = await mounted(App(), failing, routes=[], dev=True, protect=[{"path": "/**", "auth": ["a"]}])
    answer = await Client(forge).get("/x")
    assert (answer.status, "plugin 'a' failed in auth.authenticate: boom" in answer.text) == (503, True)
