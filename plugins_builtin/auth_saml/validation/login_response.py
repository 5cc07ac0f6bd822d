"""A login response: the first pass, python3-saml, a second pass over what was decrypted, and then what python3-saml lets through.

python3-saml verifies signatures, decrypts and checks the schema. Everything that decides whether this response is for this service, now,
is checked here once more and without exceptions: SAML profiles §4.1.4.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final
from urllib.parse import urlsplit

import xmlsec
from lxml import etree
from onelogin.saml2.errors import OneLogin_Saml2_Error, OneLogin_Saml2_ValidationError
from onelogin.saml2.response import OneLogin_Saml2_Response
from onelogin.saml2.settings import OneLogin_Saml2_Settings

from .checked import ASSERTION, Element, Refused, read_message, signature_of, texts
from .names import BEARER, POST, SUCCESS, tag
from .times import begins, ends, seconds

MAX_AGE_S: Final = 3600.0
"""An assertion counts no longer than this after it was made, whatever it says; so long its id is remembered."""
_MAX_VALUES: Final = 500
_MAX_CHARS: Final = 2000
_NO_SUCH_KEY: Final = OneLogin_Saml2_ValidationError.INVALID_SIGNATURE


@dataclass(frozen=True, slots=True)
class Expected:
    """What a response must fit: the service it is for, the provider it comes from, and what the operator asks of it."""

    entity_id: str
    acs: str
    provider: str
    certificates: tuple[str, ...]
    private_key: str = ""
    certificate: str = ""
    assertion_signed: bool = True
    response_signed: bool = False
    encrypted: bool = False
    allow_cbc: bool = False
    leeway_s: float = 60.0


def read_login(data: bytes, root: Element, expected: Expected, now_s: float) -> dict[str, Any]:
    """What a response says of the user, when everything about it is right. `root` has been through the first pass. Raises Refused."""
    _check_status(root)
    if len([each for each in root if each.tag in (ASSERTION, tag("saml:EncryptedAssertion"))]) != 1:
        raise Refused("it does not have one assertion")
    response = _verified(data, expected)
    if response.encrypted:
        root = read_message(etree.tostring(response.decrypted_document), ("samlp:Response",), allow_cbc=expected.allow_cbc)
    _validate(response, expected)
    assertion = root.find(ASSERTION)
    if assertion is None or root.find(tag("saml:EncryptedAssertion")) is not None:
        raise Refused("it does not have one assertion")
    _check_signatures(root, assertion, expected)
    _check_envelope(root, assertion, expected, now_s)
    request_id, confirmed_until_s = _check_subject(root, assertion, expected, now_s)
    until_s = _check_conditions(assertion, expected, now_s)
    statement = _check_statement(assertion, expected, now_s)
    made_s = seconds(assertion.get("IssueInstant", ""), "IssueInstant")
    if made_s + MAX_AGE_S <= now_s:
        raise Refused("it was made too long ago (IssueInstant): compare the clocks")
    return {
        "assertion_id": assertion.get("ID"),
        "request_id": request_id,
        "until_s": min(confirmed_until_s, until_s, made_s + MAX_AGE_S),
        "name_id": _name_id(assertion),
        "attributes": _attributes(assertion),
        **statement,
    }


class _Refusal(Refused):
    """The provider itself refuses the login."""


def _check_status(root: Element) -> None:
    codes = [code.get("Value", "") for code in root.iterfind(f"{tag('samlp:Status')}//{tag('samlp:StatusCode')}")]
    if codes[:1] != [SUCCESS]:
        raise _Refusal(f"the provider says that the login failed: {[code.rpartition(':')[2] for code in codes][:3]!r:.200}")


def _verified(data: bytes, expected: Expected) -> OneLogin_Saml2_Response:
    """The library's response, which decrypts at once."""
    try:
        return OneLogin_Saml2_Response(_settings(expected), b64encode(data))
    except (OneLogin_Saml2_Error, OneLogin_Saml2_ValidationError, xmlsec.Error, etree.LxmlError, ValueError, TypeError, KeyError) as error:
        raise Refused(f"it cannot be decrypted: {error!s:.200}") from None


def _validate(response: OneLogin_Saml2_Response, expected: Expected) -> None:
    """What python3-saml checks, by the configured address alone: the Host header has no part in it."""
    parts = urlsplit(expected.acs)
    request = {"http_host": parts.netloc, "script_name": parts.path, "https": "on" if parts.scheme == "https" else "off"}
    try:
        response.is_valid(request, raise_exceptions=True)
    except OneLogin_Saml2_ValidationError as error:
        raise Refused(str(error)[:300], is_signature=error.code == _NO_SUCH_KEY) from None
    except (OneLogin_Saml2_Error, xmlsec.Error, etree.LxmlError, ValueError, TypeError, KeyError) as error:
        raise Refused(f"it is malformed: {error!s:.200}") from None


@lru_cache(maxsize=32)
def _settings(expected: Expected) -> OneLogin_Saml2_Settings:
    service = {"entityId": expected.entity_id, "assertionConsumerService": {"url": expected.acs, "binding": POST}}
    keys = {"x509cert": expected.certificate, "privateKey": expected.private_key}
    provider = {
        "entityId": expected.provider,
        "singleSignOnService": {"url": expected.acs},  # asked for, and not used for responses
        "x509certMulti": {"signing": list(expected.certificates)},
    }
    security = {
        "wantAssertionsSigned": expected.assertion_signed,
        "wantMessagesSigned": expected.response_signed,
        "wantAssertionsEncrypted": expected.encrypted,
        "wantNameId": False,
        "wantAttributeStatement": False,
        "allowRepeatAttributeName": True,
        "rejectDeprecatedAlgorithm": True,
        "requestedAuthnContext": False,
        "allowSingleLabelDomains": True,
    }
    return OneLogin_Saml2_Settings({"strict": True, "sp": {**service, **keys}, "idp": provider, "security": security})


def _check_signatures(root: Element, assertion: Element, expected: Expected) -> None:
    """python3-saml has verified those that are there; here it is asked which are."""
    is_root_signed, is_assertion_signed = signature_of(root) is not None, signature_of(assertion) is not None
    if expected.assertion_signed and not is_assertion_signed:
        raise Refused("its assertion is not signed, which `want_assertions_signed` asks for")
    if expected.response_signed and not is_root_signed:
        raise Refused("it is not signed itself, which `want_messages_signed` asks for")
    if not (is_root_signed or is_assertion_signed):
        raise Refused("it is not signed")


def _check_envelope(root: Element, assertion: Element, expected: Expected, now_s: float) -> None:
    for element in (root, assertion):
        if element.get("Version") != "2.0":
            raise Refused("it is not SAML 2.0")
        if element.get("IssueInstant") is None:
            raise Refused("it does not say when it was made (IssueInstant)")
        begins(element, "IssueInstant", now_s, expected.leeway_s)
        issuers = texts(element, "saml:Issuer")
        if issuers != [expected.provider] and (issuers or element is assertion):
            raise Refused("it is by another issuer than the provider")
    destination = root.get("Destination")
    if destination != expected.acs and (destination is not None or signature_of(root) is not None):
        raise Refused(f"it was sent to {destination or 'nowhere'!r:.200} (Destination), and this is {expected.acs}")


def _check_subject(root: Element, assertion: Element, expected: Expected, now_s: float) -> tuple[str | None, float]:
    """(the request that it answers, until when it may be presented): profiles §4.1.4.2, bearer confirmation."""
    why = "it has no bearer confirmation"
    for confirmation in assertion.iterfind(f"{tag('saml:Subject')}/{tag('saml:SubjectConfirmation')}"):
        data = confirmation.find(tag("saml:SubjectConfirmationData"))
        if confirmation.get("Method") != BEARER or data is None:
            continue
        try:
            if data.get("Recipient") != expected.acs:
                raise Refused(f"it is for {data.get('Recipient')!r:.200} (Recipient), and this is {expected.acs}")
            begins(data, "NotBefore", now_s, expected.leeway_s)
            until_s = ends(data, "NotOnOrAfter", now_s)
            if until_s is None:
                raise Refused("it does not say until when it may be presented (NotOnOrAfter)")
            request_id = data.get("InResponseTo")
            if root.get("InResponseTo") != request_id:
                raise Refused("response and assertion answer different requests (InResponseTo)")
            return request_id, until_s
        except Refused as error:
            why = str(error)
    raise Refused(why)


def _check_conditions(assertion: Element, expected: Expected, now_s: float) -> float:
    """Until when they hold; each restriction must name this service (core §2.5.1.4)."""
    conditions = assertion.find(tag("saml:Conditions"))
    if conditions is None:
        raise Refused("it has no conditions")
    begins(conditions, "NotBefore", now_s, expected.leeway_s)
    until_s = ends(conditions, "NotOnOrAfter", now_s)
    restrictions = conditions.findall(tag("saml:AudienceRestriction"))
    if not restrictions or not all(expected.entity_id in texts(each, "saml:Audience") for each in restrictions):
        raise Refused(f"it is for other services than {expected.entity_id} (Audience)")
    return float("inf") if until_s is None else until_s


def _check_statement(assertion: Element, expected: Expected, now_s: float) -> dict[str, Any]:
    statement = assertion.find(tag("saml:AuthnStatement"))
    if statement is None:
        raise Refused("it does not say that somebody logged in (AuthnStatement)")
    begins(statement, "AuthnInstant", now_s, expected.leeway_s)
    return {
        "session_index": _bounded(statement.get("SessionIndex")),
        "session_until_s": ends(statement, "SessionNotOnOrAfter", now_s),
        "authn_context": next(iter(texts(statement, "saml:AuthnContext/saml:AuthnContextClassRef")), None),
    }


def _name_id(assertion: Element) -> dict[str, str] | None:
    found = assertion.find(f"{tag('saml:Subject')}/{tag('saml:NameID')}")
    if found is None or not (value := (found.text or "").strip()):
        return None
    qualifiers = {name: found.get(name) for name in ("Format", "NameQualifier", "SPNameQualifier") if found.get(name)}
    return {"value": str(_bounded(value)), **{name: str(_bounded(text)) for name, text in qualifiers.items()}}


def _attributes(assertion: Element) -> list[dict[str, Any]]:
    """Each with `name`, `friendly_name` and `values`; a name that stands twice has the values of both."""
    found: dict[tuple[str, str | None], list[str]] = {}
    left = _MAX_VALUES
    for attribute in assertion.iterfind(f"{tag('saml:AttributeStatement')}/{tag('saml:Attribute')}"):
        values = found.setdefault((str(_bounded(attribute.get("Name", ""))), _bounded(attribute.get("FriendlyName"))), [])
        for value in attribute.iterfind(tag("saml:AttributeValue")):
            name_id = value.find(tag("saml:NameID"))
            text = ((value if name_id is None else name_id).text or "").strip()
            if text:
                values.append(str(_bounded(text)))
                left -= 1
        if left < 0:
            raise Refused(f"it has more than {_MAX_VALUES} values of attributes: have the provider send fewer")
    return [{"name": name, "friendly_name": friendly, "values": values} for (name, friendly), values in found.items()]


def _bounded(text: str | None) -> str | None:
    if text is not None and len(text) > _MAX_CHARS:
        raise Refused(f"one of its values has more than {_MAX_CHARS} characters")
    return text


def expected_of(document: Mapping[str, Any]) -> Expected:
    """As it comes from the server's process."""
    return Expected(**{**document, "certificates": tuple(document["certificates"])})
