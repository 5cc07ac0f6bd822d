"""Logins as users meet them: uvicorn with two workers, a real provider, a browser; nothing in between."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect

from plugins_builtin.auth_oidc.tests.login_app import ADA, SECRETS
from tests.docs.pages import ROOT, blocks
from tests.support.chromium import chromium as chromium
from tests.support.chromium import fresh_page
from tests.support.identity_provider import IdentityProvider
from tests.support.login_served import configuration, statuses, until_all_serve
from tests.support.served import served as serving
from tests.support.server_processes import Running, free_port, running_process

JSON = {"accept": "application/json"}
HTML = {"accept": "text/html"}


@pytest.fixture(scope="module")
def served(provider: IdentityProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The app, known to the provider as `served`."""
    config = {
        "issuer": provider.issuer, "client_id": "served", "client_secret": "client_secret", "backchannel_logout": True,
        "session": {"key": "session_key", "secure": False},
    }  # fmt: skip
    file = configuration(tmp_path_factory.mktemp("served"), "auth-oidc", config, {**SECRETS, "client_secret": "served-secret"})
    with running_process("login", ["-m", "tests.support.login_served", "{port}", str(file)]) as server:
        here = f"http://127.0.0.1:{server.port}"
        known = {
            "client_id": "served", "client_secret": "served-secret", "redirect_uris": [f"{here}/auth/callback"], "response_types": ["code"],
            "grant_types": ["authorization_code", "refresh_token"], "post_logout_redirect_uris": [f"{here}/auth/logout"],
            "backchannel_logout_uri": f"{here}/auth/backchannel-logout", "backchannel_logout_session_required": True,
        }  # fmt: skip
        httpx.post(f"{provider.issuer}/__control", json={"mood": "ok", "users": {"ada": ADA}, "web": [known]}, trust_env=False)
        until_all_serve(server)
        yield server
    for secret in ("served-secret", *SECRETS.values()):
        assert secret not in server.output


def url(server: Running, path: str = "/") -> str:
    """The address of a path."""
    return f"http://127.0.0.1:{server.port}{path}"


@contextmanager
def logged_in(server: Running) -> Iterator[httpx.Client]:
    """A client that has logged in."""
    with httpx.Client(follow_redirects=True, trust_env=False, headers=HTML, timeout=20) as client:
        form = client.get(url(server, "/orders"))
        answer = client.post(form.url, data={"login": "ada", "password": "ada"[::-1]})
        assert (answer.status_code, answer.json().get("id")) == (200, "ada"), answer.text
        yield client


def test_one_login_holds_on_both_workers_and_so_does_its_end(served: Running) -> None:
    with logged_in(served) as browser:
        held = {"oidc": browser.cookies["oidc"]}
        said, workers = statuses(url(served), held)
        assert (said, len(workers)) == ({200}, 2)
        browser.post(url(served, "/auth/logout"), headers={"origin": url(served, "")}, follow_redirects=False)
        assert statuses(url(served), held)[0] == {401}


def test_a_logout_at_the_provider_holds_on_both_workers(served: Running, provider: IdentityProvider) -> None:
    with logged_in(served) as browser:
        held = {"oidc": browser.cookies["oidc"]}
        said, workers = statuses(url(served), held)
        assert (said, len(workers)) == ({200}, 2)
        page = browser.get(f"{provider.issuer}/session/end")
        action = re.search(r'action="([^"]+)"', page.text)
        secret = re.search(r'name="xsrf" value="([^"]+)"', page.text)
        assert action and secret, page.text
        browser.post(action[1], data={"xsrf": secret[1], "logout": "yes"})  # which answers once the app has been told
        assert statuses(url(served), held)[0] == {401}


def test_the_example_of_the_page_works_as_it_stands(tmp_path: Path, chromium: Browser) -> None:
    (example,) = (block for block in blocks(ROOT / "docs" / "how-to" / "auth-oidc.md") if "of its own" in block.title)
    port, file = free_port(), tmp_path / "mockforge.yaml"
    file.write_text(example.text.replace("8000", str(port)))
    with serving(file, port), fresh_page(chromium) as page:
        page.goto(f"http://127.0.0.1:{port}/orders/me")
        page.click("#user-ada")
        expect(page.locator("body")).to_have_text("Hello Ada Lovelace")


def test_a_person_logs_in_and_out_in_a_browser(served: Running, provider: IdentityProvider, chromium: Browser) -> None:
    with fresh_page(chromium) as page:
        page.goto(url(served, "/orders?page=2"))
        expect(page).to_have_title("Provider")
        page.fill("input[name=login]", "ada")
        page.fill("input[name=password]", "ada"[::-1])
        page.click("button")
        page.wait_for_url(url(served, "/orders?page=2"))
        expect(page.locator("body")).to_contain_text('"id": "ada"')
        cookies = {cookie["name"]: cookie for cookie in page.context.cookies(url(served))}
        assert "oidc-login" not in cookies and (cookies["oidc"]["httpOnly"], cookies["oidc"]["sameSite"]) == (True, "Lax")
        assert page.evaluate("document.cookie") == ""
        page.goto(url(served, "/auth/logout"))
        page.click("text=Log out >> nth=-1")
        expect(page).to_have_title("Provider")
        page.click("text=Yes")
        page.wait_for_url(url(served, "/auth/logout"))
        expect(page).to_have_title("You are logged out")
        page.click("text=Log in")
        expect(page.locator("input[name=password]")).to_be_visible()
        page.fill("input[name=login]", "ada")
        page.fill("input[name=password]", "wrong")
        page.click("button")
        expect(page).to_have_title("The login failed")
