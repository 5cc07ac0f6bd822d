"""auth-oidc against a second provider that we did not write, of another language and library: PyPI's canaille."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from plugins_builtin.auth_oidc.tests.login_app import CALLBACK, login_app
from tests.support.browsers import ORIGIN, submit
from tests.support.second_provider import canaille

JSON = {"accept": "application/json"}


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    """The provider's."""
    with canaille(CALLBACK) as running:
        yield running


async def test_a_browser_logs_in_and_out(issuer: str) -> None:
    scopes = ["openid", "profile", "email", "groups"]
    async with login_app(issuer, scopes=scopes, userinfo=True, email="email") as browser:
        name = await browser.get("/orders?page=2", follow_redirects=True)
        password = await submit(browser, name, login="ada")
        answer = await submit(browser, password, password="ada-password")
        assert (answer.status_code, str(answer.url)) == (200, f"{ORIGIN}/orders?page=2"), answer.text
        seen = answer.json()
        assert (seen["id"], seen["name"], seen["email"], seen["groups"]) == ("ada", "Ada Lovelace", "ada@example.com", ["staff"])
        left = await submit(browser, await browser.get("/auth/logout"))
        assert (await browser.get("/", headers=JSON)).status_code == 401
        assert str(left.url) in (f"{ORIGIN}/auth/logout", f"{issuer}/oauth/end_session"), left.text


async def test_a_wrong_password_comes_to_nothing(issuer: str) -> None:
    async with login_app(issuer) as browser:
        name = await browser.get("/", follow_redirects=True)
        password = await submit(browser, name, login="ada")
        answer = await submit(browser, password, password="wrong")
        assert answer.url.host == "127.0.0.1"
        assert (await browser.get("/", headers=JSON)).status_code == 401
