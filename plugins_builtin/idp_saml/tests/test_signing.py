"""Signatures of messages that come in: those of others are good, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from lxml import etree
from onelogin.saml2.utils import OneLogin_Saml2_Utils
from saml2.saml import NameID

from plugins_builtin.idp_saml.elements import DS, MAX_DEPTH, NAMES, BadXml, new_id, parsed, saml, samlp, written
from plugins_builtin.idp_saml.keys import BadKey, Signer, certificate
from plugins_builtin.idp_saml.messages import BadMessage, from_query, redirect_query
from plugins_builtin.idp_saml.signing import SHA1, BadSignature, signed, verify_enveloped
from plugins_builtin.idp_saml.tests.parties import PySaml2

SIGNER, OTHER = (Signer.make(name, datetime.now(UTC)) for name in ("sp", "other"))


def message() -> Any:
    return samlp.LogoutRequest(saml.Issuer("urn:sp"), saml.NameID("ada"), samlp.Extensions(), ID=new_id(), Version="2.0")


def checked(data: bytes, *signers: Signer) -> None:
    verify_enveloped(parsed(data), [signer.certificate for signer in signers or (SIGNER,)])


def test_what_was_signed_here_is_good() -> None:
    checked(written(signed(message(), ".", SIGNER)))
    checked(written(signed(message(), ".", SIGNER)), OTHER, SIGNER)


@pytest.mark.parametrize("hashing", ["sha256", "sha384", "sha512"])
def test_what_python3_saml_signs_is_good(hashing: str) -> None:
    more = "http://www.w3.org/2001/04/xmldsig-more#"
    digest = {"sha384": more}.get(hashing, "http://www.w3.org/2001/04/xmlenc#") + hashing
    data = OneLogin_Saml2_Utils.add_sign(
        written(message()), SIGNER.key_pem.decode(), _certificate_pem(), sign_algorithm=f"{more}rsa-{hashing}", digest_algorithm=digest
    )
    checked(data if isinstance(data, bytes) else data.encode())


def test_what_xmlsec1_signs_is_good(tmp_path: Any) -> None:
    party = PySaml2(None, "both", SIGNER, tmp_path)
    root = party.client.create_logout_request(
        "http://idp.example/slo", "urn:idp", name_id=NameID(text="ada"), sign=True, sign_alg=None, session_indexes=["_1"]
    )[1]
    checked(str(root).encode())


@pytest.mark.parametrize("added", ["Relay%53tate=/evil", "%52elayState=/evil"])
def test_a_relay_state_beside_a_signature_is_none_of_the_message(added: str) -> None:
    query = redirect_query("SAMLRequest", written(message()), None, SIGNER)
    from_query(query).check("http://idp.example/slo", [SIGNER.certificate], must_be_signed=True)
    read = from_query(f"{query}&{added}")
    assert read.relay_state == "/evil"
    with pytest.raises(BadMessage, match="the name of a parameter is encoded"):
        read.check("http://idp.example/slo", [SIGNER.certificate], must_be_signed=True)


def _certificate_pem() -> str:
    return SIGNER.pem.partition("-----END PRIVATE KEY-----\n")[2]


def change(path: str, **attributes: str) -> Callable[[Any], None]:
    def changed(root: Any) -> None:
        for name, value in attributes.items():
            root.find(path, NAMES).set(name, value)

    return changed


def add(path: str, text: str) -> Callable[[Any], None]:
    def added(root: Any) -> None:
        (root if path == "." else root.find(path, NAMES)).append(etree.fromstring(text))

    return added


def rename(root: Any) -> None:
    root.find("saml:NameID", NAMES).text = "grace"


def moved(root: Any) -> None:
    """The signature stands in a part of the message, which stays as it was signed."""
    root.find("samlp:Extensions", NAMES).append(root.find("ds:Signature", NAMES))


def around(root: Any) -> None:
    """A forged message around the one that was signed."""
    original = etree.fromstring(written(root))
    rename(root)
    root.find("samlp:Extensions", NAMES).append(original)
    root.remove(root.find("ds:Signature", NAMES))


TRANSFORMS = "ds:Signature/ds:SignedInfo/ds:Reference/ds:Transforms"
XSLT = f'<ds:Transform xmlns:ds="{DS}" Algorithm="http://www.w3.org/TR/1999/REC-xslt-19991116"/>'
REFERENCE = f'<ds:Reference xmlns:ds="{DS}" URI="file:///dev/zero"/>'


@pytest.mark.parametrize(("attack", "words"), [
    (rename, "was changed after it was signed"),
    (moved, "not exactly one Signature"),
    (around, "not exactly one Signature"),
    (add(".", f'<ds:Signature xmlns:ds="{DS}"/>'), "not exactly one Signature"),
    (add("ds:Signature", f'<ds:SignedInfo xmlns:ds="{DS}"/>'), "not exactly one SignedInfo"),
    (add("ds:Signature/ds:SignedInfo", REFERENCE), "not exactly one Reference"),
    (change("ds:Signature/ds:SignedInfo/ds:Reference", URI="file:///dev/zero"), "not over the whole message"),
    (change("ds:Signature/ds:SignedInfo/ds:Reference", URI=""), "not over the whole message"),
    (change("ds:Signature/ds:SignedInfo/ds:Reference", URI="#other"), "not over the whole message"),
    (change(".", ID="_evil"), "not over the whole message"),
    (add(TRANSFORMS, XSLT), "its transforms are not"),
    (change(f"{TRANSFORMS}/ds:Transform", Algorithm="http://www.w3.org/TR/1999/REC-xpath-19991116"), "its transforms are not"),
    (change("ds:Signature/ds:SignedInfo/ds:CanonicalizationMethod", Algorithm="urn:x"), "its transforms are not"),
    (change("ds:Signature/ds:SignedInfo/ds:Reference/ds:DigestMethod", Algorithm=f"{DS}sha1"), "its digest is not SHA-256"),
    (change("ds:Signature/ds:SignedInfo/ds:SignatureMethod", Algorithm=f"{DS}hmac-sha1"), "hmac-sha1'; RSA with"),
    (change("ds:Signature/ds:SignedInfo/ds:SignatureMethod", Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha512"), "none of the"),
])  # fmt: skip
def test_a_signature_that_was_tampered_with_is_none(attack: Callable[[Any], None], words: str) -> None:
    root = signed(message(), ".", SIGNER)
    attack(root)
    with pytest.raises(BadSignature, match=words):
        checked(written(root))


def test_a_key_that_a_message_brings_along_is_not_believed() -> None:
    with pytest.raises(BadSignature, match="none of the certificates"):
        checked(written(signed(message(), ".", OTHER)))


def test_sha1_is_not_taken() -> None:
    with pytest.raises(BadSignature, match="SHA-256"):
        checked(written(signed(message(), ".", SIGNER, SHA1)))


def test_comments_make_no_difference() -> None:
    data = written(signed(message(), ".", SIGNER)).replace(b"ada<", b"a<!-- -->da<")
    root = parsed(data)
    verify_enveloped(root, [SIGNER.certificate])
    assert root.findtext("saml:NameID", None, NAMES) == "ada"  # what is read is what was signed


@pytest.mark.parametrize(("data", "words"), [
    (b"<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", "document type"),
    (b'<!DOCTYPE a SYSTEM "http://127.0.0.1:1/x.dtd"><a/>', "document type|well-formed"),
    (b"<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a>&x;</a>", "document type"),
    (b"<!DOCTYPE a [<!ENTITY a0 'x'><!ENTITY a1 '&a0;&a0;'>]><a b='&a1;'/>", "document type"),
    (b"<a>" * (MAX_DEPTH + 1) + b"</a>" * (MAX_DEPTH + 1), "nested more than"),
    (b"<a>" * 10_000, "not well-formed"),
    (b"<a>" + b"x" * 300_000 + b"</a>", "longer than 256 KiB"),
    (b"<a", "not well-formed"),
    (b"", "not well-formed"),
    (b"\xff\xfe\x00", "not well-formed"),
])  # fmt: skip
def test_documents_that_are_none_are_not_read(data: bytes, words: str) -> None:
    with pytest.raises(BadXml, match=words):
        parsed(data)


def test_keys_are_read_or_refused() -> None:
    assert Signer.read(SIGNER.pem).pem == SIGNER.pem
    assert certificate(SIGNER.certificate_text) == SIGNER.certificate
    for pem, words in [
        ("", "must be PEM"),
        (SIGNER.key_pem.decode(), "must be PEM"),
        (OTHER.key_pem.decode() + _certificate_pem(), "that of another key"),
    ]:
        with pytest.raises(BadKey, match=words):
            Signer.read(pem)
    with pytest.raises(BadKey, match=r"no X\.509 certificate"):
        certificate("nonsense")
