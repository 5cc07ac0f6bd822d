"""What a response says, and its XML: one assertion with one subject (SAML profiles §4.1.4.2), or a status alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from .elements import Element, instant, saml, samlp

SUCCESS: Final = "urn:oasis:names:tc:SAML:2.0:status:Success"
REQUESTER: Final = "urn:oasis:names:tc:SAML:2.0:status:Requester"
RESPONDER: Final = "urn:oasis:names:tc:SAML:2.0:status:Responder"
AUTHN_FAILED: Final = "urn:oasis:names:tc:SAML:2.0:status:AuthnFailed"
NO_PASSIVE: Final = "urn:oasis:names:tc:SAML:2.0:status:NoPassive"
REQUEST_DENIED: Final = "urn:oasis:names:tc:SAML:2.0:status:RequestDenied"
BAD_NAME_ID_POLICY: Final = "urn:oasis:names:tc:SAML:2.0:status:InvalidNameIDPolicy"
PARTIAL_LOGOUT: Final = "urn:oasis:names:tc:SAML:2.0:status:PartialLogout"

UNSPECIFIED: Final = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"
EMAIL: Final = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"
PERSISTENT: Final = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
TRANSIENT: Final = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"
NAME_ID_FORMATS: Final = {"unspecified": UNSPECIFIED, "email": EMAIL, "persistent": PERSISTENT, "transient": TRANSIENT}

PASSWORD: Final = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"
_BASIC: Final = "urn:oasis:names:tc:SAML:2.0:attrname-format:basic"
_BEARER: Final = "urn:oasis:names:tc:SAML:2.0:cm:bearer"


@dataclass(frozen=True, slots=True)
class NameId:
    """What a subject is called, and in which format."""

    value: str
    format: str = UNSPECIFIED

    def element(self) -> Element:
        """Its XML."""
        return saml.NameID(self.value, Format=self.format)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that a response says. None leaves a thing out, which a service provider should not put up with."""

    response_id: str
    assertion_id: str
    session_index: str
    issued_s: float
    issuer: str
    destination: str | None
    recipient: str | None
    audience: str | None
    in_response_to: str | None
    name_id: NameId
    attributes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    not_before_s: float
    until_s: float | None
    session_until_s: float
    context: str = PASSWORD
    status: tuple[str, ...] = (SUCCESS,)
    message: str | None = None
    has_assertion: bool = True


def response(facts: Facts) -> Element:
    """The response, not signed yet."""
    root = samlp.Response(
        saml.Issuer(facts.issuer),
        status(facts.status, facts.message),
        ID=facts.response_id,
        Version="2.0",
        IssueInstant=instant(facts.issued_s),
    )
    _set(root, Destination=facts.destination, InResponseTo=facts.in_response_to)
    if facts.has_assertion:
        root.append(_assertion(facts))
    return root


def status(codes: Sequence[str], message: str | None = None) -> Element:
    """The status of an answer: the outermost code first."""
    code = None
    for value in reversed(codes):
        code = samlp.StatusCode(*([] if code is None else [code]), Value=value)
    return samlp.Status(code, *([] if message is None else [samlp.StatusMessage(message)]))


def _assertion(facts: Facts) -> Element:
    found = saml.Assertion(
        saml.Issuer(facts.issuer),
        saml.Subject(facts.name_id.element(), saml.SubjectConfirmation(_confirmation(facts), Method=_BEARER)),
        _conditions(facts),
        saml.AuthnStatement(
            saml.AuthnContext(saml.AuthnContextClassRef(facts.context)),
            AuthnInstant=instant(facts.issued_s),
            SessionIndex=facts.session_index,
            SessionNotOnOrAfter=instant(facts.session_until_s),
        ),
        ID=facts.assertion_id,
        Version="2.0",
        IssueInstant=instant(facts.issued_s),
    )
    if facts.attributes:
        found.append(saml.AttributeStatement(*(_attribute(name, values) for name, values in facts.attributes.items())))
    return found


def _confirmation(facts: Facts) -> Element:
    data = saml.SubjectConfirmationData()
    until = None if facts.until_s is None else instant(facts.until_s)
    _set(data, NotOnOrAfter=until, Recipient=facts.recipient, InResponseTo=facts.in_response_to)
    return data


def _conditions(facts: Facts) -> Element:
    found = saml.Conditions(NotBefore=instant(facts.not_before_s))
    _set(found, NotOnOrAfter=None if facts.until_s is None else instant(facts.until_s))
    if facts.audience is not None:
        found.append(saml.AudienceRestriction(saml.Audience(facts.audience)))
    return found


def _attribute(name: str, values: Sequence[str]) -> Element:
    return saml.Attribute(*(saml.AttributeValue(value) for value in values), Name=name, NameFormat=_BASIC)


def _set(element: Element, **attributes: str | None) -> None:
    for name, value in attributes.items():
        if value is not None:
            element.set(name, value)
