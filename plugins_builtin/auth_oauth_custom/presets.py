"""Providers that are known: what their documentation says, as settings that a configuration need not write."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_GITHUB: Final[Mapping[str, Any]] = {
    "authorize_url": "https://github.com/login/oauth/authorize",
    "token_url": "https://github.com/login/oauth/access_token",
    "user_url": "https://api.github.com/user",
    "emails_url": "https://api.github.com/user/emails",
    "groups_from": [
        {"url": "https://api.github.com/user/orgs?per_page=50", "name": ["login"]},
        {"url": "https://api.github.com/user/teams?per_page=50", "name": ["organization.login", "slug"]},
    ],
    "client_auth": "post",
    "scopes": ["user:email"],
    "principal": "id",
    "account": "login",
    "claims": ["id", "login"],
}
"""Account names can be given up and taken by others, numbers cannot: so `id` identifies."""
_PLAIN: Final[Mapping[str, Any]] = {"client_auth": "post", "scopes": [], "claims": []}
_NEEDS: Final = {"emails_url": {"user:email", "user"}, "groups_from": {"read:org", "write:org", "admin:org"}}
"""What GitHub answers only to tokens with one of these scopes."""


def whole(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with what its preset, or none, fills in."""
    if config.get("preset") != "github":
        return {**_PLAIN, **config}
    made = {**_GITHUB, **config}
    for name, scopes in _NEEDS.items():
        if name not in config and scopes.isdisjoint(made["scopes"]):
            del made[name]
    return made
