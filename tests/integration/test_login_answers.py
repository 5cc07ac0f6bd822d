"""Cookies of logins on answers of every kind: mocks, templates, the wrapped app, the plugin's own; under their grant, kept by no cache."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from mockforge_asgi import MockForge
from mockforge_asgi.config import load_config
from mockforge_asgi.testing import Client
from mockforge_asgi.types import Receive, Scope, Send
from tests.support.desk import Visitor, configuration
from tests.support.plugin_packages import folder, minimal

PLUGIN = """
from mockforge_plugin import Allow, AuthPlugin, Deny, Principal, Reply, Response, cookie, endpoint

class Refreshing(AuthPlugin):
    def authenticate(self, request):
        if request.path == "/reply":
            return Reply(Response.text("in").with_cookie("a", "1").with_cookie("b", "2"))
        fresh = (cookie("session", "new"), cookie("other", "1", path="/x"), ("cache-control", "no-store"), ("vary", "cookie"))
        return Allow(Principal("ada"), set_headers=fresh)

    @endpoint("callback")
    def callback(self, request):
        return Response.redirect("/", 303).with_cookie("a", "1").without_cookie("b")
"""
ASKS = "endpoints: [/callback]\npermissions:\n  response.set_headers: {names: [set-cookie], optional: true}"
SET = ["session=new; Path=/; HttpOnly; SameSite=Lax", "other=1; Path=/x; HttpOnly; SameSite=Lax"]


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with cookies and cache headers of its own."""
    if scope["type"] == "http":
        headers = [(b"set-cookie", b"app=1"), (b"cache-control", b"max-age=60"), (b"vary", b"accept")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"app"})


@asynccontextmanager
async def refreshing(tmp_path: Path, *, is_granted: bool = True) -> AsyncIterator[Client]:
    """The app behind a sandboxed plugin that sets cookies wherever it can."""
    made = folder(tmp_path, {"plugin.yaml": minimal("refreshing", ASKS, kinds="[auth]"), "plugin.py": PLUGIN}, name="refreshing")
    config = {
        "version": 1,
        "plugins": {"refreshing": {"use": str(made), "grants": {"response": {"set_headers": ["set-cookie"]}} if is_granted else {}}},
        "protect": [{"path": "/**", "auth": ["refreshing"]}],
        "routes": [
            {"match": {"path": "/mock"}, "response": {"text": "mock", "headers": {"cache-control": "max-age=9", "set-cookie": "mock=1"}}},
            {"match": {"path": "/template"}, "response": {"template_text": "{{ request.principal.id }}"}},
        ],
    }
    async with Client(MockForge(app, config=load_config(config))) as client:
        yield client


def every(answer: Any, name: str) -> list[str]:
    return [value for each, value in answer.headers if each == name]


@pytest.mark.parametrize(("path", "body", "own"), [("/app", b"app", ["app=1"]), ("/mock", b"mock", ["mock=1"]), ("/template", b"ada", [])])
async def test_cookies_of_an_allow_are_set_beside_those_of_the_answer_and_no_cache_keeps_it(
    tmp_path: Path, path: str, body: bytes, own: list[str]
) -> None:
    async with refreshing(tmp_path) as client:
        answer = await client.get(path)
    assert (answer.status, answer.body, every(answer, "set-cookie")) == (200, body, [*own, *SET])
    assert every(answer, "cache-control") == ["no-store"], "in place of the answer's own"
    assert "cookie" in every(answer, "vary")


async def test_replies_and_endpoints_set_several_cookies(tmp_path: Path) -> None:
    async with refreshing(tmp_path) as client:
        reply, moved = await client.get("/reply"), await client.get("/refreshing/callback")
    assert every(reply, "set-cookie") == ["a=1; Path=/; HttpOnly; SameSite=Lax", "b=2; Path=/; HttpOnly; SameSite=Lax"]
    assert (moved.status, moved.header("location")) == (303, "/")
    assert every(moved, "set-cookie") == ["a=1; Path=/; HttpOnly; SameSite=Lax", "b=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"]


@pytest.mark.parametrize(("path", "own"), [("/app", ["app=1"]), ("/mock", ["mock=1"]), ("/reply", []), ("/refreshing/callback", [])])
async def test_without_the_grant_a_plugin_sets_no_cookie(tmp_path: Path, path: str, own: list[str]) -> None:
    async with refreshing(tmp_path, is_granted=False) as client:
        assert every(await client.get(path), "set-cookie") == own


async def test_answers_that_carry_cookies_of_a_login_are_kept_by_no_cache() -> None:
    async with Client(MockForge(app, config=load_config(configuration(secure=False)))) as client:
        visitor = Visitor(client)
        begun = await visitor.ask("GET", "/orders")
        back = await visitor.finish(begun.header("location").partition("state=")[2])
        changed, ended = await visitor.ask("POST", "/desk/change?roles=x"), await visitor.log_out()
        failed = await visitor.finish("none")
    assert [answer.status for answer in (begun, back, changed, ended, failed)] == [302, 303, 200, 303, 400]
    for answer in (begun, back, changed, ended, failed):
        assert {*every(answer, "cache-control")} == {"no-store"}


async def test_who_passes_by_a_session_or_without_one_is_not_mixed_up_by_caches() -> None:
    async with Client(MockForge(app, config=load_config(configuration(secure=False)))) as client:
        visitor = Visitor(client)
        asked = [await visitor.ask("GET", "/orders"), await visitor.ask("GET", "/orders", headers={})]
        await visitor.log_in()
        asked.append(await visitor.ask("GET", "/orders"))
    assert [answer.status for answer in asked] == [302, 401, 200]
    assert [every(answer, "cache-control") for answer in asked] == [["no-store"], ["no-store"], []]
    assert "Cookie" in every(asked[2], "vary")
