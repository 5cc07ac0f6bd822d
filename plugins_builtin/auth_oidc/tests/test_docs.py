"""The how-to is true: what it shows is a good configuration, and somebody logs in with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from mockforge_asgi import MockForge
from mockforge_asgi.config import load_config
from plugins_builtin.auth_oidc.settings import problems
from plugins_builtin.auth_oidc.tests.login_app import ADA
from tests.docs.pages import ROOT, blocks
from tests.support.browsers import browsing, log_in, query_of
from tests.support.identity_provider import IdentityProvider
from tests.support.scripted_provider import ScriptedProvider

PAGE, PROVIDERS = ROOT / "docs" / "how-to" / "auth-oidc.md", ROOT / "docs" / "how-to" / "openid-providers.md"
SECRETS = {"OIDC_SECRET": "orders-secret", "SESSION_KEY": "of the tests, and long enough for a key"}
KEYS = yaml.safe_load((ROOT / "plugins_builtin" / "auth_oidc" / "plugin.yaml").read_text())["config"]["properties"]


def shown() -> dict[str, Any]:
    """The page's whole configuration."""
    (block,) = (block for block in blocks(PAGE) if block.title == "mockforge.yaml")
    return dict(yaml.safe_load(block.text))


async def test_somebody_logs_in_as_the_page_says(idp: IdentityProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    config = shown()
    config["plugins"]["login"]["config"]["issuer"] = idp.issuer
    await idp.users(ada=ADA)
    await idp.web_client("https://orders.example/login/callback", client_id="orders")
    async with browsing(MockForge(config=load_config(config)), origin="https://orders.example") as browser:
        assert (await log_in(browser, "/orders/me")).text == "Hello Ada"
        assert (await browser.get("/admin/x")).status_code == 403


async def test_the_application_of_the_page_knows_who_is_logged_in(
    scripted: ScriptedProvider, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (code,) = (block.text for block in blocks(PAGE) if block.title == "app.py")
    (example,) = (block.text for block in blocks(PAGE) if "of its own" in block.title)
    config = yaml.safe_load(example)
    del config["routes"], config["plugins"]["idp"]
    config["plugins"]["login"]["config"]["issuer"] = scripted.issuer
    (tmp_path / "mockforge.yaml").write_text(yaml.safe_dump(config))
    monkeypatch.chdir(tmp_path)
    made: dict[str, Any] = {}
    exec(compile(code, "app.py", "exec", dont_inherit=True), made)
    async with browsing(made["app"], origin="http://127.0.0.1:8000") as browser:
        sent = query_of(await browser.get("/orders/me"))
        scripted.give(sent["nonce"], roles=["admin"], email="ada@example.com")
        await browser.get("/login/callback", params={"state": sent["state"], "code": "code"})
        seen = (await browser.get("/orders/me")).json()
        assert seen == {"id": "ada", "name": "Ada", "email": "ada@example.com", "roles": ["admin"]}


def test_what_the_page_adds_for_programs_is_right() -> None:
    config = shown()["plugins"]["login"]["config"]
    (more,) = (yaml.safe_load(block.text) for block in blocks(PAGE) if block.language == "yaml" and not block.title)
    assert more.keys() <= KEYS.keys() and list(problems({**config, **more})) == []


@pytest.mark.parametrize("name", KEYS)
def test_every_setting_is_in_the_how_to(name: str) -> None:
    text = PAGE.read_text() + PROVIDERS.read_text()
    known = {"realm", "max_token_bytes", "cache_entries", "jwks_times", "leeway_s", "plain_http", "algorithms", "client_id"}
    assert f"`{name}" in text or f"{name}:" in text or name in known, "say what it is for, or let its description in the manifest do"
