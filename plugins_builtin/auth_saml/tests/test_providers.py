"""Two identity providers that we did not write, one of them not in Python, a browser, and mocks in two processes that share their state."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page

from plugins_builtin.auth_saml.tests.forge import pair, public_key
from plugins_builtin.auth_saml.tests.mock import SP_KEY, Mock, mock, own_key
from tests.support.chromium import chromium as chromium  # a fixture
from tests.support.chromium import fresh_page
from tests.support.saml_providers import KINDS, Kind, SamlProvider, saml_provider
from tests.support.served import served

ROLES = ["urn:example:roles", "eduPersonAffiliation"]
MAPPED = {"roles": ROLES, "email": "mail", "name": "displayName", "claims": ["mail"]}


@dataclass(frozen=True, slots=True)
class Both:
    """A provider and two mocks that it knows as one service."""

    provider: SamlProvider
    mock: Mock
    other: Mock

    def trust(self, **how: Any) -> None:
        """Tell the provider how responses are to be made from now on."""
        metadata = httpx.get(self.mock.url("metadata"), trust_env=False).text
        at, certificate = self.mock.url, pair(SP_KEY).certificate
        self.provider.trust(at("metadata"), at("acs"), at("slo"), metadata, certificate, signed=True, **how)


@contextmanager
def both(kind: Kind, folder: Path) -> Iterator[Both]:
    """A provider and the mocks, which read its metadata by their address."""
    idp = pair("idp")
    with saml_provider(kind, idp.key, idp.certificate) as provider, ExitStack() as stack:
        mocks = list[Mock]()
        for number in range(2):
            config = {"idps": {"corp": {"metadata_url": provider.metadata_url}}, **MAPPED, **own_key()}
            if mocks:  # the address of the first, behind which both would stand
                config["public_url"] = mocks[0].base
            made = {**mock({"saml": config}), "state": {"url": f"sqlite:///{folder}/state.db"}, "backoff": False}
            made["plugins"]["saml"]["config"]["session"] = {"key": "session_key", "secure": False}
            made["secrets"]["session_key"] = {"value": "0123456789abcdef" * 2}
            file = folder / f"{number}.yaml"
            file.write_text(json.dumps(made))
            mocks.append(Mock(stack.enter_context(served(file))))
        made_both = Both(provider, *mocks)
        made_both.trust()
        yield made_both


@pytest.fixture(scope="module", params=KINDS)
def at(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    """One of each kind for all tests here."""
    with both(request.param, tmp_path_factory.mktemp(request.param)) as made:
        yield made


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A page of a browser that knows nothing yet."""
    with fresh_page(chromium) as made:
        yield made


def go_and_log_in(page: Page, at: Both) -> None:
    """Go to a page, and fill in the provider's form."""
    page.goto(f"{at.mock.base}/saml-me")
    assert page.url.startswith(at.provider.base), page.url
    page.fill("[name=user]", "ada")
    page.fill("[name=password]", "ada")
    page.press("[name=password]", "Enter")


def log_in(page: Page, at: Both) -> dict[str, Any]:
    """The same, and come back to the page."""
    go_and_log_in(page, at)
    page.wait_for_url(f"{at.mock.base}/saml-me")
    return dict(json.loads(page.inner_text("body")))


def who(page: Page, mock: Mock) -> int:
    """The status that this browser's cookies get of a mock."""
    cookies = "; ".join(f"{each['name']}={each['value']}" for each in page.context.cookies(mock.base))
    return httpx.get(f"{mock.base}/saml-me", headers={"cookie": cookies}, trust_env=False).status_code


def test_a_browser_logs_in_and_out(at: Both, page: Page) -> None:
    found = log_in(page, at)
    assert found["principal"]["roles"] == ["reader", "writer"] and found["principal"]["email"] == "ada@example.org"
    assert (who(page, at.mock), who(page, at.other)) == (200, 200)  # one login, and it holds on both
    kept = {each["name"]: each for each in page.context.cookies()}
    assert kept["session"]["httpOnly"] and kept["session"]["sameSite"] == "Lax" and "session-login" not in kept
    stolen = page.context.cookies()
    page.goto(at.mock.url("logout"))
    page.click("button")
    page.wait_for_url(at.mock.url("logout"))
    assert "You are logged out" in page.inner_text("body")
    assert page.goto(f"{at.mock.base}/saml-me") is not None and page.url.startswith(at.provider.base)
    assert page.is_visible("[name=password]")  # logged out there, too
    page.context.add_cookies(stolen)  # type: ignore[arg-type]
    assert (who(page, at.mock), who(page, at.other)) == (401, 401)  # a logout holds on both


def test_the_provider_ends_the_session(at: Both, page: Page) -> None:
    found = log_in(page, at)
    assert (who(page, at.mock), who(page, at.other)) == (200, 200)
    stolen = page.context.cookies()
    if at.provider.kind == "samlp":
        page.goto(f"{at.provider.base}/slo")  # by redirect
    else:
        user = found["claims"]["name_id"]["value"]
        page.goto(f"{at.provider.base}/logout?service={at.mock.url('metadata')}&user=ada")  # by a form
        assert user
    page.wait_for_url(f"{at.provider.base}/slo*")
    assert {"samlp": "OK", "pysaml2": "logged out everywhere: True"}[at.provider.kind] in page.inner_text("body")
    page.context.add_cookies(stolen)  # type: ignore[arg-type]
    assert (who(page, at.mock), who(page, at.other)) == (401, 401)


def test_encrypted_assertions(at: Both, page: Page) -> None:
    at.trust(encrypted=True, publicKey=public_key(pair(SP_KEY)))
    seen = len(at.mock.server.lines)
    try:
        if at.provider.kind == "samlp":
            assert log_in(page, at)["principal"]["roles"] == ["reader", "writer"]
        else:  # it has 3DES and nothing else
            go_and_log_in(page, at)
            page.wait_for_url(at.mock.url("acs"))
            assert "tripledes-cbc' is not accepted" in at.mock.reason("saml", seen)
    finally:
        at.trust()


@pytest.mark.parametrize("how", [{"signResponse": True}, {"signResponse": True, "signAssertion": True}])
def test_responses_that_are_signed_as_a_whole_too(at: Both, page: Page, how: dict[str, Any]) -> None:
    at.trust(**how)
    try:
        assert log_in(page, at)["principal"]["roles"] == ["reader", "writer"]
    finally:
        at.trust()
