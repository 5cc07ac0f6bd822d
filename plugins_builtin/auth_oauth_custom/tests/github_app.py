"""An app that wants a login at something like GitHub, and what its tests say about it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx

from mockforge_asgi import MockForge
from mockforge_asgi.config import load_config
from tests.support.browsers import ORIGIN, browsing
from tests.support.github import CLIENT_ID, CLIENT_SECRET, GitHub
from tests.support.guarded import configuration, who

CALLBACK = f"{ORIGIN}/auth/callback"
SECRETS = {"client_secret": CLIENT_SECRET, "session_key": "of the tests, and long enough for a key"}
JSON = {"accept": "application/json"}


def settings(github: GitHub | None, **more: Any) -> dict[str, Any]:
    """As an operator would write it; None leaves a setting out. Without a provider, GitHub itself."""
    whole = {
        "preset": "github",
        "client_id": CLIENT_ID,
        "client_secret": "client_secret",
        "public_url": ORIGIN,
        "anybody": True,
        "session": {"key": "session_key"},
        **(github.settings() if github is not None else {}),
        **more,
    }
    if github is not None and "read:org" in whole.get("scopes", ()):
        whole.setdefault("groups_from", github.groups())
    return {name: value for name, value in whole.items() if value is not None}


def app(config: Mapping[str, Any], *, secrets: Mapping[str, str] = SECRETS, **more: Any) -> MockForge:
    """The app behind the plugin, called `auth`: every request to it answers who the caller is."""
    whole = configuration({"auth": {"use": "auth-oauth-custom", "config": dict(config)}}, secrets=secrets)
    return MockForge(who, config=load_config({**whole, **more}))


@asynccontextmanager
async def login_app(github: GitHub, **more: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A browser in front of such an app."""
    async with browsing(app(settings(github, **more))) as opened:
        yield opened


async def caller(browser: httpx.AsyncClient) -> Any:
    """Who the browser is to the app; None where that wants a login."""
    answer = await browser.get("/", headers=JSON)
    return answer.json() if answer.status_code == 200 else None
