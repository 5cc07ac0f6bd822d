"""The pages in Chromium: what a browser test of a service provider does."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Browser

from plugins_builtin.idp_saml.tests.parties import Idp, NodeServer
from tests.support.chromium import chromium as chromium
from tests.support.chromium import fresh_page


@pytest.mark.parametrize("library", ["node-saml", "samlify"])
def test_somebody_logs_in_by_a_button(library: str, idp: Idp, node: NodeServer, chromium: Browser) -> None:
    party = node.parties(idp, "both", None)[library]
    with fresh_page(chromium) as page:
        page.goto(f"{party.at}/login")
        assert page.title() == "Log in" and page.text_content("#to") == party.entity_id
        assert page.locator("#login button[name=user]").all_inner_texts() == [
            "Ada Lovelace\nada@example.com · admin, member", "Grace Hopper\ngrace@example.com · member", "Alan Turing\nalan@example.com"
        ]  # fmt: skip
        page.click("#user-grace")
        page.wait_for_url(party.acs)
        assert json.loads(page.inner_text("body"))["attributes"]["name"] == "Grace Hopper"


def test_what_is_chosen_to_be_wrong_is(idp: Idp, node: NodeServer, chromium: Browser) -> None:
    party = node.parties(idp, "both", None)["node-saml"]
    with fresh_page(chromium) as page:
        page.goto(f"{party.at}/login")
        page.select_option("#defect", "wrong-audience")
        with page.expect_response(party.acs) as answer:
            page.click("#user-ada")
        assert answer.value.status == 403 and "audience mismatch" in answer.value.text()


def test_whoever_does_not_want_to_goes_back_with_a_status(idp: Idp, node: NodeServer, chromium: Browser) -> None:
    party = node.parties(idp, "both", None)["node-saml"]
    with fresh_page(chromium) as page:
        page.goto(f"{party.at}/login")
        with page.expect_response(party.acs) as answer:
            page.click("#cancel")
        assert answer.value.status == 403 and "does not want to log in" in answer.value.text()
