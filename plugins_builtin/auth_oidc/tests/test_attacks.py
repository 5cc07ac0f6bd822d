"""What an attacker sends browsers back with, or has them ask for, each with its outcome; no provider is tricked, only this plugin."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from mockforge_asgi import MockForge
from plugins_builtin.auth_oidc.tests.login_app import begin, come_back, is_logged_in
from tests.support.browsers import ORIGIN
from tests.support.browsers import browser as opened
from tests.support.scripted_provider import ScriptedProvider

Visit = tuple[ScriptedProvider, httpx.AsyncClient]
pytestmark = pytest.mark.asyncio(loop_scope="module")
STRANGE = "not begun in this browser"
SCRIPT = "<script>alert(1)</script>"

BROUGHT: list[tuple[str, list[tuple[str, str]], int, str]] = [
    ("nothing", [], 400, STRANGE),
    ("no state", [("code", "c")], 400, STRANGE),
    ("an empty state", [("code", "c"), ("state", "")], 400, STRANGE),
    ("another state", [("code", "c"), ("state", "A" * 22)], 400, STRANGE),
    ("a state that is not ASCII", [("code", "c"), ("state", "é\udcff".encode("utf-8", "replace").decode())], 400, STRANGE),
    ("the state twice", [("code", "c"), ("state", "STATE"), ("state", "STATE")], 400, "ambiguous"),
    ("two codes", [("code", "c"), ("code", "d"), ("state", "STATE")], 400, "ambiguous"),
    ("a code and an error twice", [("error", "a"), ("error", "b"), ("state", "STATE")], 400, "ambiguous"),
    ("no code", [("state", "STATE")], 400, "incomplete"),
    ("an empty code", [("code", ""), ("state", "STATE")], 400, "incomplete"),
    ("a code of 5,000 characters", [("code", "c" * 5000), ("state", "STATE")], 400, "incomplete"),
    ("another provider's name", [("code", "c"), ("state", "STATE"), ("iss", "https://evil.example")], 400, "another identity provider"),
    ("the provider's name with a slash", [("code", "c"), ("state", "STATE"), ("iss", "ISSUER/")], 400, "another identity provider"),
    ("an empty provider's name", [("code", "c"), ("state", "STATE"), ("iss", "")], 400, "another identity provider"),
    ("two names of providers", [("code", "c"), ("state", "STATE"), ("iss", "ISSUER"), ("iss", "x")], 400, "ambiguous"),
    ("access_denied", [("error", "access_denied"), ("error_description", SCRIPT), ("state", "STATE")], 403, "refused or given up"),
    ("an error that is a script", [("error", SCRIPT), ("state", "STATE")], 400, "refused the login: unknown"),
    ("an error and a code", [("error", "login_required"), ("code", "c"), ("state", "STATE")], 400, "refused the login: login_required"),
    ("temporarily_unavailable", [("error", "temporarily_unavailable"), ("state", "STATE")], 503, "cannot log anybody in now"),
    ("an error without a state", [("error", "access_denied"), ("error_description", SCRIPT)], 400, STRANGE),
]  # fmt: skip


@pytest.mark.parametrize(("query", "status", "words"), [pytest.param(*rest, id=name) for name, *rest in BROUGHT])
async def test_a_browser_that_comes_back_with(visit: Visit, query: list[tuple[str, str]], status: int, words: str) -> None:
    provider, browser = visit
    sent = await begin(browser)
    provider.give(sent["nonce"])
    filled = [(name, value.replace("STATE", sent["state"]).replace("ISSUER", provider.issuer)) for name, value in query]
    answer = await browser.get("/auth/callback", params=tuple(filled))
    assert (answer.status_code, words in answer.text) == (status, True), answer.text
    assert "script" not in answer.text
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "script-src" not in policy and answer.headers["cache-control"] == "no-store"
    assert provider.asked("/token") == []
    assert not await is_logged_in(browser)


async def test_a_code_is_shown_to_the_provider_once(visit: Visit) -> None:
    provider, browser = visit
    sent = await begin(browser)
    provider.give(sent["nonce"])
    cookies = dict(browser.cookies)
    assert (await come_back(browser, state=sent["state"], code="code")).status_code == 303
    for held in (dict(browser.cookies), cookies):
        browser.cookies.clear()
        browser.cookies.update(held)
        answer = await come_back(browser, state=sent["state"], code="code")
        assert answer.status_code == 400, answer.text
    assert len(provider.asked("/token")) == 1


async def test_a_code_that_the_provider_does_not_know_logs_nobody_in(visit: Visit) -> None:
    provider, browser = visit
    sent = await begin(browser)
    provider.say("/token", {"error": "invalid_grant", "error_description": SCRIPT}, "400 Bad Request")
    answer = await come_back(browser, state=sent["state"], code="guessed")
    assert answer.status_code == 400 and "script" not in answer.text and "does not accept" in answer.text
    assert not await is_logged_in(browser)


async def test_nobody_is_logged_in_as_somebody_else_by_a_link(shared: tuple[ScriptedProvider, MockForge], visit: Visit) -> None:
    """Login CSRF: the attacker's own code and state, in the browser of the victim."""
    provider, attacker = visit
    sent = await begin(attacker)
    provider.give(sent["nonce"], sub="attacker")
    async with opened({ORIGIN: shared[1]}, base_url=ORIGIN) as victim:
        for is_under_way in (False, True):
            if is_under_way:
                await begin(victim)
            answer = await come_back(victim, state=sent["state"], code="code-of-the-attacker")
            assert answer.status_code == 400 and STRANGE in answer.text
            assert not await is_logged_in(victim)
    assert provider.asked("/token") == []


async def test_an_injected_code_of_another_login_is_refused_by_its_nonce(visit: Visit) -> None:
    provider, browser = visit
    stolen, own = await begin(browser), await begin(browser)
    provider.give(stolen["nonce"], sub="victim")  # a provider that does not check PKCE
    answer = await come_back(browser, state=own["state"], code="code-of-the-victim")
    assert answer.status_code == 400 and "another login" in answer.text
    assert not await is_logged_in(browser)


async def test_every_login_has_pkce_and_chance_of_its_own(visit: Visit) -> None:
    provider, browser = visit
    seen = [await begin(browser) for _ in range(4)]
    for name in ("state", "nonce", "code_challenge"):
        assert len({each[name] for each in seen}) == 4 and all(len(each[name]) >= 22 for each in seen)
    assert {(each["code_challenge_method"], each["response_type"]) for each in seen} == {("S256", "code")}
    provider.give(seen[-1]["nonce"])
    await come_back(browser, state=seen[-1]["state"], code="code")
    asked = provider.asked("/token")[0]
    assert len(asked["code_verifier"]) == 43 and asked["code_verifier"] not in str(seen)
    assert asked["redirect_uri"] == seen[-1]["redirect_uri"]


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"x-forwarded-host": "evil.example"},
        {"forwarded": "host=evil.example"},
        {"x-forwarded-proto": "http"},
        {"origin": "https://evil.example", "referer": "https://evil.example/"},
    ],
    ids=lambda headers: next(iter(headers)),
)
async def test_nothing_that_a_client_sends_moves_the_callback(visit: Visit, headers: dict[str, str]) -> None:
    _, browser = visit
    for path in ("/orders", "/auth/login?redirect_uri=https://evil.example&client_id=evil"):
        answer = await browser.get(path, headers=headers)
        sent = parse_qs(urlsplit(answer.headers["location"]).query)
        assert (sent["redirect_uri"], sent["client_id"]) == ([f"{ORIGIN}/auth/callback"], ["web"])


ELSEWHERE = [
    "//evil.example",
    "/\\evil.example",
    "https://evil.example",
    "/%0d%0aset-cookie:x",
    "javascript:alert(1)",
    "/\tevil",
    "@evil.example",
    "",
]


@pytest.mark.parametrize("target", ELSEWHERE)
async def test_nobody_is_led_elsewhere_after_a_login(visit: Visit, target: str) -> None:
    provider, browser = visit
    answer = await browser.get("/auth/login", params={"return_to": target})
    sent = parse_qs(urlsplit(answer.headers["location"]).query)
    provider.give(sent["nonce"][0])
    back = await come_back(browser, state=sent["state"][0], code="code")
    assert (back.status_code, back.headers["location"]) == (303, "/")


async def test_the_answer_to_a_callback_tells_nobody_of_its_code(visit: Visit) -> None:
    provider, browser = visit
    sent = await begin(browser)
    provider.give(sent["nonce"])
    answer = await come_back(browser, state=sent["state"], code="code")
    assert (answer.headers["referrer-policy"], answer.headers["cache-control"]) == ("no-referrer", "no-store")


async def test_only_a_get_finishes_a_login(visit: Visit) -> None:
    provider, browser = visit
    sent = await begin(browser)
    provider.give(sent["nonce"])
    head = await browser.head("/auth/callback", params={"state": sent["state"], "code": "code"})
    post = await browser.post("/auth/callback", data={"state": sent["state"], "code": "code"})
    assert (head.status_code, post.status_code, provider.asked("/token")) == (400, 405, [])
    assert (await come_back(browser, state=sent["state"], code="code")).status_code == 303
