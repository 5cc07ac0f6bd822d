"""Logout messages of a provider, by redirect or POST: signed always, for this service, and lately made (SAML profiles §4.4)."""

from __future__ import annotations

import binascii
import zlib
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote_plus

import xmlsec
from lxml import etree
from onelogin.saml2.errors import OneLogin_Saml2_Error, OneLogin_Saml2_ValidationError
from onelogin.saml2.utils import OneLogin_Saml2_Utils

from .checked import MAX_BYTES, Element, Refused, signature_of, texts
from .keys import is_signed_by
from .names import SIGNATURES, SUCCESS, tag
from .times import begins, ends, seconds

MAX_AGE_S: Final = 600.0
"""A message counts so long after it was made; so long its id is remembered."""
ROOTS: Final = ("samlp:LogoutRequest", "samlp:LogoutResponse")
_MAX_INDEXES: Final = 100


@dataclass(frozen=True, slots=True)
class Sender:
    """The provider that a message must come from, and where it must have been sent."""

    provider: str
    certificates: tuple[str, ...]
    destination: str
    leeway_s: float


def inflated(text: str) -> bytes:
    """What a redirect carries (bindings §3.4.4.1): base64 of DEFLATE. Raises Refused."""
    inflate = zlib.decompressobj(-15)
    try:
        data = inflate.decompress(decoded(text), MAX_BYTES + 1)
    except zlib.error:
        raise Refused("it is not compressed as redirects are") from None
    if len(data) > MAX_BYTES or not inflate.eof:
        raise Refused(f"it has more than {MAX_BYTES} bytes, or is cut off")
    return data


def decoded(text: str) -> bytes:
    """The bytes of a base64 text, which may have line breaks. Raises Refused."""
    try:
        return b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise Refused("it is not base64") from None


def read_logout(data: bytes, root: Element, sender: Sender, now_s: float, query: str | None) -> dict[str, Any]:
    """What a message says, when it is right. `query`: as the redirect brought it; None where it was posted. Raises Refused."""
    if query is None:
        _check_signature(data, root, sender.certificates)
    else:
        _check_query(query, root, sender.certificates)
    if root.get("Version") != "2.0" or texts(root, "saml:Issuer") != [sender.provider]:
        raise Refused("it is not SAML 2.0, or by another issuer than the provider")
    if root.get("Destination") != sender.destination:
        raise Refused(f"it was sent to {root.get('Destination')!r:.200} (Destination), and this is {sender.destination}")
    begins(root, "IssueInstant", now_s, sender.leeway_s)
    made_s = seconds(root.get("IssueInstant", ""), "IssueInstant")
    if made_s + MAX_AGE_S <= now_s:
        raise Refused("it was made too long ago (IssueInstant): compare the clocks")
    found: dict[str, Any] = {"id": root.get("ID"), "until_s": made_s + MAX_AGE_S}
    if root.tag == tag("samlp:LogoutResponse"):
        code = root.find(f"{tag('samlp:Status')}/{tag('samlp:StatusCode')}")
        return {**found, "kind": "response", "is_success": code is not None and code.get("Value") == SUCCESS}
    ends(root, "NotOnOrAfter", now_s)
    names, indexes = texts(root, "saml:NameID"), texts(root, "samlp:SessionIndex")
    if len(names) != 1 or not names[0] or len(indexes) > _MAX_INDEXES:
        raise Refused("it does not name one user, or too many sessions")
    return {**found, "kind": "request", "name_id": names[0], "session_indexes": indexes}


def _check_query(query: str, root: Element, certificates: Sequence[str]) -> None:
    """The signature covers the parameters as they were encoded, in this order, each of which may stand there once."""
    kind = "SAMLResponse" if root.tag == tag("samlp:LogoutResponse") else "SAMLRequest"
    parts: dict[str, str] = {}
    for part in query.split("&"):
        name, _, value = part.partition("=")
        if parts.setdefault(unquote_plus(name), value) is not value:
            raise Refused("one of its parameters stands twice")
    algorithm, signature = (unquote_plus(parts.get(name, "")) for name in ("SigAlg", "Signature"))
    if not signature or algorithm not in SIGNATURES:
        raise Refused(f"it is not signed, or with {algorithm[:100]!r}")
    signed = "&".join(f"{name}={parts[name]}" for name in (kind, "RelayState", "SigAlg") if name in parts)
    if signature_of(root) is not None or not is_signed_by(certificates, signed.encode(), algorithm, decoded(signature)):
        raise Refused("its signature is wrong", is_signature=True)


def _check_signature(data: bytes, root: Element, certificates: Sequence[str]) -> None:
    if signature_of(root) is None:
        raise Refused("it is not signed")
    path = f"/samlp:{etree.QName(root).localname}/ds:Signature"
    try:
        OneLogin_Saml2_Utils.validate_sign(data, xpath=path, multicerts=list(certificates), raise_exceptions=True)
    except (OneLogin_Saml2_Error, OneLogin_Saml2_ValidationError, xmlsec.Error, etree.LxmlError, ValueError, TypeError):
        raise Refused("its signature is wrong", is_signature=True) from None
