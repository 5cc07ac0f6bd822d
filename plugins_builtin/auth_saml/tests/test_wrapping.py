"""Signed elements moved elsewhere so that what is read is not what was signed, and what else is done to documents around a signature.

XSW 1 to 8 are those of Somorovsky et al., "On Breaking SAML: Be Whoever You Want to Be" (USENIX Security 2012).
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from lxml import etree

from plugins_builtin.auth_saml.tests.forge import NAMES, Login, encrypt, pair, sign
from plugins_builtin.auth_saml.tests.mock import Mock

KEY = pair("idp")
SAML, SAMLP, DS = (f"{{{NAMES[prefix]}}}" for prefix in ("saml", "samlp", "ds"))
Element = Any


def parts(login: Login, *, response: bool = False) -> tuple[Element, Element, Element]:
    """(a signed response, the signed element within it or itself, a copy of that by the attacker without a signature)."""
    root = etree.fromstring(login.signed(KEY, assertion=not response, response=response).encode())
    signed = root if response else root.find(f"{SAML}Assertion")
    evil = deepcopy(signed)
    evil.set("ID", "_evil")
    evil.remove(evil.find(f"{DS}Signature"))
    for name in evil.iter(f"{SAML}NameID"):
        name.text = "eve@example.org"
    return root, signed, evil


def xsw1(login: Login) -> Element:
    """The attacker's response carries the signature, which carries the signed response."""
    _, signed, evil = parts(login, response=True)
    signature = signed.find(f"{DS}Signature")
    signed.remove(signature)
    evil.insert(1, signature)
    signature.append(signed)
    return evil


def xsw2(login: Login) -> Element:
    """The same, the signature detached: it stands behind the signed response."""
    _, signed, evil = parts(login, response=True)
    signature = signed.find(f"{DS}Signature")
    signed.remove(signature)
    evil.insert(1, signed)
    evil.insert(2, signature)
    return evil


def xsw3(login: Login) -> Element:
    """The attacker's assertion before the signed one."""
    root, signed, evil = parts(login)
    signed.addprevious(evil)
    return root


def xsw4(login: Login) -> Element:
    """The signed assertion within the attacker's."""
    root, signed, evil = parts(login)
    root.replace(signed, evil)
    evil.append(signed)
    return root


def xsw5(login: Login) -> Element:
    """The attacker's assertion has the signature, the signed one follows it bare."""
    root, signed, evil = parts(login)
    signature = signed.find(f"{DS}Signature")
    evil.insert(1, signature)
    signed.addprevious(evil)
    return root


def xsw6(login: Login) -> Element:
    """The same, the signed one within the signature."""
    root = xsw5(login)
    evil, signed = root.findall(f"{SAML}Assertion")
    evil.find(f"{DS}Signature").append(signed)
    return root


def xsw7(login: Login) -> Element:
    """The attacker's assertion within Extensions, where the schema lets anything stand."""
    root, _, evil = parts(login)
    extensions = etree.Element(f"{SAMLP}Extensions")
    extensions.append(evil)
    root.find(f"{SAML}Issuer").addnext(extensions)
    return root


def xsw8(login: Login) -> Element:
    """The signed assertion in an Object of the signature that the attacker's has."""
    root, signed, evil = parts(login)
    signature = signed.find(f"{DS}Signature")
    root.replace(signed, evil)
    evil.insert(1, signature)
    signed_without = deepcopy(signed)
    etree.SubElement(signature, f"{DS}Object").append(signed_without)
    return root


def within(path: str, wrapper: str | None = None) -> Callable[[Login], Element]:
    """The attacker's assertion at the top, the signed one somewhere below it."""

    def made(login: Login) -> Element:
        root, signed, evil = parts(login)
        root.replace(signed, evil)
        place = evil.find(path, NAMES)
        if wrapper is not None:
            place = etree.SubElement(place, wrapper)
        place.append(signed)
        return root

    return made


def beside_encrypted(login: Login) -> Element:
    """A signed assertion, encrypted, and the attacker's beside it in the clear."""
    root, signed, evil = parts(login)
    root.replace(signed, evil)
    evil.addnext(etree.fromstring(encrypt(login.signed_assertion(KEY), pair("sp").certificate).encode()))
    return root


WRAPPED: dict[str, tuple[Callable[[Login], Element], str]] = {
    "XSW 1": (xsw1, "refers to another element"),
    "XSW 2": (xsw2, "samlp:Response is not accepted within samlp:Response"),
    "XSW 3": (xsw3, "saml:Assertion stands twice"),
    "XSW 4": (xsw4, "saml:Assertion is not accepted within saml:Assertion"),
    "XSW 5": (xsw5, "stands twice"),
    "XSW 6": (xsw6, "refers to another element"),
    "XSW 7": (xsw7, "samlp:Extensions is not accepted within samlp:Response"),
    "XSW 8": (xsw8, "refers to another element"),
    "within Advice": (within(".", f"{SAML}Advice"), "saml:Advice is not accepted"),
    "within an attribute's value": (within("saml:AttributeStatement/saml:Attribute/saml:AttributeValue"), "saml:Assertion is not accepted"),
    "within another's element in an attribute's value": (
        within("saml:AttributeStatement/saml:Attribute/saml:AttributeValue", "{urn:x}x"), "saml:Assertion is not accepted"),
    "beside an encrypted one": (beside_encrypted, "does not have one assertion"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRAPPED)
def test_a_wrapped_assertion_is_refused(at: Mock, name: str) -> None:
    begun, (made, why) = at.begin("whole" if name in ("XSW 1", "XSW 2") else "saml"), WRAPPED[name]
    text = etree.tostring(made(begun.login()))
    assert b"eve@example.org" in text and (b"ada@example.org" in text or b"EncryptedAssertion" in text)
    assert why in begun.refusal(text)


Change = Callable[[Login], str]


def edited(old: str, new: str, *, count: int = 1) -> Change:
    """A rightly signed response with one text replaced by another afterwards."""

    def made(login: Login) -> str:
        text = login.signed(KEY)
        assert old in text, text
        return text.replace(old, new, count)

    return made


def signed_with_reference(uri: str) -> Change:
    """A signature that refers to something else."""
    return lambda login: login.signed(KEY).replace(f'URI="#{login.assertion_id}"', f'URI="{uri}"')


EXCL = "http://www.w3.org/2001/10/xml-exc-c14n#"
ENVELOPED = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
EDITED: dict[str, tuple[Change, str]] = {
    "signature exclusion": (lambda login: login.response(), "not signed"),
    "signature without a value": (lambda login: _without(login, "SignatureValue"), "Not match the saml-schema"),
    "comment in the name": (lambda login: login.anew(name="ada@example.org<!-- -->.evil.example").signed(KEY), "has comments"),
    "comment in the name, put there afterwards": (edited("ada@example.org", "ada@<!-- -->example.org"), "has comments"),
    "processing instruction": (edited("<saml:Conditions", "<?x y?><saml:Conditions"), "processing instructions"),
    "comment before the root": (lambda login: "<!-- -->" + login.signed(KEY), "comments"),
    "two elements of one id": (edited("<saml:Subject>", "<saml:Subject ID='_response1'>"), "same id"),
    "an xml:id like the assertion's": (
        lambda login: login.signed(KEY).replace("<saml:Subject>", f"<saml:Subject xml:id='{login.assertion_id}'>"), "same id"),
    "an id that is none": (lambda login: login.anew(assertion_id="1 2").response(), "has no ID"),
    "reference to the response": (signed_with_reference("#_response1"), "refers to another element"),
    "reference to the whole document": (signed_with_reference(""), "refers to another element"),
    "reference by xpointer": (signed_with_reference("#xpointer(/)"), "refers to another element"),
    "transform by XPath": (edited(ENVELOPED, "http://www.w3.org/TR/1999/REC-xpath-19991116"), "other transforms"),
    "one transform only": (edited(f'<ds:Transform Algorithm="{ENVELOPED}"/>', ""), "other transforms"),
    "inclusive canonicalization": (edited(EXCL, "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"), "canonicalization algorithm"),
    "canonicalization with comments": (edited(EXCL, f"{EXCL}WithComments"), "canonicalization algorithm"),
    "HMAC with the public key": (edited("xmldsig-more#rsa-sha256", "xmldsig-more#hmac-sha256"), "hmac-sha256' is not accepted"),
    "an Object": (edited("</ds:Signature>", "<ds:Object/></ds:Signature>"), "ds:Object is not accepted"),
    "a second signature of the assertion": (lambda login: _twice(login), "stands twice"),
    "a signature within the subject": (lambda login: _moved(login, "saml:Subject"), "ds:Signature is not accepted within saml:Subject"),
    "encrypted attribute": (edited("<saml:Attribute ", "<saml:EncryptedAttribute/><saml:Attribute "), "EncryptedAttribute is not accepted"),
    "encrypted name": (edited("<saml:Subject>", "<saml:Subject><saml:EncryptedID/>"), "EncryptedID is not accepted"),
    "two names": (edited("<saml:Subject>", "<saml:Subject><saml:NameID>eve</saml:NameID>"), "stands twice"),
    "another namespace": (edited("SAML:2.0:assertion", "SAML:1.0:assertion", count=99), "not accepted"),
}  # fmt: skip


def _without(login: Login, name: str) -> str:
    root = etree.fromstring(login.signed(KEY).encode())
    element = root.find(f".//{DS}{name}")
    element.getparent().remove(element)
    return str(etree.tostring(root).decode())


def _twice(login: Login) -> str:
    root = etree.fromstring(login.signed(KEY).encode())
    signature = root.find(f".//{DS}Signature")
    signature.addnext(deepcopy(signature))
    return str(etree.tostring(root).decode())


def _moved(login: Login, path: str) -> str:
    root = etree.fromstring(login.signed(KEY).encode())
    root.find(f".//{path}", NAMES).append(root.find(f".//{DS}Signature"))
    return str(etree.tostring(root).decode())


@pytest.mark.parametrize("name", EDITED)
def test_an_edited_response_is_refused(at: Mock, name: str) -> None:
    begun, (change, why) = at.begin(), EDITED[name]
    assert why in begun.refusal(change(begun.login()))


def test_an_embedded_certificate_is_no_key(at: Mock) -> None:
    evil = pair("evil")
    begun = at.begin()
    text = begun.login().signed(evil)
    assert evil.body[:60] in "".join(text.split())
    assert "Signature validation failed" in begun.refusal(text)
    info = f"<ds:KeyInfo><ds:X509Data><ds:X509Certificate>{evil.body}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>"
    right = begun.login().signed(KEY)
    head, _, rest = right.partition("<ds:KeyInfo>")
    confused = head + info + rest.partition("</ds:KeyInfo>")[2]
    assert begun.arrive(confused).status_code == 303  # what is embedded counts for nothing, either way
    other = at.begin()
    signed = sign(other.login().response(), evil, "_response1")
    assert "not signed" in other.refusal(signed)
