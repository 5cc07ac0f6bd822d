"""The login page in Debian's Chromium, between applications of other people's libraries."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from mockforge_asgi.testing import OidcProvider, Server
from plugins_builtin.idp_oidc.tests.clients import FOLDER
from plugins_builtin.idp_oidc.tests.clients import authlib_app as authlib_app
from plugins_builtin.idp_oidc.tests.spa import spa
from tests.support.chromium import chromium as chromium
from tests.support.chromium import fresh_page
from tests.support.npm import installed
from tests.support.relying_party import relying_party


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    with fresh_page(chromium) as found:
        yield found


@pytest.fixture(scope="module")
def spa_app(mockforge_idp: OidcProvider) -> Iterator[str]:
    with Server(spa(mockforge_idp.issuer, installed(FOLDER))) as server:
        yield server.url


def shown(page: Page) -> dict[str, Any]:
    """The JSON that the application shows."""
    page.wait_for_url("**/callback?**")
    found: dict[str, Any] = json.loads(page.locator("pre").inner_text())
    return found


def test_a_user_is_a_button_by_its_name(page: Page, authlib_app: str) -> None:
    page.goto(f"{authlib_app}/login")
    expect(page).to_have_title("Log in")
    assert page.evaluate("document.documentElement.lang") == "en"
    page.get_by_role("button", name="Ada Lovelace").click()
    found = shown(page)
    assert (found["claims"]["sub"], found["userinfo"]["email"]) == ("ada", "ada@example.com")


def test_the_keyboard_will_do(page: Page, authlib_app: str) -> None:
    page.goto(f"{authlib_app}/login?login_hint=alan")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "user-alan"
    page.keyboard.press("Enter")
    assert shown(page)["claims"]["sub"] == "alan"


def test_a_defect_is_chosen_for_one_login(page: Page, authlib_app: str) -> None:
    page.goto(f"{authlib_app}/login")
    page.get_by_label("What is wrong").select_option("expired")
    page.click("#user-ada")
    assert "expired" in shown(page)["refused"]
    page.goto(f"{authlib_app}/login")
    page.click("#user-ada")
    assert shown(page)["claims"]["sub"] == "ada"


@pytest.mark.parametrize(("how", "error"), [("cancel", "access_denied"), ("error", "temporarily_unavailable")])
def test_the_application_hears_of_a_login_that_does_not_come_about(page: Page, authlib_app: str, how: str, error: str) -> None:
    page.goto(f"{authlib_app}/login")
    if how == "error":
        page.select_option("#error", error)
        page.click("#user-ada")
    else:
        page.click("#cancel")
    assert error in shown(page)["refused"]


def test_a_logout_ends_the_session_with_the_provider(page: Page, authlib_app: str) -> None:
    page.goto(f"{authlib_app}/login")
    page.click("#user-grace")
    assert shown(page)["claims"]["sub"] == "grace"
    page.goto(f"{authlib_app}/login?prompt=none")
    assert shown(page)["claims"]["sub"] == "grace"
    page.goto(f"{authlib_app}/logout")
    page.wait_for_url("**/bye?**")
    page.goto(f"{authlib_app}/login?prompt=none")
    assert "login_required" in shown(page)["refused"]


def test_a_logout_without_a_token_is_asked_about(page: Page, authlib_app: str, mockforge_idp: OidcProvider) -> None:
    page.goto(f"{authlib_app}/login")
    page.click("#user-ada")
    shown(page)
    page.goto(f"{mockforge_idp.issuer}/logout")
    page.click("#yes")
    expect(page.locator("#message")).to_contain_text("You are logged out")


def test_a_password_is_asked_where_somebody_has_one(page: Page) -> None:
    config = {"algorithm": "ES256", "users": [{"id": "ada", "name": "Ada", "password": "hers"}], "clients": [{"client_id": "app"}]}
    with OidcProvider(config, secrets={"hers": "open sesame"}) as idp, Server(relying_party(idp.discovery_url, "app", None)) as app:
        page.goto(f"{app.url}/login")
        page.get_by_label("Password").fill("wrong")
        page.click("#user-ada")
        expect(page.get_by_role("alert")).to_have_text("The password is wrong.")
        page.get_by_label("Password").fill("open sesame")
        page.click("#user-ada")
        assert shown(page)["claims"]["sub"] == "ada"
        assert idp.tokens("ada")["id_token"]


def test_a_page_of_another_origin_logs_in_refreshes_and_logs_out(page: Page, spa_app: str) -> None:
    page.goto(spa_app)
    page.click("#in")
    page.click("#user-ada")
    expect(page.locator("#said")).to_have_text("ada ada@example.com")
    page.click("#again")
    expect(page.locator("#said")).to_have_text("refreshed ada")
    page.click("#out")
    expect(page.locator("#said")).to_have_text("bye")
