"""auth-oidc against a real provider (npm's oidc-provider): logins, their sessions, logouts, access tokens, its bad days."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from joserfc.jwk import ECKey, RSAKey

from plugins_builtin.auth_oidc.tests.login_app import ADA, CALLBACK, SECRETS, app, begin, come_back, login_app, settings
from tests.support.browsers import ORIGIN, browsing, log_in, submit
from tests.support.identity_provider import AUDIENCE, IdentityProvider, identity_provider

JSON = {"accept": "application/json"}


@pytest.fixture
async def web(idp: IdentityProvider) -> IdentityProvider:
    """The provider, which knows Ada, and this app as `web`."""
    await idp.users(ada=ADA)
    await idp.web_client(CALLBACK, post_logout_redirect_uris=[f"{ORIGIN}/auth/logout"])
    return idp


async def caller(browser: httpx.AsyncClient) -> Any:
    """Who the browser is to the app; None where that wants a login."""
    answer = await browser.get("/", headers=JSON)
    return answer.json() if answer.status_code == 200 else None


async def test_a_browser_is_sent_to_the_provider_and_comes_back_to_where_it_was_going(web: IdentityProvider) -> None:
    async with login_app(web.issuer) as browser:
        answer = await log_in(browser, "/orders/%C3%A9t%C3%A9?page=2&q=a%20b")
        assert (answer.status_code, str(answer.url)) == (200, f"{ORIGIN}/orders/%C3%A9t%C3%A9?page=2&q=a%20b"), answer.text
        seen = answer.json()
        assert (seen["id"], seen["roles"], seen["groups"]) == ("ada", ["buyer"], ["staff"])
        assert (seen["name"], seen["email"]) == ("Ada", "ada@example.com")
        assert seen["claims"]["scope"] == "openid profile email" and not {"nonce", "at_hash", "exp"} & seen["claims"].keys()
        assert (await browser.get("/other")).json()["id"] == "ada"
        cookie = next(each for each in browser.cookies.jar if each.domain == "app.example")
        assert (cookie.name, cookie.secure, cookie.path) == ("__Host-oidc", True, "/")
        assert len((cookie.value or "").split(".")) == 5, "encrypted (RFC 7516 §3.1), so that nobody reads who it is"


async def test_programs_are_told_and_not_redirected(web: IdentityProvider) -> None:
    programs = [
        JSON,
        {"accept": "*/*"},
        {"sec-fetch-mode": "cors"},
        {"sec-fetch-mode": "no-cors"},
        {"x-requested-with": "XMLHttpRequest"},
        {"authorization": "Basic YWRhOmFkYQ=="},
    ]
    async with login_app(web.issuer) as browser:
        for headers in programs:
            answer = await browser.get("/", headers=headers)
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="mockforge"'), headers
        assert (await browser.post("/", data={"a": "b"})).status_code == 401
    async with login_app(web.issuer, redirect=False) as browser:
        assert (await browser.get("/")).status_code == 401
        assert (await log_in(browser, "/auth/login?return_to=/orders")).json()["id"] == "ada"


@pytest.mark.parametrize("kind", ["basic", "post", "public", "private_key RS256", "private_key ES256"])
async def test_every_kind_of_client_logs_in(idp: IdentityProvider, kind: str) -> None:
    await idp.users(ada=ADA)
    more: dict[str, Any] = {}
    known: dict[str, Any] = {"token_endpoint_auth_method": f"client_secret_{kind}"}
    secrets = dict(SECRETS)
    if kind == "public":
        more, known = {"client_secret": None}, {"client_secret": None, "token_endpoint_auth_method": "none"}
    elif kind.startswith("private_key"):
        algorithm = kind.split()[1]
        key = RSAKey.generate_key(2048) if algorithm == "RS256" else ECKey.generate_key("P-256")
        secrets["key"] = key.as_pem(private=True).decode()
        more = {"client_secret": None, "client_key": {"secret": "key", "alg": algorithm, "audience": idp.issuer}}
        known = {"client_secret": None, "token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [key.as_dict(private=False)]}}
        known["token_endpoint_auth_signing_alg"] = algorithm
    elif kind == "post":
        more = {"client_auth": "post"}
    await idp.web_client(CALLBACK, **known)
    async with browsing(app(settings(idp.issuer, **more), secrets=secrets)) as browser:
        answer = await log_in(browser, "/orders")
        assert (answer.status_code, answer.json().get("id")) == (200, "ada"), answer.text


async def test_a_wrong_secret_is_the_operators_fault_and_not_the_users(web: IdentityProvider, caplog: pytest.LogCaptureFixture) -> None:
    async with browsing(app(settings(web.issuer), secrets={**SECRETS, "client_secret": "not-the-secret"})) as browser:
        answer = await log_in(browser)
        assert answer.status_code == 502 and "not-the-secret" not in answer.text
    assert "invalid_client" in caplog.text and "not-the-secret" not in caplog.text


async def test_who_is_refused_by_the_provider_sees_why_and_nothing_of_what_it_says(web: IdentityProvider) -> None:
    async with login_app(web.issuer) as browser:
        answer = await log_in(browser, password="wrong")
        assert answer.status_code == 403 and "refused or given up" in answer.text and "script" not in answer.text
        again = await browser.get("/auth/login", follow_redirects=True)
        assert "password" in again.text


async def test_a_logout_holds_here_and_at_the_provider(web: IdentityProvider) -> None:
    async with login_app(web.issuer) as browser:
        await log_in(browser)
        old = {each.name: each.value or "" for each in browser.cookies.jar if each.domain == "app.example"}
        there = await submit(browser, await browser.get("/auth/logout"))
        assert str(there.url).startswith(f"{web.issuer}/session/end"), there.text
        back = await submit(browser, there, logout="yes")
        assert (str(back.url), "You are logged out" in back.text) == (f"{ORIGIN}/auth/logout", True)
        for name, value in old.items():
            browser.cookies.set(name, value, domain="app.example", path="/")
        assert await caller(browser) is None
        assert "password" in (await browser.get("/", follow_redirects=True)).text, "the provider asks again, too"


async def test_a_session_goes_on_with_new_tokens_and_what_they_say(web: IdentityProvider) -> None:
    await web.control(access_token_s=1)
    async with login_app(web.issuer) as browser:
        await log_in(browser)
        await web.users(ada={**ADA, "groups": ["board"]})
        while (await caller(browser))["groups"] != ["board"]:
            await asyncio.sleep(0.05)
        await web.control(access_token_s=120)
        asked = (await web.control())["token"]
        assert asked >= 2
        await web.control(users={"ada": None})
        while await caller(browser) is not None:  # the tokens of before may have been given for a second yet
            await asyncio.sleep(0.05)
        assert (await web.control())["token"] <= asked + 2


async def test_signing_keys_rotate_between_logins(web: IdentityProvider) -> None:
    times = {"refetch_s": 1, "fresh_min_s": 60}
    async with login_app(web.issuer, jwks_times=times) as browser:
        for change in ({}, {"rotate": True}, {"rotate": True, "forget": True}):
            await web.control(**change)
            browser.cookies.clear()
            answer = await log_in(browser)
            while answer.status_code == 502:  # keys are looked for once a second
                browser.cookies.clear()
                answer = await log_in(browser)
            assert answer.json()["id"] == "ada"


async def test_access_tokens_pass_and_id_tokens_do_not(web: IdentityProvider) -> None:
    async with login_app(web.issuer, audience=AUDIENCE, rfc9068=True, principal="sub") as browser:
        good = await web.token(resource=AUDIENCE)
        opaque, elsewhere = await web.token(), await web.token(resource="https://opaque.example")
        for token, status in ((good, 200), (opaque, 401), (elsewhere, 401), (good[:-4] + "AAAA", 401), ("", 401)):
            answer = await browser.get("/", headers={"authorization": f"Bearer {token}"})
            assert answer.status_code == status, (token, answer.text)
        answer = await browser.get("/", headers={"authorization": f"Bearer {good}"})
        assert (answer.json()["id"], answer.json()["roles"]) == ("shop", ["buyer"])


async def test_a_provider_that_goes_and_comes_back(web: IdentityProvider) -> None:
    with identity_provider() as other:
        await other.users(ada=ADA)
        await other.web_client(CALLBACK)
        port = int(other.issuer.rsplit(":", 1)[1])
        async with login_app(other.issuer) as browser:
            sent = await begin(browser)
            other.process.kill()
            other.process.wait()
            answer = await come_back(browser, state=sent["state"], code="code", iss=other.issuer)
            assert answer.status_code == 503 and "cannot be reached" in answer.text
            with identity_provider(port) as again:
                await again.users(ada=ADA)
                await again.web_client(CALLBACK)
                browser.cookies.clear()
                answer = await log_in(browser)
                while answer.status_code == 503:  # it is left alone for a moment
                    browser.cookies.clear()
                    answer = await log_in(browser)
                assert answer.json()["id"] == "ada"
