"""An app that wants a login at a provider, and what its tests say about it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx

from mockforge_asgi import MockForge
from mockforge_asgi.config import load_config
from tests.support.browsers import ORIGIN, browsing, query_of
from tests.support.guarded import configuration, who

CALLBACK = f"{ORIGIN}/auth/callback"
SECRETS = {"client_secret": "web-secret", "session_key": "of the tests, and long enough for a key"}
ADA = {"name": "Ada", "email": "ada@example.com", "realm_access": {"roles": ["buyer"]}, "groups": ["staff"]}


def settings(issuer: str, /, **more: Any) -> dict[str, Any]:
    """As an operator would write it; None leaves a setting out."""
    whole = {
        "issuer": issuer,
        "client_id": "web",
        "client_secret": "client_secret",
        "public_url": ORIGIN,
        "roles": ["realm_access.roles"],
        "groups": ["groups"],
        "session": {"key": "session_key"},
        **more,
    }
    return {name: value for name, value in whole.items() if value is not None}


def app(config: Mapping[str, Any], *, secrets: Mapping[str, str] = SECRETS, plugin: str = "auth-oidc", **more: Any) -> MockForge:
    """The app behind the plugin, called `auth`: every request to it answers who the caller is."""
    whole = configuration({"auth": {"use": plugin, "config": dict(config)}}, secrets=secrets)
    return MockForge(who, config=load_config({**whole, **more}))


@asynccontextmanager
async def login_app(issuer: str, **more: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A browser in front of such an app."""
    async with browsing(app(settings(issuer, **more))) as opened:
        yield opened


async def begin(browser: httpx.AsyncClient, path: str = "/orders") -> dict[str, str]:
    """Ask for a page; what the provider is sent."""
    answer = await browser.get(path)
    assert answer.status_code == 302, answer.text
    return query_of(answer)


async def come_back(browser: httpx.AsyncClient, **query: str) -> httpx.Response:
    """The provider sends the browser back with that."""
    return await browser.get("/auth/callback", params=query)


async def is_logged_in(browser: httpx.AsyncClient) -> bool:
    """Whether there is a session."""
    return (await browser.get("/", headers={"accept": "application/json"})).status_code == 200
