"""What must not log anybody in, each with its outcome: browsers that bring something else, a provider's answers that are wrong."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from plugins_builtin.auth_oauth_custom.tests.github_app import caller, login_app
from tests.support.browsers import ORIGIN, log_in, query_of
from tests.support.github import GitHub, github
from tests.support.loopback_servers import serving

TOKEN = "/login/oauth/access_token"
STRANGE, BADLY = "not begun in this browser", "The identity provider gave an answer that cannot be used"
FORM = "application/x-www-form-urlencoded"


async def begun(browser: httpx.AsyncClient) -> dict[str, str]:
    """What the provider is sent."""
    return query_of(await browser.get("/orders"))


def a_code(hub: GitHub, sent: dict[str, str], user: str = "octocat") -> str:
    """A code that the provider gave for that login."""
    code = f"code-{len(hub.codes)}-{user}"
    known = {name: sent[name] for name in ("code_challenge", "scope", "redirect_uri")}
    hub.codes[code] = {**known, "login": user}
    return code


async def test_what_a_browser_may_not_come_back_with(hub: GitHub) -> None:
    async with login_app(hub) as browser:
        for query, status, words in (
            ({"code": "CODE"}, 400, STRANGE),
            ({"code": "CODE", "state": "A" * 22}, 400, STRANGE),
            ({"state": "STATE"}, 400, "incomplete"),
            ({"error": "access_denied", "error_description": "<script>", "state": "STATE"}, 403, "refused or given up"),
            ({"error": "redirect_uri_mismatch", "error_description": "<script>", "state": "STATE"}, 400, "redirect_uri_mismatch"),
            ({"error": "<script>", "state": "STATE"}, 400, "unknown"),
            ({"code": "guessed", "state": "STATE"}, 400, "does not accept what this browser brought"),
        ):
            sent = await begun(browser)
            filled = {"CODE": a_code(hub, sent), "STATE": sent["state"]}
            answer = await browser.get("/auth/callback", params={name: filled.get(value, value) for name, value in query.items()})
            assert (answer.status_code, words in answer.text, "script" in answer.text) == (status, True, False), (query, answer.text)
            assert await caller(browser) is None


async def test_nobody_is_logged_in_as_somebody_else_by_a_link(hub: GitHub) -> None:
    async with login_app(hub) as attacker, login_app(hub) as victim:
        sent = await begun(attacker)
        code = a_code(hub, sent, "mallory")
        await begun(victim)
        answer = await victim.get("/auth/callback", params={"state": sent["state"], "code": code})
        assert (answer.status_code, STRANGE in answer.text) == (400, True)
        assert await caller(victim) is None and code in hub.codes, "the provider was not shown the code"


async def test_the_code_of_another_login_is_refused_by_pkce(hub: GitHub) -> None:
    async with login_app(hub) as victim, login_app(hub) as attacker:
        stolen = a_code(hub, await begun(victim))
        own = await begun(attacker)
        answer = await attacker.get("/auth/callback", params={"state": own["state"], "code": stolen})
        assert answer.status_code == 400 and await caller(attacker) is None


async def test_a_code_and_a_state_are_good_once(hub: GitHub) -> None:
    async with login_app(hub) as browser:
        sent = await begun(browser)
        query = {"state": sent["state"], "code": a_code(hub, sent)}
        before = dict(browser.cookies)
        assert (await browser.get("/auth/callback", params=query)).status_code == 303
        browser.cookies.clear()
        browser.cookies.update(before)
        assert (await browser.get("/auth/callback", params=query)).status_code == 400
    assert sum(path == TOKEN for path, _, _ in hub.asked) == 1


async def test_a_token_that_somebody_brings_is_nothing(hub: GitHub) -> None:
    """It may be of any application: OAuth does not say for whom it was made."""
    hub.tokens["gho_of_another_application"] = ("octocat", "user:email")
    async with login_app(hub) as browser:
        for more in ({"authorization": "Bearer gho_of_another_application"}, {"authorization": "token gho_of_another_application"}):
            answer = await browser.get("/?access_token=gho_of_another_application", headers=more)
            assert answer.status_code == 401
    assert hub.asked == []


async def test_what_one_provider_gave_is_shown_to_no_other(hub: GitHub) -> None:
    with github(hub.callback) as evil:
        async with login_app(evil) as browser:
            sent = await begun(browser)
            code = a_code(hub, sent)
            answer = await browser.get("/auth/callback", params={"state": sent["state"], "code": code, "iss": hub.url})
            assert answer.status_code == 400, "the provider that it was begun at does not know the code"
        assert code in hub.codes and await _asked_only(evil, TOKEN)


async def _asked_only(hub: GitHub, path: str) -> bool:
    return {asked for asked, _, _ in hub.asked} == {path}


@pytest.mark.parametrize("headers", [{"host": "evil.example"}, {"x-forwarded-host": "evil.example"}, {"x-forwarded-proto": "http"}])
async def test_nothing_that_a_client_sends_moves_the_callback(hub: GitHub, headers: dict[str, str]) -> None:
    async with login_app(hub) as browser:
        for path in ("/orders", "/auth/login?redirect_uri=https://evil.example&client_id=evil&scope=repo"):
            sent = query_of(await browser.get(path, headers=headers))
            assert (sent["redirect_uri"], sent["scope"]) == (f"{ORIGIN}/auth/callback", "user:email")


ANSWERS: list[tuple[str, str, tuple[int, str, bytes], int, str]] = [
    ("a wrong secret", TOKEN, (200, "application/json", b'{"error":"incorrect_client_credentials"}'), 502, BADLY),
    ("a wrong address", TOKEN, (200, "application/json", b'{"error":"redirect_uri_mismatch"}'), 502, BADLY),
    ("an old code", TOKEN, (200, FORM, b"error=bad_verification_code&error_description=%3Cscript%3E"), 400, "does not accept"),
    ("an error that is a script", TOKEN, (200, FORM, b"error=%3Cscript%3E"), 400, "does not accept"),
    ("an error and a token", TOKEN, (200, FORM, b"error=x&access_token=y&token_type=bearer"), 400, "does not accept"),
    ("no token", TOKEN, (200, FORM, b"token_type=bearer"), 502, BADLY),
    ("two tokens", TOKEN, (200, FORM, b"access_token=x&access_token=y&token_type=bearer"), 502, BADLY),
    ("a token with a line break", TOKEN, (200, FORM, b"access_token=x%0D%0Ay&token_type=bearer"), 502, BADLY),
    ("a token of another kind", TOKEN, (200, FORM, b"access_token=x&token_type=mac"), 502, BADLY),
    ("a form that is none", TOKEN, (200, FORM, b"\xff=%ff"), 502, BADLY),
    ("HTML", TOKEN, (200, "text/html", b"access_token=x&token_type=bearer"), 502, BADLY),
    ("66 KB", TOKEN, (200, FORM, b"access_token=x&token_type=bearer&x=" + b"x" * 66_000), 502, BADLY),
    ("500", TOKEN, (500, FORM, b"access_token=x&token_type=bearer"), 502, BADLY),
    ("a token that it does not take", "/user", (401, "application/json", b'{"message":"Bad credentials"}'), 502, BADLY),
    ("a user without a number", "/user", (200, "application/json", b'{"login":"octocat","name":"x"}'), 502, BADLY),
    ("a user whose number is a list", "/user", (200, "application/json", b'{"id":[583231],"login":"octocat"}'), 502, BADLY),
    ("a user twice", "/user", (200, "application/json", b'{"id":1,"id":583231}'), 502, BADLY),
    ("a list of users", "/user", (200, "application/json", b'[{"id":583231}]'), 502, BADLY),
    ("a user as HTML", "/user", (200, "text/html", b'{"id":583231}'), 502, BADLY),
    ("a user of 66 KB", "/user", (200, "application/json", b'{"id":583231,"bio":"' + b"x" * 66_000 + b'"}'), 502, BADLY),
    ("asked too often", "/user", (429, "application/json", b"{}"), 503, "asked too often"),
    ("addresses that are no list", "/user/emails", (200, "application/json", b'{"email":"x"}'), 502, BADLY),
    ("addresses that end the list", "/user/emails", (200, "application/json", b'[],"x":[]'), 502, BADLY),
    ("a scope that was not given", "/user/orgs", (403, "application/json", b"{}"), 502, BADLY),
    ("organisations of 300 KB", "/user/orgs", (200, "application/json", json.dumps([{"login": "x" * 300_000}]).encode()), 502, BADLY),
]  # fmt: skip


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("path", "mood", "status", "words"), [pytest.param(*rest, id=name) for name, *rest in ANSWERS])
async def test_an_answer_that_logs_nobody_in(
    visit: tuple[GitHub, httpx.AsyncClient], path: str, mood: tuple[int, str, bytes], status: int, words: str
) -> None:
    hub, browser = visit
    hub.moods[path] = mood
    answer = await log_in(browser, user="octocat")
    assert (answer.status_code, words in answer.text, "script" in answer.text) == (status, True, False), answer.text
    assert await caller(browser) is None


async def test_a_next_page_elsewhere_is_not_asked_for(hub: GitHub) -> None:
    async with serving() as evil:
        hub.per_page = 1
        honest, hub.url = hub.url, f"http://127.0.0.1:{evil.port}"
        lists = [{"url": f"{honest}/user/orgs?per_page=1", "name": ["login"]}]
        config: dict[str, Any] = {"scopes": ["user:email", "read:org"], "groups_from": lists}
        addresses = {name: url.replace(hub.url, honest) for name, url in hub.settings().items()}
        async with login_app(hub, **config, **addresses) as browser:
            assert (await log_in(browser, user="octocat")).status_code == 502
        assert evil.connections == 0


async def test_a_group_cannot_pass_for_a_team_of_another(hub: GitHub) -> None:
    hub.accounts["mallory"].orgs = ["acme/platform", "", "evil"]
    async with login_app(hub, scopes=["user:email", "read:org"]) as browser:
        assert (await log_in(browser, user="mallory")).json()["groups"] == ["evil"]


async def test_lists_without_an_end_are_left(hub: GitHub) -> None:
    hub.accounts["octocat"].orgs = [f"org-{number}" for number in range(100)]
    async with login_app(hub, scopes=["user:email", "read:org"]) as browser:
        groups = (await log_in(browser, user="octocat")).json()["groups"]
        assert groups[:20] == hub.accounts["octocat"].orgs[:20] and "org-20" not in groups
