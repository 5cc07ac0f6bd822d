"""auth-oauth-custom against a provider that behaves as GitHub documents: who gets in, as whom, and for how long."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from plugins_builtin.auth_oauth_custom.tests.github_app import JSON, app, caller, login_app, settings
from tests.support.browsers import ORIGIN, browsing, log_in, query_of, submit
from tests.support.github import CLIENT_ID, GitHub

ORGS = ["user:email", "read:org"]


async def test_a_browser_logs_in_and_comes_back_to_where_it_was_going(hub: GitHub) -> None:
    async with login_app(hub) as browser:
        answer = await log_in(browser, "/orders?page=2", user="octocat")
        assert (answer.status_code, str(answer.url)) == (200, f"{ORIGIN}/orders?page=2"), answer.text
        seen = answer.json()
        assert (seen["id"], seen["name"], seen["email"]) == ("583231", "The Octocat", "octocat@example.com")
        assert (seen["groups"], seen["claims"]) == ([], {"id": 583231, "login": "octocat", "scope": "user:email"})
        cookie = next(each for each in browser.cookies.jar if each.domain == "app.example")
        assert (cookie.name, cookie.secure, "octocat" in (cookie.value or "")) == ("__Host-oauth", True, False)


async def test_in_development_neither_an_address_nor_a_key_is_needed(hub: GitHub) -> None:
    here = "http://127.0.0.1:8000"
    hub.callback = f"{here}/auth/callback"
    async with browsing(app(settings(hub, public_url=None, session=None), dev=True), origin=here) as browser:
        assert (await log_in(browser, "/orders", user="octocat")).json()["id"] == "583231"
        assert "oauth" in dict(browser.cookies)


async def test_what_the_provider_is_asked(hub: GitHub) -> None:
    async with login_app(hub, parameters={"allow_signup": "false"}) as browser:
        sent = query_of(await browser.get("/"))
        assert (sent["client_id"], sent["scope"], sent["response_type"], sent["allow_signup"]) == (CLIENT_ID, "user:email", "code", "false")
        assert (sent["redirect_uri"], sent["code_challenge_method"]) == (f"{ORIGIN}/auth/callback", "S256")
        await log_in(browser, user="octocat")
    token = next(form for path, form, _ in hub.asked if path == "/login/oauth/access_token")
    assert token.keys() == {"grant_type", "code", "redirect_uri", "code_verifier", "client_id", "client_secret"}
    assert all(headers["user-agent"] == "mockforge-asgi" for path, _, headers in hub.asked if path.startswith("/user"))


async def test_an_answer_that_is_a_form_will_do(hub: GitHub) -> None:
    hub.answers_json = False
    async with login_app(hub) as browser:
        assert (await log_in(browser, user="octocat")).json()["id"] == "583231"


async def test_organisations_and_teams_are_groups_page_by_page(hub: GitHub) -> None:
    async with login_app(hub, scopes=ORGS) as browser:
        seen = (await log_in(browser, user="octocat")).json()
        assert seen["groups"] == ["acme", "github", "octo-org", "acme/platform", "github/staff", "acme/tools"]
        assert seen["claims"]["scope"] == "user:email read:org"
    assert [query["page"] for path, query, _ in hub.asked if "page" in query] == ["2", "2"]


ADMISSIONS: list[tuple[str, dict[str, Any], str, bool]] = [
    ("the number", {"users": ["583231"]}, "octocat", True),
    ("the account's name", {"accounts": ["octocat"]}, "octocat", True),
    ("the account's name among the numbers", {"users": ["octocat"]}, "octocat", False),
    ("a number among the names", {"accounts": ["583231"]}, "octocat", False),
    ("an account that is called like an id that may come in", {"users": ["mallory"]}, "mallory", False),
    ("a name that somebody else calls themselves", {"accounts": ["octocat"]}, "mallory", False),
    ("another's number", {"users": ["583231"]}, "mallory", False),
    ("the name in capitals", {"accounts": ["Octocat"]}, "octocat", False),
    ("an organisation", {"groups": ["acme"]}, "octocat", True),
    ("a team", {"groups": ["acme/platform"]}, "octocat", True),
    ("a team's name alone", {"groups": ["platform"]}, "octocat", False),
    ("a team of another organisation", {"groups": ["octo-org/platform"]}, "octocat", False),
    ("an organisation of others", {"groups": ["acme"]}, "mallory", False),
    ("either of both", {"users": ["1"], "groups": ["evil"]}, "mallory", True),
]


@pytest.mark.parametrize(("allow", "user", "may"), [pytest.param(*rest, id=name) for name, *rest in ADMISSIONS])
async def test_who_may_come_in_by(hub: GitHub, allow: dict[str, Any], user: str, may: bool) -> None:
    async with login_app(hub, scopes=ORGS, anybody=None, allow=allow) as browser:
        answer = await log_in(browser, user=user)
        assert answer.status_code == (200 if may else 403), answer.text
        assert (await caller(browser) is not None) is may
        if not may:
            assert "not one of those that may come in" in answer.text
            assert all(each.domain != "app.example" for each in browser.cookies.jar)


@pytest.mark.parametrize(
    ("emails", "found"),
    [
        ([{"email": "a@example.com", "primary": True, "verified": True}], "a@example.com"),
        ([{"email": "a@example.com", "primary": True, "verified": False}], None),
        ([{"email": "a@example.com", "primary": False, "verified": True}], None),
        ([{"email": ["a@example.com"], "primary": True, "verified": True}], None),
        ([{"email": "a@example.com", "primary": "true", "verified": 1}], None),
        (["a@example.com"], None),
        ([], None),
    ],
)
async def test_an_address_counts_once_it_is_verified(hub: GitHub, emails: list[Any], found: str | None) -> None:
    hub.accounts["octocat"].emails = emails
    hub.accounts["octocat"].email = "says-so@example.com"
    async with login_app(hub) as browser:
        assert (await log_in(browser, user="octocat")).json()["email"] == found


async def test_who_leaves_the_organisation_is_logged_out(hub: GitHub) -> None:
    async with login_app(hub, scopes=ORGS, anybody=None, allow={"groups": ["acme"]}, recheck_s=1) as browser:
        await log_in(browser, user="octocat")
        hub.accounts["octocat"].teams = []
        while len((await caller(browser))["groups"]) != 3:
            await asyncio.sleep(0.05)
        hub.accounts["octocat"].orgs = ["github"]
        while await caller(browser) is not None:
            await asyncio.sleep(0.05)
        assert (await browser.get("/", headers=JSON)).status_code == 401


async def test_a_token_that_is_taken_back_ends_the_session(hub: GitHub) -> None:
    async with login_app(hub, recheck_s=1) as browser:
        await log_in(browser, user="octocat")
        hub.tokens.clear()
        while await caller(browser) is not None:
            await asyncio.sleep(0.05)


async def test_a_provider_that_is_away_neither_lets_in_nor_ends_sessions(hub: GitHub) -> None:
    async with login_app(hub, recheck_s=1) as browser:
        await log_in(browser, user="octocat")
        hub.moods["/user"] = (500, "text/html", b"<h1>Unicorn!</h1>")
        while (await browser.get("/", headers=JSON)).status_code == 200:
            await asyncio.sleep(0.05)
        assert (await browser.get("/", headers=JSON)).status_code == 502
        hub.moods.clear()
        assert (await caller(browser))["id"] == "583231"


async def test_an_account_whose_token_becomes_another_users_is_logged_out(hub: GitHub) -> None:
    async with login_app(hub, recheck_s=1) as browser:
        await log_in(browser, user="octocat")
        (token,) = hub.tokens
        hub.tokens[token] = ("mallory", "user:email")
        while await caller(browser) is not None:
            await asyncio.sleep(0.05)


async def test_an_account_keeps_its_identity_under_another_name(hub: GitHub) -> None:
    async with login_app(hub) as browser:
        await log_in(browser, user="octocat")
        hub.accounts["renamed"] = hub.accounts.pop("octocat")
        hub.accounts["renamed"].login = "renamed"
        hub.tokens.clear()
        browser.cookies.clear()
        seen = (await log_in(browser, user="renamed")).json()
        assert (seen["id"], seen["claims"]["login"]) == ("583231", "renamed")


async def test_a_logout_ends_the_session(hub: GitHub) -> None:
    async with login_app(hub) as browser:
        await log_in(browser, user="octocat")
        held = dict(browser.cookies)
        left = await submit(browser, await browser.get("/auth/logout"))
        assert (str(left.url), "You are logged out" in left.text) == (f"{ORIGIN}/auth/logout", True)
        browser.cookies.update(held)
        assert await caller(browser) is None


async def test_programs_are_told_and_not_redirected(hub: GitHub) -> None:
    async with login_app(hub) as browser:
        answer = await browser.get("/", headers=JSON)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Session realm="mockforge"')
    async with login_app(hub, redirect=False) as browser:
        assert (await browser.get("/")).status_code == 401
        assert (await log_in(browser, "/auth/login?return_to=/orders", user="octocat")).url.path == "/orders"


async def test_another_provider_than_github_is_configured_whole(hub: GitHub) -> None:
    plain = {"preset": None, "emails_url": None, "principal": "login", "name": "name", "claims": ["type"], "client_auth": "post"}
    async with login_app(hub, **plain) as browser:
        seen = (await log_in(browser, user="octocat")).json()
        assert (seen["id"], seen["name"], seen["email"], seen["claims"]) == ("octocat", "The Octocat", None, {"type": "User", "scope": ""})
