"""Metadata, keys, tokens and user information that a provider, or who poses as one, should not be believed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from plugins_builtin.auth_oidc.tests.login_app import begin, come_back, is_logged_in, login_app
from tests.support.loopback_servers import reply, serving, silent
from tests.support.scripted_provider import ScriptedProvider

Setting = Callable[[ScriptedProvider], None]
METADATA = "/.well-known/openid-configuration"
BADLY, AWAY = "the identity provider gave an answer that cannot be used", "the identity provider cannot be reached"


def published(**changes: Any) -> Setting:
    """Metadata that says something else."""
    return lambda provider: provider.publish(**changes)


def said(body: Any, status: str = "200 OK", **headers: str) -> Setting:
    """Another answer in place of the metadata."""
    return lambda provider: provider.say(METADATA, body, status, **headers)


DOCUMENTS: list[tuple[str, Setting, int]] = [
    ("another issuer", published(issuer="https://evil.example"), 502),
    ("6 MiB", lambda p: p.publish(more="x" * (6 << 20)), 502),
    ("500", said({}, "500 Internal Server Error"), 502),
    ("silence", lambda p: p.server.answers.update({METADATA: silent}), 503),
]  # fmt: skip


@pytest.mark.parametrize(("change", "status"), [pytest.param(*rest, id=name) for name, *rest in DOCUMENTS])
async def test_metadata_that_send_nobody_to_a_login(scripted: ScriptedProvider, change: Setting, status: int) -> None:
    change(scripted)
    async with login_app(scripted.issuer, timeout_ms=300 if status == 503 else 3000) as browser:
        answers = await asyncio.gather(*(browser.get(path) for path in ("/orders", "/auth/login", "/", "/x")))
        assert [answer.status_code for answer in answers] == [status] * 4
        assert (BADLY if status == 502 else AWAY).lower() in answers[0].text.lower()
        assert 'href="/auth/login?return_to=%2Forders"' in answers[0].text, "a page for the browser, with a way back to what it wanted"
        program = await browser.get("/orders", headers={"accept": "application/json", "cookie": ""})
        assert (program.status_code, program.json()["error"]) == (401, "Authentication required")
        assert not any("location" in answer.headers for answer in answers)
    assert 1 <= sum(head.startswith(f"GET {METADATA}") for head in scripted.server.heads) <= 2


async def test_user_information_elsewhere_is_refused_where_it_is_asked_for(scripted: ScriptedProvider) -> None:
    scripted.publish(userinfo_endpoint="https://evil.example/me")
    for asks, status in ((True, 502), (False, 302)):
        async with login_app(scripted.issuer, userinfo=asks) as browser:
            assert (await browser.get("/orders")).status_code == status


async def test_metadata_that_redirects_elsewhere_is_not_followed(scripted: ScriptedProvider) -> None:
    async with serving() as evil:
        where = f"http://127.0.0.1:{evil.port}{METADATA}"
        scripted.say(METADATA, b"", "302 Found", Location=where)
        async with login_app(scripted.issuer) as browser:
            assert (await browser.get("/orders")).status_code == 502
        assert evil.connections == 0


async def test_keys_that_redirect_elsewhere_are_not_followed(scripted: ScriptedProvider) -> None:
    async with serving() as evil:
        scripted.say("/jwks", b"", "302 Found", Location=f"http://127.0.0.1:{evil.port}/jwks")
        async with login_app(scripted.issuer) as browser:
            sent = await begin(browser)
            scripted.give(sent["nonce"])
            assert (await come_back(browser, state=sent["state"], code="code")).status_code == 502
        assert evil.connections == 0


async def test_other_origins_of_the_provider_are_asked_where_they_are_configured(scripted: ScriptedProvider) -> None:
    async with serving() as other:
        scripted.publish(token_endpoint=f"http://127.0.0.1:{other.port}/token")
        async with login_app(scripted.issuer, endpoint_origins=[f"http://127.0.0.1:{other.port}"]) as browser:
            sent = await begin(browser)
            scripted.give(sent["nonce"])
            other.answers["/token"] = scripted.server.answers["/token"]
            assert (await come_back(browser, state=sent["state"], code="code")).status_code == 303
            assert other.connections == 1


TOKENS: list[tuple[str, bytes, int]] = [
    ("a refusal of our secret", reply(b'{"error":"invalid_client"}', "401 Unauthorized", Content_Type="application/json"), 502),
    ("a refusal of our address", reply(b'{"error":"redirect_uri_mismatch"}', "400 Bad Request", Content_Type="application/json"), 502),
    ("500", reply(b"{}", "500 Internal Server Error", Content_Type="application/json"), 502),
    ("a redirect", reply(b"", "302 Found", Location="https://evil.example/"), 502),
    ("HTML", reply(b"<h1>Hi</h1>", Content_Type="text/html"), 502),
    ("a form", reply(b"access_token=x&token_type=bearer", Content_Type="application/x-www-form-urlencoded"), 502),
    ("no access token", reply(b'{"token_type":"Bearer","id_token":"x"}', Content_Type="application/json"), 502),
    ("an access token that is a list", reply(b'{"access_token":["x"],"token_type":"Bearer"}', Content_Type="application/json"), 502),
    ("a token with a line break", reply(b'{"access_token":"x\\ny","token_type":"Bearer"}', Content_Type="application/json"), 502),
    ("a token bound to a key", reply(b'{"access_token":"x","token_type":"DPoP"}', Content_Type="application/json"), 502),
    ("66 KB", reply(b'{"x":"' + b"x" * 66_000 + b'"}', Content_Type="application/json"), 502),
]  # fmt: skip


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("answer", "status"), [pytest.param(*rest, id=name) for name, *rest in TOKENS])
async def test_a_token_endpoint_that_logs_nobody_in(visit: tuple[ScriptedProvider, httpx.AsyncClient], answer: bytes, status: int) -> None:
    provider, browser = visit
    sent = await begin(browser)
    provider.server.answers["/token"] = answer
    back = await come_back(browser, state=sent["state"], code="code")
    assert (back.status_code, BADLY in back.text.lower()) == (status, True), back.text
    assert 'href="/auth/login?return_to=%2Forders"' in back.text
    assert not await is_logged_in(browser)


USERS: list[tuple[str, Any, str, int]] = [
    ("the same user", {"sub": "ada", "name": "Ada L.", "groups": ["staff"]}, "200 OK", 303),
    ("another user", {"sub": "eve", "groups": ["admins"]}, "200 OK", 502),
    ("nobody", {"groups": ["admins"]}, "200 OK", 502),
    ("a list of users", {"sub": ["ada"]}, "200 OK", 502),
    ("a refusal", {"sub": "ada"}, "401 Unauthorized", 502),
    ("HTML", b"<h1>", "200 OK", 502),
]


@pytest.mark.parametrize(("body", "line", "status"), [pytest.param(*rest, id=name) for name, *rest in USERS])
async def test_user_information_about(scripted: ScriptedProvider, body: Any, line: str, status: int) -> None:
    scripted.say("/userinfo", body, line)
    async with login_app(scripted.issuer, userinfo=True) as browser:
        sent = await begin(browser)
        scripted.give(sent["nonce"])
        answer = await come_back(browser, state=sent["state"], code="code")
        assert answer.status_code == status, answer.text
        assert any("Bearer access" in head for head in scripted.server.heads)
        if status == 303:
            seen = (await browser.get("/")).json()
            assert (seen["name"], seen["groups"]) == ("Ada", ["staff"]), "what the ID token says comes first"
        else:
            assert not await is_logged_in(browser)


async def test_user_information_that_is_not_there(scripted: ScriptedProvider) -> None:
    scripted.publish(userinfo_endpoint=None)
    async with login_app(scripted.issuer, userinfo=True) as browser:
        sent = await begin(browser)
        scripted.give(sent["nonce"])
        assert (await come_back(browser, state=sent["state"], code="code")).status_code == 502
