"""Logins: who is sent where, what is kept of an assertion, several providers, and logins that begin at the provider."""

from __future__ import annotations

import re
import time
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from lxml import etree

from plugins_builtin.auth_saml.tests.forge import SP, encrypt, metadata, pair
from plugins_builtin.auth_saml.tests.mock import Mock, own_key, serving

KEY = pair("idp")


def test_a_browser_is_sent_to_log_in_and_a_program_is_told(at: Mock) -> None:
    browser = at.browser()
    sent = browser.get("/saml-me?x=1")
    assert sent.status_code == 302 and sent.headers["location"].startswith("https://idp.example/sso?SAMLRequest=")
    assert sent.headers["cache-control"] == "no-store"
    for headers in ({"accept": "application/json"}, {"sec-fetch-mode": "cors"}, {"x-requested-with": "XMLHttpRequest"}):
        answer = browser.get("/saml-me", headers=headers)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Cookie realm="mockforge"')
    assert browser.post("/saml-me").status_code == 401


def test_a_login_comes_back_to_the_page_that_was_wanted_and_never_elsewhere(at: Mock) -> None:
    for wanted, where in (("/saml-me?x=1&y=%2F", "/saml-me?x=1&y=%2F"), ("//evil.example/", "/"), ("https://evil.example", "/")):
        begun = at.begin()
        answer = begun.browser.get("/saml/login", params={"return_to": wanted})
        begun.take(answer)
        assert begun.arrive(begun.login().signed(KEY)).headers["location"] == where


def test_requests_are_signed_and_name_the_service(at: Mock) -> None:
    begun = at.begin()
    root = etree.fromstring(begun.request.encode())
    assert root.get("AssertionConsumerServiceURL") == at.url("acs") and root.get("Destination") == "https://idp.example/sso"
    assert root.findtext("{*}Issuer") == at.url("metadata")
    assert 22 <= len(begun.state) <= 80  # SAML bindings §3.4.3


def test_metadata_say_what_providers_need(at: Mock) -> None:
    answer = httpx.get(at.url("metadata"), trust_env=False)
    assert answer.headers["content-type"] == "application/samlmetadata+xml"
    root = etree.fromstring(answer.content)
    schemas = Path(str(httpx.__file__)).parents[1] / "onelogin/saml2/schemas"
    etree.XMLSchema(etree.parse(schemas / "saml-schema-metadata-2.0.xsd")).assertValid(root)
    role = root.find("{*}SPSSODescriptor")
    assert (role.get("WantAssertionsSigned"), role.get("AuthnRequestsSigned")) == ("true", "true")
    assert [each.get("use") for each in role.iterfind("{*}KeyDescriptor")] == ["signing", "encryption"]
    assert [each.get("Location") for each in role.iterfind("{*}SingleLogoutService")] == [at.url("slo")] * 2
    assert role.find("{*}AssertionConsumerService").get("Location") == at.url("acs")


def test_attributes_become_the_principal_and_claims(at: Mock) -> None:
    begun = at.begin("mapped")
    found = {"urn:mail": ["ada@x.example"], "groups": ["a", "b"], "more": ["b", "c"], "cn": ["Ada L."], "uid": ["ada"], "secret": ["s"]}
    begun.arrive(begun.login(attributes=found).signed(KEY))
    who = begun.who()
    assert who is not None
    principal = who["principal"]
    assert (principal["id"], principal["name"], principal["email"]) == ("corp:ada", "Ada L.", "ada@x.example")
    assert principal["groups"] == ["a", "b", "c"]
    assert who["claims"]["attributes"] == {"uid": ["ada"]} and who["claims"]["idp"] == "corp"


@pytest.mark.parametrize("ids", [[], ["a", "b"], ["x" * 513]])
def test_who_cannot_be_told_from_others_does_not_log_in(at: Mock, ids: list[str]) -> None:
    begun, seen = at.begin("mapped"), len(at.server.lines)
    answer = begun.arrive(begun.login(attributes={"uid": ids}).signed(KEY))
    assert answer.status_code == 403 and begun.who() is None
    assert "has not one usable value of 'uid'" in at.reason("mapped", seen)


def test_a_session_lasts_no_longer_than_the_provider_says(at: Mock) -> None:
    begun = at.begin()
    answer = begun.arrive(begun.login(session_until_s=100).signed(KEY))
    ages = [int(age) for age in re.findall(r"session=[^;]+;[^,]*?Max-Age=(\d+)", answer.headers["set-cookie"])]
    assert ages and 80 <= ages[-1] <= 100


def test_a_login_may_begin_at_the_provider_where_that_is_allowed(at: Mock) -> None:
    assert "answers no request" in at.begin().refusal(at.begin().login(request_id=None).signed(KEY), state="/saml-me")
    for state, where in (("/started-me", "/started-me"), (None, "/"), ("https://evil.example/", "/"), ("//evil.example", "/")):
        begun = at.begin("started")
        answer = begun.arrive(begun.login(request_id=None).signed(KEY), state=state)
        assert (answer.status_code, answer.headers["location"]) == (303, where)
        assert begun.who() is not None


def test_an_encrypted_assertion_can_be_required(at: Mock) -> None:
    begun = at.begin("sealed")
    assert "not encrypted" in begun.refusal(begun.login().signed(KEY))
    encrypted = encrypt(begun.login().signed_assertion(KEY), pair(SP).certificate)
    assert begun.arrive(begun.login().response(encrypted)).status_code == 303 and begun.who() is not None


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A mock with two providers; the second wants forms, and a service without a key."""
    folder = tmp_path_factory.mktemp("several")
    posting = metadata(
        pair("partner"), entity_id="https://partner.example/saml", sso="https://partner.example/sso?tenant=1&x=2".replace("&", "&amp;")
    )
    both = "<md:EntitiesDescriptor xmlns:md='urn:oasis:names:tc:SAML:2.0:metadata'>{}{}</md:EntitiesDescriptor>"
    (folder / "all.xml").write_text(both.format(metadata(KEY), posting.replace("HTTP-Redirect", "HTTP-POST")))
    file = str(folder / "all.xml")
    idps = {
        "corp": {"metadata_file": file, "entity_id": "https://idp.example/saml", "label": "The <Corp>", "id_prefix": "corp:"},
        "partner": {"metadata_file": file, "entity_id": "https://partner.example/saml", "id_prefix": "partner:", "roles": []},
    }
    with serving(folder, {"saml": {"idps": idps, "roles": ["role"]}, "keyed": {"idps": {"p": idps["partner"]}, **own_key()}}) as made:
        yield made


def test_sessions_of_a_provider_that_is_taken_out_are_over(tmp_path: Path) -> None:
    (tmp_path / "all.xml").write_text(metadata(KEY))
    idp = {"metadata_file": str(tmp_path / "all.xml")}
    with serving(tmp_path, {"saml": {"idps": {"corp": idp}}}) as made:
        begun = made.begin()
        begun.arrive(begun.login().signed(KEY))
        assert begun.who() is not None
        file = tmp_path / "mockforge.yaml"
        file.write_text(file.read_text().replace('"corp"', '"other"'))
        deadline_s = time.monotonic() + 30
        while begun.who() is not None:
            assert time.monotonic() < deadline_s, "an edit applies from the next request"
        assert made.begin().state, "others log in"


def test_a_browser_chooses_among_several_providers(several: Mock) -> None:
    browser = several.browser()
    choice = browser.get("/saml-me")
    assert (choice.status_code, choice.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "script-src" not in choice.headers["content-security-policy"] and "The &lt;Corp&gt;" in choice.text
    links = [unescape(link) for link in re.findall(r'href="([^"]*)"', choice.text)]
    assert [parse_qs(urlsplit(link).query) for link in links] == [
        {"idp": [name], "return_to": ["/saml-me"]} for name in ("corp", "partner")
    ]
    begun = several.begun(browser, browser.get(links[0]))
    assert begun.arrive(begun.login().signed(KEY)).headers["location"] == "/saml-me"
    who = begun.who()
    assert who is not None and (who["principal"]["id"], who["principal"]["roles"]) == ("corp:ada@example.org", ["reader"])
    assert browser.get("/saml/login?idp=nobody").status_code == 404


def test_a_provider_may_want_requests_posted(several: Mock) -> None:
    for plugin, link, is_signed in (("saml", "/saml/login?idp=partner", False), ("keyed", "/keyed-me", True)):
        browser = several.browser()
        answer = browser.get(link)
        assert 'action="https://partner.example/sso?tenant=1&amp;x=2"' in answer.text
        assert "script-src 'sha256-" in answer.headers["content-security-policy"]
        begun = several.begun(browser, answer, plugin)
        assert ("SignatureValue" in begun.request) is is_signed
        login = begun.login(issuer="https://partner.example/saml").signed(pair("partner"))
        assert begun.arrive(login).status_code == 303
        who = begun.who()
        assert who is not None and (who["principal"]["id"], who["principal"]["roles"]) == ("partner:ada@example.org", [])


def test_a_provider_vouches_for_its_own_users_alone(several: Mock) -> None:
    browser = several.browser()
    begun = several.begun(browser, browser.get("/saml/login?idp=corp"))
    of_partner = begun.login(issuer="https://partner.example/saml").signed(pair("partner"))
    answer = begun.arrive(of_partner)
    assert answer.status_code == 403 and "another identity provider" in answer.text and begun.who() is None
    begun = several.begun(browser, browser.get("/saml/login?idp=corp"))
    assert "Signature validation failed" in begun.refusal(begun.login().signed(pair("partner")))
    wrong = begun.login(issuer="https://partner.example/saml").signed(KEY)
    assert "Signature validation failed" in begun.refusal(wrong)


def test_without_a_key_there_is_no_single_logout(several: Mock) -> None:
    assert several.browser().get("/saml/slo?SAMLRequest=x").status_code == 404
    described = several.browser().get("/saml/metadata").text
    assert "SingleLogoutService" not in described and "KeyDescriptor" not in described


@pytest.mark.parametrize("times", [250, 450], ids=["more than a session holds", "more than can be kept until the browser comes"])
def test_a_user_of_whom_too_much_is_known_is_told_so(at: Mock, times: int) -> None:
    begun = at.begin()
    answer = begun.arrive(begun.login(attributes={"role": [f"{number:0190}" for number in range(times)]}).signed(KEY))
    assert (answer.status_code, "says more of this account than can be kept" in answer.text) == (502, True), answer.text
    assert begun.who() is None
