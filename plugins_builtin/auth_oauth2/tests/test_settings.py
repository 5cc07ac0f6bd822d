"""Configurations that are refused, with what is said of them."""

from __future__ import annotations

from typing import Any

import pytest

from mockforge_asgi.errors import ConfigError
from tests.support.guarded import guarded

GOOD: dict[str, Any] = {
    "introspection_url": "https://idp.example/introspect",
    "client_id": "gateway",
    "client_secret": "client_secret",
    "audience": "x",
}
WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("no address", {"introspection_url": "idp.example"}, "'idp.example' is not an http or https URL"),
    ("plain http", {"introspection_url": "http://idp.example/i"}, "over plain http tokens and the client's secret can be read on the way"),
    ("no audience", {"audience": None}, "without it any token of this provider would pass"),
    ("any audience and one", {"any_audience": True}, "it contradicts `audience` and `clients`"),
    ("no secret", {"client_secret": None}, "client_secret"),
    ("dots in a name", {"roles": ["https://x.example/roles"]}, 'Write a name that has dots as a list: [["https://x.example/roles"]]'),
    ("cached for ever", {"cache_s": 1e9}, "cache_s"),
    ("refusals cached for long", {"negative_cache_s": 3600}, "negative_cache_s"),
    ("client_auth jwt", {"client_auth": "private_key_jwt"}, "client_auth"),
    ("a scope with quotes", {"scopes": ['a"b']}, "scopes"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "words"), [pytest.param(changes, words, id=name) for name, changes, words in WRONG])
async def test_a_wrong_configuration_is_refused_in_words(changes: dict[str, Any], words: str) -> None:
    config = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    with pytest.raises((RuntimeError, ConfigError)) as refused:
        async with guarded("auth-oauth2", config, secrets={"client_secret": "s3cret"}):
            pass
    assert words in str(refused.value)
    assert "s3cret" not in str(refused.value)
