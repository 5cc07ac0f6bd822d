"""What login requests ask for, and what the login page answers."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from zlib import compressobj

import httpx
import pytest
from lxml import etree

from mockforge_asgi.testing import Server
from plugins_builtin.idp_saml.elements import NAMES
from plugins_builtin.idp_saml.tests.conftest import Listed
from plugins_builtin.idp_saml.tests.pages import form_of, said
from plugins_builtin.idp_saml.tests.parties import JSON, PySaml2, Python3Saml, browser

STATUS = "urn:oasis:names:tc:SAML:2.0:status:"
FORMAT = "urn:oasis:names:tc:SAML:{}:nameid-format:{}"
SP, ACS = "http://127.0.0.1:9100/metadata", "http://127.0.0.1:9100/acs"
CONFIG: dict[str, Any] = {
    "users": [
        {"id": "ada", "email": "ada@example.com", "attributes": {"team": ["a", "b"], "email": "other@example.com"}},
        {"id": "bob", "password": "bobs_password"},
        {"id": "late", "email": "late@example.com", "defect": "expired"},
    ],
    "service_providers": [
        {"entity_id": SP, "acs": [ACS, f"{ACS}/second"], "name": "Orders"},
        {"entity_id": "urn:tampered", "acs": "http://127.0.0.1:9101/acs", "defect": "tampered", "name_id_format": "email"},
    ],
}


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    """A provider with users of its own."""
    secrets = {"bobs_password": {"value": "correct horse"}}
    with Server({"version": 1, "plugins": {"idp": {"use": "idp-saml", "config": CONFIG}}, "secrets": secrets}) as server:
        yield f"{server.url}/idp"


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    with browser() as client:
        yield client


def request(base: str, *children: str, issuer: str = SP, **attributes: str) -> str:
    """The address to which a service provider sends a browser; attributes and children of its AuthnRequest."""
    said = {"ID": "_1", "Version": "2.0", "IssueInstant": "2026-01-01T00:00:00Z", **attributes}
    words = " ".join(f'{name}="{value}"' for name, value in said.items())
    text = (
        f'<samlp:AuthnRequest xmlns:samlp="{NAMES["samlp"]}" xmlns:saml="{NAMES["saml"]}" {words}>'
        f"<saml:Issuer>{issuer}</saml:Issuer>{''.join(children)}</samlp:AuthnRequest>"
    )
    deflating = compressobj(wbits=-15)
    packed = b64encode(deflating.compress(text.encode()) + deflating.flush()).decode()
    return f"{base}/sso?{urlencode({'SAMLRequest': packed, 'RelayState': '/home'})}"


def answer(http: httpx.Client, url: str, **form: str) -> Any:
    """The response's document, as somebody chose it to be on the page."""
    found = http.post(url, data={"user": "ada", **form}, headers=JSON)
    assert found.status_code == 200, found.text
    return etree.fromstring(b64decode(found.json()["SAMLResponse"]))


def status(root: Any) -> list[str]:
    return [code.get("Value").removeprefix(STATUS) for code in root.iterfind(".//samlp:StatusCode", NAMES)]


def test_a_response_goes_where_it_was_asked_for_and_brings_the_state_back(base: str, http: httpx.Client) -> None:
    second = f"{ACS}/second"
    for wanted, acs in ({}, ACS), ({"AssertionConsumerServiceURL": second}, second), ({"AssertionConsumerServiceIndex": "1"}, second):
        url = request(base, **wanted)
        page = http.get(url)
        assert '<strong id="to">Orders</strong>' in page.text
        form = form_of(http.post(form_of(page).action, data={"user": "ada"}))
        assert form.action == acs and form.fields["RelayState"] == "/home"
        root = etree.fromstring(b64decode(form.fields["SAMLResponse"]))
        assert (root.get("Destination"), root.get("InResponseTo"), status(root)) == (acs, "_1", ["Success"])


@pytest.mark.parametrize(("wanted", "words"), [
    ({"AssertionConsumerServiceURL": "http://127.0.0.1:9100/elsewhere"}, "/elsewhere is not an address of"),
    ({"AssertionConsumerServiceURL": "https://evil.example/acs"}, "https://evil.example/acs is not an address of"),
    ({"AssertionConsumerServiceIndex": "7"}, "address number 7 is not an address of"),
    ({"AssertionConsumerServiceIndex": "-1"}, "AssertionConsumerServiceIndex is not a number"),
    ({"ProtocolBinding": "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Artifact"}, "wants its response by"),
    ({"Destination": "https://other.example/sso"}, "set `public_url`"),
    ({"issuer": "urn:unknown", "AssertionConsumerServiceURL": ACS}, "The service provider urn:unknown is not known here"),
    ({"Version": "1.1"}, "not one of SAML 2.0"),
    ({"ID": ""}, "has no ID"),
    ({"issuer": ""}, "has no Issuer"),
])  # fmt: skip
def test_what_cannot_be_is_told_and_goes_nowhere(wanted: dict[str, str], words: str, base: str, http: httpx.Client) -> None:
    url = request(base, **wanted)
    for found in (http.get(url), http.post(url, data={"user": "ada"})):
        assert found.status_code == 400 and words in said(found)
        assert "<form" not in found.text


def test_names_have_the_format_that_is_asked_for(base: str, http: httpx.Client) -> None:
    def name(form: str | None, user: str = "ada", issuer: str = SP) -> tuple[str, str]:
        policy = [] if form is None else [f'<samlp:NameIDPolicy Format="{form}"/>']
        found = answer(http, request(base, *policy, issuer=issuer), user=user).find(".//saml:NameID", NAMES)
        return found.text, found.get("Format")

    unspecified, email = FORMAT.format("1.1", "unspecified"), FORMAT.format("1.1", "emailAddress")
    assert name(None) == name(unspecified) == ("ada", unspecified)
    assert name(None, issuer="urn:tampered")[1] == email
    assert name(email) == ("ada@example.com", email)
    assert name(FORMAT.format("2.0", "persistent"))[0] == "ada"
    first, second = (name(FORMAT.format("2.0", "transient"))[0] for _ in range(2))
    assert first != second and "ada" not in first
    policy = f'<samlp:NameIDPolicy Format="{email}"/>'
    assert status(answer(http, request(base, policy), user="bob", password="correct horse")) == ["Requester", "InvalidNameIDPolicy"]
    assert status(answer(http, request(base, '<samlp:NameIDPolicy Format="urn:x"/>'))) == ["Requester", "InvalidNameIDPolicy"]


def test_attributes_of_the_configuration_win(base: str, http: httpx.Client) -> None:
    root = answer(http, request(base))
    said = {a.get("Name"): [v.text for v in a] for a in root.iterfind(".//saml:Attribute", NAMES)}
    assert said == {"email": ["other@example.com"], "team": ["a", "b"]}


def test_the_assertion_says_the_context_that_was_asked_for(base: str, http: httpx.Client) -> None:
    wanted = "urn:example:two-factors"
    child = f"<samlp:RequestedAuthnContext><saml:AuthnContextClassRef>{wanted}</saml:AuthnContextClassRef></samlp:RequestedAuthnContext>"
    assert answer(http, request(base, child)).findtext(".//saml:AuthnContextClassRef", None, NAMES) == wanted


def test_nobody_is_asked_where_nobody_may_be(base: str, http: httpx.Client) -> None:
    passive = request(base, IsPassive="true")
    root = etree.fromstring(b64decode(form_of(http.get(passive)).fields["SAMLResponse"]))
    assert status(root) == ["Responder", "NoPassive"] and root.find("saml:Assertion", NAMES) is None
    http.post(request(base), data={"user": "ada"})
    root = etree.fromstring(b64decode(form_of(http.get(passive)).fields["SAMLResponse"]))
    assert root.findtext(".//saml:NameID", None, NAMES) == "ada"
    root = etree.fromstring(b64decode(form_of(http.get(request(base, IsPassive="1", ForceAuthn="1"))).fields["SAMLResponse"]))
    assert status(root) == ["Responder", "NoPassive"]


def test_whoever_is_remembered_is_not_asked_again(http: httpx.Client) -> None:
    with Server(
        {"version": 1, "plugins": {"idp": {"use": "idp-saml", "config": {**CONFIG, "remember": True, "users": [{"id": "ada"}]}}}}
    ) as server:
        base = f"{server.url}/idp"
        assert 'id="login"' in http.get(request(base)).text
        http.post(request(base), data={"user": "ada"})
        assert 'id="on"' in http.get(request(base)).text
        assert 'id="login"' in http.get(request(base, ForceAuthn="true")).text


def test_defects_of_users_of_service_providers_and_of_one_login(base: str, http: httpx.Client) -> None:
    def subject(url: str, **form: str) -> str:
        return str(answer(http, url, **form).findtext(".//saml:NameID", None, NAMES))

    def is_expired(url: str, **form: str) -> bool:
        found = answer(http, url, **form).find(".//saml:Conditions", NAMES).get("NotOnOrAfter")
        return datetime.fromisoformat(found) < datetime.now(UTC)

    tampered = request(base, issuer="urn:tampered")
    assert subject(tampered) == "mallory" and subject(tampered, defect="none") == "ada@example.com"
    assert subject(f"{tampered}&defect=none") == "ada@example.com"
    assert is_expired(tampered, user="late") and subject(tampered, user="late") == "late@example.com"
    assert is_expired(f"{request(base)}&defect=expired") and not is_expired(f"{request(base)}&defect=expired", defect="none")
    refused = http.post(request(base), data={"user": "ada", "defect": "nonsense"}, headers=JSON)
    assert refused.status_code == 400 and "there is no defect of that name" in refused.json()["message"]


def test_the_page_shows_what_is_configured(base: str, http: httpx.Client) -> None:
    page = http.get(request(base)).text
    assert '<option value="" selected>as configured</option><option value="none">nothing</option>' in page
    assert 'id="password"' in page and 'id="user-bob"' in page


def test_a_password_is_asked_for_where_there_is_one(base: str, http: httpx.Client) -> None:
    url = request(base)
    for form in ({}, {"password": ""}, {"password": "wrong"}, {"password": "correct horsé"}):
        refused = http.post(url, data={"user": "bob", **form})
        assert refused.status_code == 400 and said(refused) == "That is not this user's password."
        assert form_of(refused).action == url and "SAMLResponse" not in refused.text
    page = http.get(url)
    assert form_of(http.post(form_of(page).action, data={"user": "bob", "password": "correct horse"})).action == ACS
    refused = http.post(url, data={"user": "bob", "password": "wrong"}, headers=JSON)
    assert refused.status_code == 400


def test_a_login_begins_here(base: str, http: httpx.Client) -> None:
    page = http.get(f"{base}/login?RelayState=%2Fhome")
    assert f'<option value="{SP}">Orders</option>' in page.text
    form = form_of(http.post(form_of(page).action, data={"user": "ada", "sp": SP}))
    root = etree.fromstring(b64decode(form.fields["SAMLResponse"]))
    assert (form.action, form.fields["RelayState"], root.get("InResponseTo")) == (ACS, "/home", None)
    refused = http.post(f"{base}/login", data={"user": "bob", "sp": SP, "password": "no"})
    assert said(refused) and form_of(refused).fields["sp"] == SP
    refused = http.get(f"{base}/login?sp={SP}&acs=https://evil.example/acs")
    assert refused.status_code == 400 and "is not an address of" in said(refused)


def test_whoever_sends_the_form_keeps_the_response(base: str, http: httpx.Client) -> None:
    form = {"user": "ada", "sp": "https://any.example", "acs": "https://any.example/acs", "in_response_to": "_7"}
    found = http.post(f"{base}/login", data=form, headers=JSON).json()
    root = etree.fromstring(b64decode(found["SAMLResponse"]))
    assert (found["acs"], root.get("InResponseTo")) == ("https://any.example/acs", "_7")
    assert root.findtext(".//saml:Audience", None, NAMES) == "https://any.example"
    refused = http.post(f"{base}/login", data=form)  # a browser would take it there
    assert refused.status_code == 400 and "is not known here" in said(refused)


def test_messages_come_by_form_too(listed: Listed, http: httpx.Client) -> None:
    begun, fields = listed.pysaml2.begin_by_form()
    page = http.post(begun.url, data=fields)
    form = form_of(page)
    assert form.fields["SAMLRequest"] == fields["SAMLRequest"]
    onward = form_of(http.post(form.action, data={**form.fields, "user": "grace"}))
    assert onward.fields["RelayState"] == "/home"
    assert listed.pysaml2.take(onward.fields["SAMLResponse"], begun).name == "grace"


def test_requests_are_believed_by_their_signature(listed: Listed, http: httpx.Client) -> None:
    begun = listed.python3_saml.begin()
    assert http.get(begun.url).status_code == 200
    query = {name: values[0] for name, values in parse_qs(urlsplit(begun.url).query).items()}
    sso = f"{listed.idp.base}/sso?"
    unsigned = {name: query[name] for name in ("SAMLRequest", "RelayState")}
    other_state = begun.url.replace(urlencode({"RelayState": query["RelayState"]}), "RelayState=other")
    for url, words in [
        (sso + urlencode(unsigned), "is not signed"),
        (other_state, "none of the certificates"),
        (sso + urlencode({**query, "Signature": "!"}), "it is not base64"),
        (begun.url + "&Signature=x", "Signature is there twice"),
        (begun.url.replace("SAMLRequest=", "SAMLReques%74="), "it is over nothing"),
        (sso + urlencode({**query, "SAMLResponse": query["SAMLRequest"]}), "are there at once"),
    ]:
        assert url != begun.url
        refused = http.get(url)
        assert refused.status_code == 400 and words in said(refused), url
    fields = listed.pysaml2.begin_by_form()[1]
    changed = b64decode(fields["SAMLRequest"]).replace(b"/acs", b"/acx")
    refused = http.post(sso, data={**fields, "SAMLRequest": b64encode(changed).decode()})
    assert refused.status_code == 400 and "was changed after it was signed" in said(refused)


def test_python3_saml_takes_what_begins_here(listed: Listed, http: httpx.Client, tmp_path: Path) -> None:
    sp = listed.python3_saml
    assert isinstance(sp, Python3Saml) and isinstance(listed.pysaml2, PySaml2)
    page = http.get(f"{listed.idp.base}/login?sp={sp.entity_id}")
    form = form_of(http.post(form_of(page).action, data={"user": "ada"}))
    auth = sp.auth(post_data={"SAMLResponse": form.fields["SAMLResponse"]})
    auth.process_response()
    assert (auth.get_errors(), auth.get_nameid()) == ([], "ada")
