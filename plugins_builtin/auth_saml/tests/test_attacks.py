"""Responses that must not log anybody in, posted to a served mock, and why each was refused; beside them some that may."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from plugins_builtin.auth_saml.tests.forge import SP, encoded, encrypt, pair, sign, xmlsec
from plugins_builtin.auth_saml.tests.mock import Begun, Mock

KEY = pair("idp")
Made = Callable[[Begun], str]


def of(**changes: object) -> Made:
    """A response that is signed as it should be, and says something else."""
    return lambda begun: begun.login(**changes).signed(KEY)


RIGHT: dict[str, Made] = {
    "signed assertion": of(),
    "both signed": lambda begun: begun.login().signed(KEY, response=True),
    "SHA-512": of(sha="sha512"),
    "ECDSA": lambda begun: begun.login(sha="ecdsa").signed(pair("idp-ec", curve=True)),
    "encrypted": lambda begun: begun.login().response(encrypt(begun.login().signed_assertion(KEY), pair(SP).certificate)),
    "clock ahead within the leeway": of(made_s=40, not_before_s=40),
    "no Destination, which is not signed": of(destination=None),
}


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_right_logs_in(at: Mock, name: str) -> None:
    begun = at.begin()
    answer = begun.arrive(RIGHT[name](begun))
    assert (answer.status_code, answer.headers.get("location")) == (303, "/saml-me"), at.server.output[-2000:]
    who = begun.who()
    assert who is not None and (who["principal"]["id"], who["principal"]["roles"]) == ("ada@example.org", ["reader"])


SAID: dict[str, tuple[Made, str]] = {
    "wrong audience": (of(audience="https://another.example"), "not a valid audience"),
    "no audience": (of(audience=None), "for other services"),
    "wrong recipient": (of(recipient="https://another.example/acs"), "SubjectConfirmation was not found"),
    "recipient that has the right one within": (lambda b: of(recipient=b.login().acs + "/../x")(b), "(Recipient)"),
    "recipient that begins with another": (lambda b: of(recipient="https://x/?" + b.login().acs)(b), "(Recipient)"),
    "no recipient": (of(recipient=None), "(Recipient)"),
    "wrong destination": (of(destination="https://another.example/acs"), "instead of"),
    "destination that begins with the right one": (lambda b: of(destination=b.login().acs + ".evil.example")(b), "(Destination)"),
    "signed without destination": (lambda b: b.login(destination=None).signed(KEY, response=True), "(Destination)"),
    "empty destination": (
        lambda b: b.login().signed(KEY).replace(f"Destination='{b.login().acs}'", "Destination=''"), "empty Destination"),
    "expired": (of(until_s=-1000, confirmed_until_s=-1000), "expired"),
    "expired, within python3-saml's five minutes": (of(until_s=-2), "expired (NotOnOrAfter)"),
    "confirmation expired": (of(confirmed_until_s=-2), "SubjectConfirmation"),
    "no end of the confirmation": (of(confirmed_until_s=None), "until when it may be presented"),
    "not valid yet": (of(not_before_s=200), "not valid yet (NotBefore)"),
    "made in the future": (of(made_s=200), "not valid yet (IssueInstant)"),
    "made an hour ago, and good for a day, by which its id would be forgotten": (
        of(made_s=-3605, not_before_s=-3605, until_s=86400, confirmed_until_s=86400), "made too long ago (IssueInstant)"),
    "session over": (of(session_until_s=-2), "expired"),
    "unsolicited": (of(request_id=None), "answers no request"),
    "another issuer": (of(issuer="https://evil.example"), "none of the configured providers"),
    "the provider refuses": (of(status="AuthnFailed"), "the login failed: ['AuthnFailed']"),
    "SHA-1": (of(sha="sha1"), "rsa-sha1' is not accepted"),
    "SHA-1 of the digest": (of(sha="sha1-digest"), "xmldsig#sha1' is not accepted"),
    "RSA-MD5": (of(sha="md5"), "rsa-md5' is not accepted"),
    "RSA-RIPEMD160": (of(sha="ripemd160"), "rsa-ripemd160' is not accepted"),
    "unsigned": (lambda b: b.login().signed(KEY, assertion=False), "not signed"),
    "only the response signed": (lambda b: b.login().signed(KEY, assertion=False, response=True), "not signed"),
    "another's key": (lambda b: b.login().signed(pair("evil")), "Signature validation failed"),
    "another's key for the response, the right one for the assertion": (
        lambda b: sign(b.login().signed(KEY), pair("evil"), "_response1"), "Signature validation failed"),
    "a name changed after signing": (lambda b: b.login().signed(KEY).replace("ada@", "eve@"), "Signature validation failed"),
    "a role changed after signing": (lambda b: b.login().signed(KEY).replace(">reader<", ">admin<"), "Signature validation failed"),
}  # fmt: skip


@pytest.mark.parametrize("name", SAID)
def test_what_is_wrong_does_not(at: Mock, name: str) -> None:
    begun, (made, why) = at.begin(), SAID[name]
    assert why in begun.refusal(made(begun))


def test_which_signature_is_wanted_is_the_configurations(at: Mock) -> None:
    begun = at.begin("whole")
    assert "not signed" in begun.refusal(begun.login().signed(KEY))
    whole = begun.login().signed(KEY, assertion=False, response=True)
    assert begun.arrive(whole).status_code == 303 and begun.who() is not None


def test_an_assertion_is_good_once(at: Mock) -> None:
    first, second = at.begin(), at.begin()
    response = first.login(assertion_id="_once").signed(KEY)
    assert first.arrive(response).status_code == 303
    assert "presented before" in first.refusal(response)
    again = second.login(assertion_id="_once").signed(KEY)
    assert "presented before" in second.refusal(again)


def test_a_response_belongs_to_the_browser_that_asked(at: Mock) -> None:
    victim, attacker = at.begin(), at.begin()
    posted = attacker.post(attacker.login(assertion_id="_csrf").signed(KEY))
    assert posted.status_code == 303
    answer = victim.browser.get(posted.headers["location"])
    assert answer.status_code == 403 and "not begun in this browser" in answer.text
    assert victim.who() is None
    assert attacker.browser.get(posted.headers["location"]).status_code == 400  # good once, whoever comes first


def test_a_request_is_answered_once(at: Mock) -> None:
    begun = at.begin()
    assert begun.arrive(begun.login(assertion_id="_a1").signed(KEY)).status_code == 303
    answer = begun.arrive(begun.login(assertion_id="_a2").signed(KEY))
    assert answer.status_code == 403 and "begin again" in answer.text


def test_another_logins_relay_state_is_refused(at: Mock) -> None:
    begun, other = at.begin(), at.begin()
    assert "RelayState" in begun.refusal(begun.login(assertion_id="_relay").signed(KEY), state=other.state)
    assert begun.arrive(begun.login(assertion_id="_relay2").signed(KEY), state=None).status_code == 303  # some providers lose it


def test_the_host_header_has_no_part_in_it(at: Mock) -> None:
    begun, own, evil = at.begin("known"), "https://orders.example/known", "http://evil.example/known"
    assert begun.request.count(f"{own}/acs") == 1 and f"<saml:Issuer>{own}/metadata</saml:Issuer>" in begun.request
    right = begun.login(acs=f"{own}/acs", audience=f"{own}/metadata")
    posted = begun.post(right.signed(KEY), host="evil.example")
    assert (posted.status_code, posted.headers["location"].partition("?")[0]) == (303, f"{own}/done")
    seen = len(at.server.lines)
    assert begun.post(begun.login(acs=f"{evil}/acs", audience=f"{own}/metadata").signed(KEY), host="evil.example").status_code == 403
    assert "instead of http://evil.example" in at.reason("known", seen)


def test_an_encrypted_assertion_is_held_to_the_same(at: Mock) -> None:
    begun = at.begin()
    for made, why in (
        (encrypt(begun.login().assertion(), pair(SP).certificate), "not signed"),
        (encrypt(begun.login(sha="sha1").signed_assertion(KEY), pair(SP).certificate), "rsa-sha1"),
        (encrypt(begun.login(audience="x").signed_assertion(KEY), pair(SP).certificate), "not a valid audience"),
        (encrypt(begun.login().signed_assertion(pair("evil")), pair(SP).certificate), "Signature validation failed"),
        (encrypt(begun.login().signed_assertion(KEY), pair("evil").certificate), "cannot be decrypted"),
        (encrypt(begun.login().signed_assertion(KEY), pair(SP).certificate, transport=xmlsec.Transform.RSA_PKCS1), "rsa-1_5' is not"),
        (encrypt(begun.login().signed_assertion(KEY), pair(SP).certificate, cipher=xmlsec.Transform.AES128), "AES-CBC"),
        (encrypt("<x xmlns='urn:x'/>", pair(SP).certificate), "is not accepted within samlp:Response"),
        (encrypt(begun.login().response(), pair(SP).certificate), "samlp:Response is not accepted within samlp:Response"),
    ):
        assert why in begun.refusal(begun.login().response(made))


@pytest.mark.parametrize("place", [0, 20, -30])
def test_a_tampered_cipher_is_refused(at: Mock, place: int) -> None:
    begun = at.begin("started")
    for cipher in (xmlsec.Transform.AES128_GCM, xmlsec.Transform.AES128):
        made = encrypt(begun.login().signed_assertion(KEY), pair(SP).certificate, cipher=cipher)
        head, _, rest = made.rpartition("<xenc:CipherValue>")
        value, _, tail = rest.partition("</xenc:CipherValue>")
        value = "".join(value.split())
        at_place = place % len(value)
        changed = value[:at_place] + ("A" if value[at_place] != "A" else "B") + value[at_place + 1 :]
        text = f"{head}<xenc:CipherValue>{changed}</xenc:CipherValue>{tail}"
        reason = begun.refusal(begun.login().response(text))
        assert any(words in reason for words in ("cannot be decrypted", "Signature validation failed", "not XML", "not accepted")), reason


def test_a_response_that_is_no_form_or_no_base64_or_no_xml_is_refused(at: Mock) -> None:
    begun = at.begin()
    for text, why in ((b"\xff\xfe", "not XML"), (b"", "not XML"), (b"<a", "not XML"), (b"<a/>", "is 'a', not samlp:Response")):
        assert why in begun.refusal(text)
    for form in (
        {},
        {"SAMLResponse": "%%%"},
        {"SAMLResponse": [encoded("<a/>"), encoded("<b/>")]},
        {"SAMLResponse": "PGEvPg==", "x": "y" * 1_100_000},
    ):
        answer = begun.browser.post("/saml/acs", data=form)
        assert answer.status_code in (403, 413)
    assert begun.browser.post("/saml/acs", content=b"{}", headers={"content-type": "application/json"}).status_code == 403
    assert begun.browser.get("/saml/acs").status_code == 405


def test_large_deep_and_repeating_responses_are_refused_soon(at: Mock) -> None:
    begun, began_s = at.begin(), time.monotonic()
    deep = "<saml:AttributeValue>" + "<x>" * 5000 + "</x>" * 5000 + "</saml:AttributeValue>"
    shallow = "<saml:AttributeValue>" + "<x>" * 40 + "</x>" * 40 + "</saml:AttributeValue>"
    many = "<saml:AttributeValue/>" * 6000
    for inside, why in (("y" * 270_000, "more than 262144 bytes"), (deep, "not XML"), (shallow, "32 deep"), (many, "5000 elements")):
        value = inside if inside.startswith("<") else f"<saml:AttributeValue>{inside}</saml:AttributeValue>"
        text = begun.login(attributes={"role": ["@"]}).signed(KEY).replace("<saml:AttributeValue>@</saml:AttributeValue>", value)
        assert why in begun.refusal(text)
    assert time.monotonic() - began_s < 30
