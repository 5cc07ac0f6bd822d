"""Responses that want no key to do harm: each is refused at once, and the process that looked at it is still the same and small."""

from __future__ import annotations

import time

import pytest

from plugins_builtin.auth_saml.tests.forge import Login, encrypt, pair
from plugins_builtin.auth_saml.tests.mock import Mock
from plugins_builtin.auth_saml.tests.processes import resident_mb, workers

KEY = pair("idp")


def file_reference(login: Login) -> str:
    """A second reference, of a file without an end: xmlsec digests it before it knows whether the signature is right."""
    more = (
        '<ds:Reference URI="file:///dev/zero"><ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/>'
        "<ds:DigestValue>AAAA</ds:DigestValue></ds:Reference></ds:SignedInfo>"
    )
    return login.signed(KEY).replace("</ds:SignedInfo>", more)


def only_file_reference(login: Login) -> str:
    """The same as the only one."""
    return login.signed(KEY).replace(f'URI="#{login.assertion_id}"', 'URI="file:///dev/zero"')


def stylesheet(login: Login) -> str:
    """A transform by a stylesheet that calls itself."""
    sheet = (
        '<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xslt-19991116"><xsl:stylesheet version="1.0" '
        'xmlns:xsl="http://www.w3.org/1999/XSL/Transform"><xsl:template match="/" name="t"><xsl:call-template name="t"/>'
        '<xsl:call-template name="t"/></xsl:template></xsl:stylesheet></ds:Transform>'
    )
    return login.signed(KEY).replace("<ds:Transforms>", f"<ds:Transforms>{sheet}")


def cipher_reference(login: Login) -> str:
    """Encrypted content that is to be read from a file without an end: before anything else is looked at."""
    made = encrypt(login.signed_assertion(KEY), pair("sp").certificate)
    head, _, rest = made.rpartition("<xenc:CipherValue>")
    return login.response(f'{head}<xenc:CipherReference URI="file:///dev/zero"/>{rest.partition("</xenc:CipherValue>")[2]}')


def retrieval_method(login: Login) -> str:
    """A key that is to be read from a file without an end."""
    method = '<ds:RetrievalMethod URI="file:///dev/zero" Type="http://www.w3.org/2001/04/xmlenc#EncryptedKey"/>'
    head, _, rest = login.signed(KEY).partition("<ds:KeyInfo>")
    return f"{head}<ds:KeyInfo>{method}</ds:KeyInfo>{rest.partition('</ds:KeyInfo>')[2]}"


def retrieval_of_encrypted_key(login: Login) -> str:
    """The same where a key to decrypt with is looked for."""
    made = encrypt(login.signed_assertion(KEY), pair("sp").certificate)
    method = '<ds:RetrievalMethod URI="file:///dev/zero" Type="http://www.w3.org/2001/04/xmlenc#EncryptedKey"/>'
    head, _, rest = made.partition("<xenc:EncryptedKey")
    return login.response(f"{head}{method}{rest.partition('</xenc:EncryptedKey>')[2]}")


def with_dtd(dtd: str, value: str = "reader") -> object:
    """A document type before the response."""
    return lambda login: f"<!DOCTYPE x [{dtd}]>" + login.anew(attributes={"role": [value]}).response()


def by_another(value: str) -> object:
    """An attribute's value, signed by a key of the attacker's."""
    return lambda login: login.anew(attributes={"role": [value]}).signed(pair("evil"))


_LAUGHS = "<!ENTITY a0 'ha'>" + "".join(f"<!ENTITY a{n} '{f'&a{n - 1};' * 10}'>" for n in range(1, 12))
BOMBS = {
    "reference to a file": (file_reference, "ds:Reference stands twice"),
    "only a reference to a file": (only_file_reference, "refers to another element"),
    "stylesheet": (stylesheet, ("is not accepted within ds:Transform", "other transforms")),
    "cipher reference": (cipher_reference, "xenc:CipherReference is not accepted"),
    "retrieval method": (retrieval_method, "ds:RetrievalMethod is not accepted"),
    "retrieval of an encrypted key": (retrieval_of_encrypted_key, "ds:RetrievalMethod is not accepted"),
    "entities of entities": (with_dtd(_LAUGHS, "&a11;"), ("document type", "not XML")),
    "entity of a file": (with_dtd("<!ENTITY e SYSTEM 'file:///etc/passwd'>", "&e;"), "document type"),
    "entity of a file without an end": (with_dtd("<!ENTITY e SYSTEM 'file:///dev/zero'>", "&e;"), "document type"),
    "parameter entity": (with_dtd("<!ENTITY % e SYSTEM 'http://127.0.0.1:9/x'> %e;"), "document type"),
    "document type of its own": (lambda login: '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x">' + login.response(), "document type"),
    "XInclude": (by_another('<i:include xmlns:i="http://www.w3.org/2001/XInclude" href="/dev/zero"/>'), "Signature validation failed"),
    "many namespaces": (by_another("<x " + " ".join(f"xmlns:n{n}='urn:{n}'" for n in range(500)) + "/>"), "Signature validation failed"),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_before_it_goes_off(at: Mock, name: str) -> None:
    begun, (made, whys) = at.begin(), BOMBS[name]
    before, began_s = workers(at), time.monotonic()
    reason = begun.refusal(made(begun.login()))  # type: ignore[operator]
    assert time.monotonic() - began_s < 20
    assert any(why in reason for why in ([whys] if isinstance(whys, str) else whys)), reason
    assert before <= workers(at)
    assert all(resident_mb(pid) < 200 for pid in before)
