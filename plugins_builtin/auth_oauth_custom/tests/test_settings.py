"""Configurations that cannot be right are refused with every problem; what a preset fills in."""

from __future__ import annotations

from typing import Any

import pytest

from mockforge_asgi.testing import Client
from plugins_builtin.auth_oauth_custom.presets import whole
from plugins_builtin.auth_oauth_custom.settings import problems
from plugins_builtin.auth_oauth_custom.tests.github_app import SECRETS, app, settings

PLAIN = {"preset": None, "authorize_url": "https://p.example/a", "token_url": "https://p.example/t", "user_url": "https://p.example/u"}
WRONG: list[tuple[dict[str, Any], list[str], str]] = [
    ({"anybody": None}, ["allow"], "everybody has an account"),
    ({"anybody": False, "allow": {}}, ["allow"], "everybody has an account"),
    ({"allow": {"users": ["a"]}}, ["anybody"], "contradicts"),
    ({"anybody": None, "allow": {"groups": ["acme"]}}, ["allow.groups"], "read:org"),
    ({**PLAIN, "principal": "id", "anybody": None, "allow": {"groups": ["acme"]}}, ["allow.groups"], "groups_from"),
    (PLAIN, ["principal"], "no `preset` fills it in"),
    ({"preset": None}, ["authorize_url", "token_url", "user_url", "principal"], "must be configured"),
    ({"token_url": "http://github.com/token"}, ["token_url"], "plain http"),
    ({"authorize_url": "javascript:alert(1)"}, ["authorize_url"], "not an address"),
    ({"groups_from": [{"url": "ftp://x", "name": ["login"]}]}, ["groups_from[0].url"], "not an address"),
    ({"groups_from": [{"url": "https://x", "name": ["a..b"]}]}, ["groups_from[0].name[0]"], "empty"),
    ({"parameters": {"scope": "repo"}}, ["parameters.scope"], "the plugin's own"),
    ({"parameters": {"state": "x"}}, ["parameters.state"], "the plugin's own"),
    ({"public_url": "http://app.example"}, ["public_url"], "plain http"),
    ({"after_logout": "https://evil.example"}, ["after_logout"], "a path of this application"),
    ({"session": {"key": "k", "login_cookie": "a b"}}, ["session.login_cookie"], "a cookie's name"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "places", "words"), WRONG)
def test_what_is_wrong_is_said_with_its_place(changes: dict[str, Any], places: list[str], words: str) -> None:
    found = list(problems({"parameters": {}, **settings(None, **changes)}))
    assert [where for where, _ in found] == places and all(words in said for _, said in found)


@pytest.mark.parametrize("changes", [
    {}, {"anybody": None, "allow": {"users": ["583231"]}}, {"anybody": None, "scopes": ["read:org"], "allow": {"groups": ["acme"]}},
    {**PLAIN, "principal": "id"}, {"plain_http": True, "user_url": "http://api.example/user"},
])  # fmt: skip
def test_what_is_right_is_not_complained_of(changes: dict[str, Any]) -> None:
    assert list(problems({"parameters": {}, **settings(None, **changes)})) == []


def test_a_preset_asks_only_what_its_scopes_are_for() -> None:
    plain, orgs, bare = whole(settings(None)), whole(settings(None, scopes=["read:org"])), whole(settings(None, scopes=[]))
    assert (plain["token_url"], plain["client_auth"]) == ("https://github.com/login/oauth/access_token", "post")
    assert ("emails_url" in plain, "groups_from" in plain) == (True, False)
    assert ("emails_url" in orgs, "groups_from" in orgs) == (False, True)
    assert ("emails_url" in bare, "groups_from" in bare) == (False, False)


async def test_outside_development_it_does_not_start_with_less_than_it_needs() -> None:
    for changes, words in (({"public_url": None}, "public_url: outside development"), ({"session": None}, "sessions need a key")):
        with pytest.raises(RuntimeError, match=words):
            async with Client(app(settings(None, **changes))):
                pass
    async with Client(app(settings(None, public_url=None, session=None), secrets=SECRETS, dev=True), host="127.0.0.1:8000") as client:
        assert (await client.get("/auth/logout")).status == 200
