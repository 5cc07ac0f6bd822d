"""Messages that browsers bring from service providers: how they are unpacked (SAML bindings §3.4 and §3.5), and what is read of them."""

from __future__ import annotations

import zlib
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, urlencode

from cryptography.x509 import Certificate

from .assertions import SUCCESS, UNSPECIFIED, NameId
from .elements import MAX_BYTES, NAMES, POST, SAMLP, BadXml, Element, parsed, text_of
from .keys import Signer
from .signing import RSA_SHA256, BadSignature, verify_enveloped, verify_query

MAX_RELAY_STATE_BYTES: Final = 4096
"""SAML bindings §3.4.3 allows 80; service providers do not keep to it."""
_PARAMETERS: Final = ("SAMLRequest", "SAMLResponse", "RelayState", "SigAlg", "Signature")


class BadMessage(ValueError):
    """A message that is not for this provider, or none at all; the words are for whoever made the service provider."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message as it came, not yet trusted."""

    root: Element
    relay_state: str | None
    query: str | None
    """The query that brought it, as it was sent; None where a form did."""

    @property
    def kind(self) -> str:
        """`AuthnRequest`, `LogoutRequest`, `LogoutResponse`, or what else it is."""
        return str(self.root.tag).removeprefix(f"{{{SAMLP}}}")

    @property
    def id(self) -> str:
        """Its identifier."""
        return _needed(self.root.get("ID"), f"the {self.kind} has no ID")

    @property
    def issuer(self) -> str:
        """The entity id of whom it says it is from."""
        return _needed(text_of(self.root, "saml:Issuer"), f"the {self.kind} has no Issuer")

    def check(self, destination: str, certificates: Sequence[Certificate], *, must_be_signed: bool) -> None:
        """Whether it was meant for that address, and is signed by whom it is from. Raises BadMessage."""
        said = self.root.get("Destination")
        if said is not None and said != destination:
            raise BadMessage(f"the {self.kind} is for {said}, and this is {destination}: use the metadata served here, or set `public_url`")
        if not self._is_signed:
            if must_be_signed:
                raise BadMessage(f"the {self.kind} is not signed")
            return
        if not certificates:
            return  # it cannot be checked, and need not be signed
        try:
            if self.query is None:
                verify_enveloped(self.root, certificates)
            else:
                verify_query(self.query, certificates)
        except BadSignature as error:
            raise BadMessage(f"the signature of the {self.kind} is not good: {error}") from error

    @property
    def _is_signed(self) -> bool:
        if self.query is None:
            return self.root.find("ds:Signature", NAMES) is not None
        return any(part.startswith("Signature=") for part in self.query.split("&"))


def from_query(query: str) -> Message:
    """The message of a redirect: deflated, in base64, in the query. Raises BadMessage."""
    fields = _once(query)
    data = _base64(fields)
    inflating = zlib.decompressobj(-15)
    try:
        found = inflating.decompress(data, MAX_BYTES + 1)
    except zlib.error as error:
        raise BadMessage("the message is not deflated, as those in a query must be (SAML bindings §3.4.4.1)") from error
    return _message(found, fields, query)


def from_form(pairs: Sequence[tuple[str, str]]) -> Message:
    """The message of a form that was sent: in base64. Raises BadMessage."""
    fields = _once(urlencode([(name, value) for name, value in pairs if name in _PARAMETERS]))
    return _message(_base64(fields), fields, None)


def _once(query: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name in _PARAMETERS and found.setdefault(name, value) is not value:
            raise BadMessage(f"{name} is there twice")
    if "SAMLRequest" in found and "SAMLResponse" in found:
        raise BadMessage("a SAMLRequest and a SAMLResponse are there at once")
    if len(found.get("RelayState", "").encode()) > MAX_RELAY_STATE_BYTES:
        raise BadMessage(f"RelayState is longer than {MAX_RELAY_STATE_BYTES} bytes")
    return found


def _base64(fields: Mapping[str, str]) -> bytes:
    text = fields.get("SAMLRequest") or fields.get("SAMLResponse")
    if text is None:
        raise BadMessage("there is no SAMLRequest")
    try:
        return b64decode("".join(text.split()), validate=True)
    except ValueError as error:
        raise BadMessage("the message is not base64") from error


def _message(data: bytes, fields: Mapping[str, str], query: str | None) -> Message:
    try:
        root = parsed(data)
    except BadXml as error:
        raise BadMessage(f"the message cannot be read: {error}") from error
    if root.get("Version") != "2.0":
        raise BadMessage("the message is not one of SAML 2.0")
    return Message(root, fields.get("RelayState"), query)


@dataclass(frozen=True, slots=True)
class LoginRequest:
    """What an `AuthnRequest` asks for (SAML core §3.4.1)."""

    id: str
    issuer: str
    acs: str | None
    acs_index: int | None
    binding: str
    is_passive: bool
    is_forced: bool
    name_id_format: str | None
    context: str | None

    @classmethod
    def read(cls, message: Message) -> LoginRequest:
        """That of a message. Raises BadMessage."""
        if message.kind != "AuthnRequest":
            raise BadMessage(f"an AuthnRequest belongs here, not a {message.kind}")
        root = message.root
        policy = root.find("samlp:NameIDPolicy", NAMES)
        index = root.get("AssertionConsumerServiceIndex")
        if index is not None and not (index.isascii() and index.isdigit() and len(index) < 6):
            raise BadMessage("AssertionConsumerServiceIndex is not a number")
        return cls(
            message.id,
            message.issuer,
            root.get("AssertionConsumerServiceURL"),
            None if index is None else int(index),
            root.get("ProtocolBinding", POST),
            _true(root.get("IsPassive")),
            _true(root.get("ForceAuthn")),
            None if policy is None else policy.get("Format"),
            text_of(root, "samlp:RequestedAuthnContext/saml:AuthnContextClassRef"),
        )


@dataclass(frozen=True, slots=True)
class LogoutRequest:
    """Whose session is to end (SAML core §3.7.1)."""

    id: str
    issuer: str
    name_id: NameId
    session_indexes: tuple[str, ...]

    @classmethod
    def read(cls, message: Message) -> LogoutRequest:
        """That of a message. Raises BadMessage."""
        root, name = message.root, message.root.find("saml:NameID", NAMES)
        value = _needed(text_of(root, "saml:NameID"), "the LogoutRequest has no NameID; encrypted ones are not read")
        indexes = tuple(str(found.text).strip() for found in root.iterfind("samlp:SessionIndex", NAMES) if found.text)
        return cls(message.id, message.issuer, NameId(value, name.get("Format", UNSPECIFIED)), indexes)


@dataclass(frozen=True, slots=True)
class LogoutAnswer:
    """What a service provider says of a logout that it was asked for."""

    issuer: str
    in_response_to: str
    is_success: bool

    @classmethod
    def read(cls, message: Message) -> LogoutAnswer:
        """That of a message. Raises BadMessage."""
        answered = _needed(message.root.get("InResponseTo"), "the LogoutResponse has no InResponseTo")
        code = message.root.find("samlp:Status/samlp:StatusCode", NAMES)
        return cls(message.issuer, answered, code is not None and code.get("Value") == SUCCESS)


def redirect_query(name: str, data: bytes, relay_state: str | None, signer: Signer) -> str:
    """The signed query that carries a message, `name` being SAMLRequest or SAMLResponse (SAML bindings §3.4.4.1)."""
    deflating = zlib.compressobj(wbits=-15)
    packed = b64encode(deflating.compress(data) + deflating.flush()).decode()
    pairs = [(name, packed), *([] if relay_state is None else [("RelayState", relay_state)]), ("SigAlg", RSA_SHA256)]
    signed = urlencode(pairs)
    return f"{signed}&{urlencode({'Signature': b64encode(signer.sign(signed.encode())).decode()})}"


def _true(text: str | None) -> bool:
    return text in ("true", "1")


def _needed(text: str | None, words: str) -> str:
    if not text:
        raise BadMessage(words)
    return text
