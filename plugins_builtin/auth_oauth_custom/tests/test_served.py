"""Logins as users meet them: uvicorn with two workers, something like GitHub, a browser; nothing in between."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from plugins_builtin.auth_oauth_custom.tests.github_app import SECRETS
from tests.support.chromium import chromium as chromium
from tests.support.chromium import fresh_page
from tests.support.github import CLIENT_ID, GitHub, github
from tests.support.login_served import configuration, statuses, until_all_serve
from tests.support.server_processes import Running, running_process

JSON = {"accept": "application/json"}
HTML = {"accept": "text/html"}


@pytest.fixture(scope="module")
def hub() -> Iterator[GitHub]:
    """The provider, which does not know yet where to send browsers back to."""
    with github("") as running:
        yield running


@pytest.fixture(scope="module")
def served(hub: GitHub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The app, known to the provider."""
    config = {
        "preset": "github", **hub.settings(), "client_id": CLIENT_ID, "client_secret": "client_secret", "allow": {"accounts": ["octocat"]},
        "session": {"key": "session_key", "secure": False},
    }  # fmt: skip
    file = configuration(tmp_path_factory.mktemp("served"), "auth-oauth-custom", config, SECRETS)
    with running_process("login", ["-m", "tests.support.login_served", "{port}", str(file)]) as server:
        hub.callback = f"http://127.0.0.1:{server.port}/auth/callback"
        until_all_serve(server)
        yield server
    for secret in (*SECRETS.values(), *hub.tokens):
        assert secret not in server.output


def url(server: Running, path: str = "/") -> str:
    """The address of a path."""
    return f"http://127.0.0.1:{server.port}{path}"


def log_in(page: Page, user: str) -> None:
    """Fill in the provider's form."""
    expect(page).to_have_title("Sign in to GitHub")
    page.fill("input[name=login]", user)
    page.fill("input[name=password]", user[::-1])
    page.click("button")


def test_a_person_logs_in_and_out_in_a_browser_for_both_workers(served: Running, chromium: Browser) -> None:
    with fresh_page(chromium) as page:
        page.goto(url(served, "/orders?page=2"))
        log_in(page, "octocat")
        page.wait_for_url(url(served, "/orders?page=2"))
        expect(page.locator("body")).to_contain_text('"id": "583231"')
        cookies = {str(cookie["name"]): cookie for cookie in page.context.cookies(url(served))}
        assert cookies.keys() == {"oauth"} and (cookies["oauth"]["httpOnly"], cookies["oauth"]["sameSite"]) == (True, "Lax")
        assert page.evaluate("document.cookie") == ""
        held = {"oauth": str(cookies["oauth"]["value"])}
        said, workers = statuses(url(served), held)
        assert (said, len(workers)) == ({200}, 2)
        page.goto(url(served, "/auth/logout"))
        page.click("button")
        expect(page).to_have_title("You are logged out")
        assert statuses(url(served), held)[0] == {401}


def test_who_may_not_come_in_is_told_so(served: Running, chromium: Browser) -> None:
    with fresh_page(chromium) as page:
        page.goto(url(served))
        log_in(page, "mallory")
        expect(page).to_have_title("The login failed")
        expect(page.locator("body")).to_contain_text("not one of those that may come in here")
        page.click("text=Log in again")
        expect(page).to_have_title("Sign in to GitHub")
