"""The how-to is true: what it shows are good configurations, and somebody logs in with the first."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from mockforge_asgi import MockForge
from mockforge_asgi.config import load_config
from plugins_builtin.auth_oauth_custom.settings import problems
from tests.docs.pages import ROOT, blocks
from tests.support.browsers import browsing, log_in
from tests.support.github import CLIENT_ID, CLIENT_SECRET, github

PAGE = ROOT / "docs" / "how-to" / "auth-oauth-custom.md"
ORIGIN = "https://orders.example"


def shown(title: str) -> dict[str, Any]:
    """The block of that title."""
    (block,) = (block for block in blocks(PAGE) if block.title == title)
    return dict(yaml.safe_load(block.text))


async def test_who_is_on_the_list_logs_in_as_the_page_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_CLIENT_SECRET", CLIENT_SECRET)
    monkeypatch.setenv("SESSION_KEY", "of the tests, and long enough for a key")
    config = shown("mockforge.yaml")
    with github(f"{ORIGIN}/github/callback") as hub:
        config["plugins"]["github"]["config"] |= {**hub.settings(), "groups_from": hub.groups(), "client_id": CLIENT_ID}
        app = MockForge(config=load_config(config))
        async with browsing(app, origin=ORIGIN) as browser:
            assert (await log_in(browser, "/orders/me", user="octocat")).text == "Hello octocat"
            browser.cookies.clear()
            assert (await log_in(browser, "/orders/me", user="mallory")).status_code == 403


def test_the_other_provider_is_a_good_configuration() -> None:
    config = shown("config of auth-oauth-custom")
    assert list(problems({"parameters": {}, **config})) == []
    whole = {"version": 1, "plugins": {"forum": {"use": "auth-oauth-custom", "config": config}}}
    assert load_config({**whole, "secrets": {name: {"value": "x" * 32} for name in ("forum_secret", "session_key")}}).plugins
