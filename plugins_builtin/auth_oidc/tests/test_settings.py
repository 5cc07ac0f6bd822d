"""Configurations that cannot be right are refused with every problem, and what to write instead."""

from __future__ import annotations

from typing import Any

import pytest

from mockforge_asgi.errors import ConfigError
from mockforge_asgi.testing import Client
from plugins_builtin.auth_oidc.settings import asked_parameters, problems
from plugins_builtin.auth_oidc.tests.login_app import SECRETS, app, settings

ISSUER = "https://idp.example"
DEFAULTS: dict[str, Any] = {"endpoint_origins": [], "scopes": ["openid", "profile", "email"], "parameters": {}}
WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"issuer": "http://idp.example"}, "issuer", "plain http"),
    ({"issuer": "idp.example"}, "issuer", "not an address"),
    ({"issuer": "https://user:word@idp.example"}, "issuer", "not an address"),
    ({"issuer": "https://idp.example?x=1"}, "issuer", "query"),
    ({"endpoint_origins": ["http://keys.example"]}, "endpoint_origins[0]", "plain http"),
    ({"client_key": {"secret": "key"}}, "client_key", "contradicts"),
    ({"parameters": {"redirect_uri": "https://evil.example"}}, "parameters.redirect_uri", "the plugin's own"),
    ({"parameters": {"code_challenge_method": "plain"}}, "parameters.code_challenge_method", "the plugin's own"),
    ({"parameters": {"response_type": "token"}}, "parameters.response_type", "the plugin's own"),
    ({"scopes": ["profile"]}, "scopes", "openid"),
    ({"public_url": "http://app.example"}, "public_url", "plain http"),
    ({"public_url": "https://app.example/?x"}, "public_url", "not an address"),
    ({"after_logout": "//evil.example"}, "after_logout", "a path of this application"),
    ({"after_logout": "https://evil.example"}, "after_logout", "a path of this application"),
    ({"session": {"key": "k", "cookie": "__Host-x"}}, "session.cookie", "prefix"),
    ({"session": {"key": "k", "lifetime_s": 1}}, "session.lifetime_s", "60"),
    ({"rfc9068": True}, "audience", "RFC 9068"),
    ({"jwks_times": {"fresh_min_s": 10, "fresh_max_s": 5}}, "jwks_times.fresh_min_s", "larger"),
    ({"roles": ["https://x/roles"]}, "roles[0]", "as a list"),
    ({"principal": "a..b"}, "principal", "empty"),
]


@pytest.mark.parametrize(("changes", "place", "words"), WRONG, ids=[place for _, place, _ in WRONG])
def test_what_is_wrong_is_said_with_its_place(changes: dict[str, Any], place: str, words: str) -> None:
    found = list(problems({**DEFAULTS, **settings(ISSUER), **changes}))
    assert [where for where, _ in found] == [place] and words in found[0][1]


@pytest.mark.parametrize("changes", [
    {}, {"client_secret": None}, {"plain_http": True, "issuer": "http://idp.example"}, {"issuer": "http://127.0.0.1:8080/realms/x"},
    {"public_url": "http://app.example", "session": {"key": "k", "secure": False}}, {"public_url": "http://127.0.0.1:8000"},
    {"endpoint_origins": ["https://oauth2.googleapis.com"]}, {"audience": "a", "rfc9068": True}, {"parameters": {"prompt": "login"}},
])  # fmt: skip
def test_what_is_right_is_not_complained_of(changes: dict[str, Any]) -> None:
    assert list(problems({**DEFAULTS, **settings(ISSUER, **changes)})) == []


def test_a_login_asks_for_what_is_configured() -> None:
    asked = asked_parameters({**DEFAULTS, "scopes": ["openid", "a", "a"], "parameters": {"prompt": "login"}, "max_age_s": 0})
    assert asked == {"prompt": "login", "scope": "openid a", "max_age": "0"}


@pytest.mark.parametrize(
    ("changes", "secrets", "words"),
    [
        ({"public_url": None}, SECRETS, "outside development it must be known where browsers reach this application"),
        ({"session": {}}, SECRETS, "outside development sessions need a key"),
        ({}, {**SECRETS, "session_key": "short"}, "fewer than 32 characters"),
        ({"client_secret": None, "client_key": {"secret": "client_secret"}}, SECRETS, "no private key for RS256"),
    ],
)
async def test_outside_development_it_does_not_start_with_less_than_it_needs(
    changes: dict[str, Any], secrets: dict[str, str], words: str
) -> None:
    with pytest.raises((ConfigError, RuntimeError), match=words) as caught:
        async with Client(app(settings("http://127.0.0.1:9", **changes), secrets=secrets)):
            pass
    assert "web-secret" not in str(caught.value)


async def test_in_development_it_starts_without_and_knows_this_machine() -> None:
    config = settings("http://127.0.0.1:9", public_url=None, session=None)
    async with Client(app(config, dev=True), host="127.0.0.1:8000") as client:
        assert (await client.get("/auth/logout")).status == 200
    async with Client(app(config, dev=True), host="app.example") as client:
        answer = await client.get("/auth/logout")
        assert answer.status >= 500 and "app.example" not in answer.text
