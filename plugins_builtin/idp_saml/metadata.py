"""Metadata (SAML metadata §2): this provider's own, and what is read of a service provider's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cryptography.x509 import Certificate

from .assertions import NAME_ID_FORMATS
from .elements import DS, METADATA, NAMES, POST, REDIRECT, SAMLP, BadXml, Element, md, parsed, written
from .keys import BadKey, Keys, Signer, certificate
from .settings import Addresses, is_web_address

_BINDINGS: Final = (REDIRECT, POST)
_CONTENT: Final = {f"http://www.w3.org/2009/xmlenc11#{name}": name for name in ("aes128-gcm", "aes256-gcm")} | {
    f"http://www.w3.org/2001/04/xmlenc#{name}": name for name in ("aes128-cbc", "aes256-cbc")
}


class BadMetadata(ValueError):
    """Metadata of a service provider that cannot be used, with the reason."""


def document(addresses: Addresses, keys: Keys, *, wants_signed_requests: bool) -> bytes:
    """This provider's; it names the certificates of all keys, so that service providers know the next one before it is used."""
    sso, slo = addresses.at("sso"), addresses.at("slo")
    role = md.IDPSSODescriptor(
        *(_key(signer) for signer in (keys.current, *keys.announced)),
        *(md.SingleLogoutService(Binding=binding, Location=slo) for binding in _BINDINGS),
        *(md.NameIDFormat(each) for each in NAME_ID_FORMATS.values()),
        *(md.SingleSignOnService(Binding=binding, Location=sso) for binding in _BINDINGS),
        WantAuthnRequestsSigned="true" if wants_signed_requests else "false",
        protocolSupportEnumeration=SAMLP,
    )
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + written(md.EntityDescriptor(role, entityID=addresses.entity_id))


def _key(signer: Signer) -> Element:
    found = md.KeyDescriptor(use="signing")
    info, data, text = (found.makeelement(f"{{{DS}}}{name}") for name in ("KeyInfo", "X509Data", "X509Certificate"))
    text.text = signer.certificate_text
    data.append(text)
    info.append(data)
    found.append(info)
    return found


@dataclass(frozen=True, slots=True)
class Logout:
    """Where a service provider takes logout messages."""

    url: str
    binding: str = REDIRECT
    response_url: str | None = None


@dataclass(frozen=True, slots=True)
class Described:
    """What a service provider says of itself; the default of its addresses stands first."""

    acs: tuple[str, ...]
    acs_by_index: dict[int, str]
    logout: Logout | None
    signing: tuple[Certificate, ...]
    encryption: tuple[Certificate, ...]
    content: str | None
    """How it wants content encrypted: the first of its methods that is known."""
    signs_requests: bool


def described(data: bytes, entity_id: str) -> Described:
    """What a document says of that service provider. Raises BadMetadata."""
    try:
        found = _descriptor(parsed(data), entity_id)
        signing, encryption = _certificates(found, "signing"), _certificates(found, "encryption")
    except (BadXml, BadKey) as error:
        raise BadMetadata(f"the metadata of {entity_id} cannot be read: {error}") from error
    services = [each for each in found.iterfind("md:AssertionConsumerService", NAMES) if each.get("Binding") == POST]
    services = [each for each in services if is_web_address(each.get("Location", ""))]
    services.sort(key=lambda each: each.get("isDefault") not in ("true", "1"))
    by_index = {int(each.get("index")): each.get("Location") for each in services if (each.get("index") or "").isdecimal()}
    methods = (method.get("Algorithm") for method in found.iterfind("md:KeyDescriptor/md:EncryptionMethod", NAMES))
    return Described(
        tuple(each.get("Location") for each in services),
        by_index,
        _logout(found),
        signing,
        encryption,
        next((_CONTENT[name] for name in methods if name in _CONTENT), None),
        found.get("AuthnRequestsSigned") in ("true", "1"),
    )


def _descriptor(root: Element, entity_id: str) -> Element:
    entities = [root] if root.tag == f"{{{METADATA}}}EntityDescriptor" else root.findall(".//md:EntityDescriptor", NAMES)
    for entity in entities:
        if entity.get("entityID") == entity_id and (found := entity.find("md:SPSSODescriptor", NAMES)) is not None:
            return found
    raise BadXml("it describes no service provider of that entity id")


def _certificates(descriptor: Element, use: str) -> tuple[Certificate, ...]:
    keys = [key for key in descriptor.iterfind("md:KeyDescriptor", NAMES) if key.get("use") in (None, use)]
    texts = [text for key in keys for text in key.iterfind("ds:KeyInfo/ds:X509Data/ds:X509Certificate", NAMES)]
    return tuple(certificate(text.text or "") for text in texts)


def _logout(descriptor: Element) -> Logout | None:
    found = {each.get("Binding"): each for each in descriptor.iterfind("md:SingleLogoutService", NAMES)}
    for binding in _BINDINGS:
        each = found.get(binding)
        if each is not None and is_web_address(each.get("Location", "")):
            answers = each.get("ResponseLocation")
            return Logout(each.get("Location"), binding, answers if answers and is_web_address(answers) else None)
    return None
