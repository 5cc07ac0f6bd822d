"""What becomes of a session: renewed once, ended by its user and by the provider."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from mockforge_plugin import HostError
from mockforge_plugin.login import Sessions
from plugins_builtin.auth_jwt.tests.tokens import b64, forge, rsa, sign
from plugins_builtin.auth_oidc.tests.login_app import app, begin, come_back, is_logged_in, login_app, settings
from tests.support.browsers import ORIGIN, browsing, query_of, submit
from tests.support.loopback_servers import silent
from tests.support.scripted_provider import ScriptedProvider

EVENT = "http://schemas.openid.net/event/backchannel-logout"
JSON = {"accept": "application/json"}


async def logged_in(browser: httpx.AsyncClient, provider: ScriptedProvider, *, more: dict[str, Any] | None = None, **claims: Any) -> None:
    """Log in; `more` is in the answer of the token endpoint."""
    sent = await begin(browser)
    provider.tokens(sign(provider.key, provider.claims(sent["nonce"], **claims)), **(more or {}))
    answer = await come_back(browser, state=sent["state"], code="code")
    assert answer.status_code == 303, answer.text


SHORT = {"expires_in": 0.001, "refresh_token": "first"}


async def test_new_tokens_are_asked_for_once_however_many_requests_wait(scripted: ScriptedProvider) -> None:
    async with login_app(scripted.issuer) as browser:
        await logged_in(browser, scripted, more=SHORT)
        renewed = sign(scripted.key, scripted.claims(None, realm_access={"roles": ["admin"]}))
        scripted.tokens(renewed, refresh_token="second", scope="openid read")
        answers = await asyncio.gather(*(browser.get("/", headers=JSON) for _ in range(20)))
        assert [(answer.status_code, answer.json()["roles"]) for answer in answers] == [(200, ["admin"])] * 20
        assert sum("set-cookie" in answer.headers for answer in answers) == 1
        assert [form["grant_type"] for form in scripted.asked("/token")] == ["authorization_code", "refresh_token"]
        assert scripted.asked("/token")[1]["refresh_token"] == "first"
        assert (await browser.get("/", headers=JSON)).json()["claims"]["scope"] == "openid read"


async def test_the_refresh_token_of_last_time_is_not_used_again(scripted: ScriptedProvider) -> None:
    async with login_app(scripted.issuer) as browser:
        await logged_in(browser, scripted, more=SHORT)
        for number in range(3):
            scripted.tokens(None, expires_in=0.001, refresh_token=f"{number}")
            assert await is_logged_in(browser)
        used = [form.get("refresh_token") for form in scripted.asked("/token")]
        assert used == [None, "first", "0", "1"]


async def test_what_the_provider_refuses_to_renew_ends(scripted: ScriptedProvider) -> None:
    async with login_app(scripted.issuer) as browser:
        await logged_in(browser, scripted, more=SHORT)
        old = dict(browser.cookies)
        scripted.say("/token", {"error": "invalid_grant"}, "400 Bad Request")
        answers = await asyncio.gather(*(browser.get("/", headers=JSON) for _ in range(5)))
        assert [answer.status_code for answer in answers] == [401] * 5
        assert len(scripted.asked("/token")) == 2
        browser.cookies.update(old)
        assert (await browser.get("/orders")).status_code == 302, "a browser may log in anew"


@pytest.mark.parametrize(
    "claims",
    [{"sub": "eve"}, {"aud": "other"}, {"iss": "https://evil.example"}, {"exp": 1}],
    ids=["another user", "another client", "another issuer", "expired"],
)
async def test_new_tokens_that_are_not_this_users_end_the_session(scripted: ScriptedProvider, claims: dict[str, Any]) -> None:
    async with login_app(scripted.issuer) as browser:
        await logged_in(browser, scripted, more=SHORT)
        scripted.tokens(sign(scripted.key, scripted.claims(None, **claims)))
        assert not await is_logged_in(browser)
        assert not await is_logged_in(browser)


async def test_a_provider_that_is_away_neither_lets_in_nor_ends_sessions(scripted: ScriptedProvider) -> None:
    async with login_app(scripted.issuer, timeout_ms=200) as browser:
        await logged_in(browser, scripted, more=SHORT)
        scripted.server.answers["/token"] = silent
        assert (await browser.get("/", headers=JSON)).status_code == 503
        asked = len(scripted.asked("/token"))
        assert (await browser.get("/", headers=JSON)).status_code == 503
        assert len(scripted.asked("/token")) == asked, "it is left alone for a moment"
        scripted.tokens(None, refresh_token="second")
        while (answer := await browser.get("/", headers=JSON)).status_code == 503:
            await asyncio.sleep(0.1)
        assert answer.status_code == 200


async def test_sessions_are_not_renewed_where_that_is_off_or_no_token_was_given(scripted: ScriptedProvider) -> None:
    async with login_app(scripted.issuer, refresh=False) as browser:
        await logged_in(browser, scripted, more=SHORT)
        assert await is_logged_in(browser)
    async with login_app(scripted.issuer) as browser:
        await logged_in(browser, scripted, more={"expires_in": 0.001})
        assert await is_logged_in(browser)
    assert len(scripted.asked("/token")) == 2


async def test_sessions_of_another_issuer_are_over(scripted: ScriptedProvider, tmp_path: Path) -> None:
    state = {"url": f"sqlite:///{tmp_path}/state.db"}
    async with browsing(app(settings(scripted.issuer), state=state)) as browser:
        await logged_in(browser, scripted)
        held = dict(browser.cookies)
    for issuer, is_known in (("https://other.example", False), (scripted.issuer, True)):
        async with browsing(app(settings(issuer), state=state)) as browser:
            browser.cookies.update(held)
            assert await is_logged_in(browser) is is_known


async def test_user_information_is_asked_for_anew(scripted: ScriptedProvider) -> None:
    scripted.say("/userinfo", {"sub": "ada", "groups": ["staff"]})
    async with login_app(scripted.issuer, userinfo=True) as browser:
        await logged_in(browser, scripted, more=SHORT)
        scripted.tokens(None)
        scripted.say("/userinfo", {"sub": "ada", "groups": []})
        assert (await browser.get("/", headers=JSON)).json()["groups"] == []


async def test_new_tokens_are_not_lost_where_the_provider_fails_right_after(scripted: ScriptedProvider) -> None:
    scripted.say("/userinfo", {"sub": "ada", "groups": ["staff"]})
    async with login_app(scripted.issuer, userinfo=True) as browser:
        await logged_in(browser, scripted, more=SHORT)
        scripted.tokens(None, refresh_token="second", expires_in=0.001)
        scripted.say("/userinfo", {}, "500 Internal Server Error")
        assert (await browser.get("/", headers=JSON)).status_code == 502
        scripted.tokens(None, refresh_token="third")
        scripted.say("/userinfo", {"sub": "ada", "groups": ["board"]})
        assert (await browser.get("/", headers=JSON)).json()["groups"] == ["board"]
        assert [form.get("refresh_token") for form in scripted.asked("/token")] == [None, "first", "second"]


async def test_a_logout_ends_the_session_here_and_goes_on_to_the_provider(scripted: ScriptedProvider) -> None:
    async with login_app(scripted.issuer, after_logout="/bye") as browser:
        await logged_in(browser, scripted)
        old = dict(browser.cookies)
        page = await browser.get("/auth/logout")
        assert await is_logged_in(browser), "a link logs nobody out"
        assert page.headers["content-security-policy"].endswith(f"form-action 'self' {scripted.issuer}")
        answer = await browser.post("/auth/logout", headers={"origin": ORIGIN})
        there = query_of(answer)
        assert answer.status_code == 303 and answer.headers["location"].startswith(f"{scripted.issuer}/logout?")
        assert (there["post_logout_redirect_uri"], there["client_id"]) == (f"{ORIGIN}/bye", "web")
        assert there["id_token_hint"].count(".") == 2
        browser.cookies.update(old)
        assert not await is_logged_in(browser), "nor does a cookie that somebody kept"
        assert "You are logged out" in (await browser.get("/auth/logout")).text


async def test_a_user_of_whom_too_much_is_known_is_told_so(scripted: ScriptedProvider) -> None:
    groups = [f"a-group-with-a-long-name-{number}" for number in range(150)]
    async with login_app(scripted.issuer) as browser:
        await logged_in(browser, scripted, groups=groups)
        assert len((await browser.get("/", headers=JSON)).json()["groups"]) == 150, "what a cookie cannot hold is kept here"
        assert "id_token_hint" not in query_of(await browser.post("/auth/logout", headers={"origin": ORIGIN}))
        sent = await begin(browser)
        scripted.give(sent["nonce"], groups=groups * 5)
        answer = await come_back(browser, state=sent["state"], code="code")
        assert answer.status_code == 502 and "more of this account than can be kept" in answer.text
        assert not await is_logged_in(browser)


FOREIGN: list[dict[str, str]] = [
    {"origin": "https://evil.example"},
    {"origin": "https://shop.app.example", "sec-fetch-site": "same-site"},
    {"origin": "null", "sec-fetch-site": "cross-site"},
    {"origin": f"{ORIGIN}.evil.example"},
    {"origin": "http://app.example"},
    {"sec-fetch-site": "none"},
    {},
]


async def test_pages_of_others_log_nobody_out(scripted: ScriptedProvider) -> None:
    async with login_app(scripted.issuer) as browser:
        await logged_in(browser, scripted)
        for headers in FOREIGN:
            assert (await browser.post("/auth/logout", headers=headers)).status_code == 403, headers
        assert await is_logged_in(browser)
        await submit(browser, await browser.get("/auth/logout"))
        assert not await is_logged_in(browser)


async def test_a_logout_does_not_wait_for_a_provider_without_a_place_for_it(scripted: ScriptedProvider) -> None:
    scripted.publish(end_session_endpoint=None)
    async with login_app(scripted.issuer) as browser:
        await logged_in(browser, scripted)
        answer = await browser.post("/auth/logout", headers={"origin": ORIGIN})
        assert (answer.status_code, answer.headers["location"]) == (303, f"{ORIGIN}/auth/logout")
        assert not await is_logged_in(browser)


def logout_token(provider: ScriptedProvider, key: Any = None, header: dict[str, Any] | None = None, **changes: Any) -> str:
    """A token by which the provider ends sessions; None leaves a claim out."""
    whole = {
        "iss": provider.issuer, "aud": "web", "iat": int(time.time()), "exp": int(time.time()) + 60, "jti": b64(rsa("main").kid or ""),
        "sub": "ada", "sid": "at-the-provider", "events": {EVENT: {}}, **changes,
    }  # fmt: skip
    said = {name: value for name, value in whole.items() if value is not None}
    return sign(key or provider.key, said, **{"typ": "logout+jwt", **(header or {})})


async def told(browser: httpx.AsyncClient, token: str, **more: str) -> httpx.Response:
    """The provider tells of a logout."""
    return await browser.post("/auth/backchannel-logout", data={"logout_token": token, **more})


async def test_the_provider_ends_sessions(scripted: ScriptedProvider) -> None:
    async with login_app(scripted.issuer, backchannel_logout=True) as browser:
        await logged_in(browser, scripted, sid="at-the-provider")
        for token in (logout_token(scripted, jti="1", sid="another"), logout_token(scripted, jti="2", sid=None, sub="eve")):
            assert (await told(browser, token)).status_code == 200
            assert await is_logged_in(browser)
        answer = await told(browser, logout_token(scripted))
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
        assert not await is_logged_in(browser)
        await logged_in(browser, scripted, sid="at-the-provider")
        assert (await told(browser, logout_token(scripted))).status_code == 400, "a token is good once"
        assert await is_logged_in(browser)
        assert (await told(browser, logout_token(scripted, jti="all", sid=None))).status_code == 200
        assert not await is_logged_in(browser)


async def test_a_logout_that_failed_can_be_told_of_again(scripted: ScriptedProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: object) -> int:
        raise HostError("the key-value storage cannot be used now", code="unavailable", retryable=True)

    async with login_app(scripted.issuer, backchannel_logout=True) as browser:
        await logged_in(browser, scripted, sid="at-the-provider")
        token = logout_token(scripted, jti="\u20ac" * 255)
        with monkeypatch.context() as patched:
            patched.setattr(Sessions, "end_by", away)
            assert (await told(browser, token)).status_code >= 500
        assert await is_logged_in(browser)
        assert (await told(browser, token)).status_code == 200
        assert not await is_logged_in(browser)
        assert (await told(browser, token)).status_code == 400


async def test_what_ends_no_sessions(scripted: ScriptedProvider) -> None:
    forgeries = {
        "signed by another key": logout_token(scripted, rsa("other"), {"kid": "main"}),
        "not signed": forge({"alg": "none", "typ": "logout+jwt"}, {"iss": scripted.issuer, "aud": "web", "sub": "ada"}),
        "an ID token": sign(scripted.key, scripted.claims("nonce")),
        "with a nonce": logout_token(scripted, nonce="x"),
        "an access token": logout_token(scripted, header={"typ": "at+jwt"}),
        "another issuer": logout_token(scripted, iss="https://evil.example"),
        "another client": logout_token(scripted, aud="other"),
        "no client": logout_token(scripted, aud=None),
        "no event": logout_token(scripted, events=None),
        "another event": logout_token(scripted, events={"http://schemas.openid.net/event/other": {}}),
        "the event as a list": logout_token(scripted, events=[EVENT]),
        "the event a text": logout_token(scripted, events={EVENT: "x"}),
        "no name": logout_token(scripted, jti=None),
        "a name of 300 characters": logout_token(scripted, jti="x" * 300),
        "about nobody": logout_token(scripted, sub=None, sid=None),
        "six minutes old": logout_token(scripted, iat=int(time.time()) - 360),
        "of no time": logout_token(scripted, iat=None),
        "expired": logout_token(scripted, exp=int(time.time()) - 60),
        "nothing": "",
        "17 KB": "x" * 17_000,
    }
    async with login_app(scripted.issuer, backchannel_logout=True) as browser:
        await logged_in(browser, scripted, sid="at-the-provider")
        for what, token in forgeries.items():
            answer = await told(browser, token)
            assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request"), what
        twice = f"logout_token={logout_token(scripted)}&logout_token={logout_token(scripted)}"
        form = {"content-type": "application/x-www-form-urlencoded"}
        assert (await browser.post("/auth/backchannel-logout", content=twice, headers=form)).status_code == 400
        assert (await browser.get("/auth/backchannel-logout")).status_code == 405
        assert await is_logged_in(browser)


async def test_logouts_by_the_provider_are_off_unless_they_are_configured(scripted: ScriptedProvider) -> None:
    async with login_app(scripted.issuer) as browser:
        await logged_in(browser, scripted, sid="at-the-provider")
        assert (await told(browser, logout_token(scripted))).status_code == 404
        assert await is_logged_in(browser)
