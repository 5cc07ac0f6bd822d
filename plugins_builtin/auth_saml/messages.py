"""What this service sends: login and logout messages, its metadata; how a redirect or a form carries them (SAML bindings §3.4, §3.5)."""

from __future__ import annotations

import secrets
import zlib
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC
from html import escape as html
from typing import Final
from urllib.parse import quote, urlencode
from xml.sax.saxutils import escape, quoteattr

from mockforge_plugin import Response, now
from mockforge_plugin.login import page

SAML: Final = "urn:oasis:names:tc:SAML:2.0:assertion"
SAMLP: Final = "urn:oasis:names:tc:SAML:2.0:protocol"
_BINDINGS: Final = "urn:oasis:names:tc:SAML:2.0:bindings:"
RSA_SHA256: Final = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
_SUBMIT: Final = "document.forms[0].submit()"


def new_id() -> str:
    """An id that nobody can guess (core §1.3.4)."""
    return f"_{secrets.token_hex(20)}"


def _head(kind: str, id: str, destination: str, entity_id: str, more: str = "") -> str:
    made = now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return (
        f'<samlp:{kind} xmlns:samlp="{SAMLP}" xmlns:saml="{SAML}" ID={quoteattr(id)} Version="2.0" IssueInstant="{made}" '
        f"Destination={quoteattr(destination)}{more}><saml:Issuer>{escape(entity_id)}</saml:Issuer>"
    )


def authn_request(id: str, destination: str, entity_id: str, acs: str, name_id_format: str | None) -> str:
    """Ask the provider to log somebody in (core §3.4.1); the answer is to be posted."""
    more = f' ProtocolBinding="{_BINDINGS}HTTP-POST" AssertionConsumerServiceURL={quoteattr(acs)}'
    policy = "" if name_id_format is None else f'<samlp:NameIDPolicy AllowCreate="true" Format={quoteattr(name_id_format)}/>'
    return f"{_head('AuthnRequest', id, destination, entity_id, more)}{policy}</samlp:AuthnRequest>"


def logout_request(destination: str, entity_id: str, name_id: Mapping[str, str], session_index: str | None) -> str:
    """Tell the provider that somebody has logged out here (core §3.7.1)."""
    qualifiers = "".join(f" {name}={quoteattr(value)}" for name, value in name_id.items() if name != "value")
    index = "" if session_index is None else f"<samlp:SessionIndex>{escape(session_index)}</samlp:SessionIndex>"
    name = f"<saml:NameID{qualifiers}>{escape(name_id['value'])}</saml:NameID>"
    return f"{_head('LogoutRequest', new_id(), destination, entity_id)}{name}{index}</samlp:LogoutRequest>"


def logout_response(destination: str, entity_id: str, request_id: str) -> str:
    """Tell the provider that the logout it asked for is done (core §3.7.2)."""
    head = _head("LogoutResponse", new_id(), destination, entity_id, f" InResponseTo={quoteattr(request_id)}")
    status = '<samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status>'
    return f"{head}{status}</samlp:LogoutResponse>"


def service_metadata(
    entity_id: str, acs: str, slo: str | None, certificate: str | None, *, assertions_signed: bool, name_id_format: str | None
) -> str:
    """What providers are to know of this service (metadata §2.4.4)."""
    flags = f' AuthnRequestsSigned="{str(certificate is not None).lower()}" WantAssertionsSigned="{str(assertions_signed).lower()}"'
    body = "".join(line for line in (certificate or "").splitlines() if "CERTIFICATE" not in line)
    info = f"<ds:KeyInfo><ds:X509Data><ds:X509Certificate>{escape(body)}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>"
    keys = (
        ""
        if certificate is None
        else "".join(f'<md:KeyDescriptor use="{use}">{info}</md:KeyDescriptor>' for use in ("signing", "encryption"))
    )
    logout = "" if slo is None else "".join(
        f'<md:SingleLogoutService Binding="{_BINDINGS}HTTP-{binding}" Location={quoteattr(slo)}/>' for binding in ("Redirect", "POST")
    )  # fmt: skip
    format_ = "" if name_id_format is None else f"<md:NameIDFormat>{escape(name_id_format)}</md:NameIDFormat>"
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" xmlns:ds="http://www.w3.org/2000/09/xmldsig#" '
        f'entityID={quoteattr(entity_id)}><md:SPSSODescriptor protocolSupportEnumeration="{SAMLP}"{flags}>{keys}{logout}{format_}'
        f'<md:AssertionConsumerService Binding="{_BINDINGS}HTTP-POST" Location={quoteattr(acs)} index="0" isDefault="true"/>'
        "</md:SPSSODescriptor></md:EntityDescriptor>\n"
    )


def redirect_query(kind: str, message: str, relay_state: str | None, *, is_signed: bool) -> str:
    """The query that carries a message; `kind` is SAMLRequest or SAMLResponse. Its signature is put behind it."""
    deflate = zlib.compressobj(wbits=-15)
    data = b64encode(deflate.compress(message.encode()) + deflate.flush()).decode()
    pairs = [
        (kind, data),
        *([] if relay_state is None else [("RelayState", relay_state)]),
        *([("SigAlg", RSA_SHA256)] if is_signed else []),
    ]
    return urlencode(pairs)


def with_query(url: str, query: str, signature: str | None) -> str:
    """The address with a query and the signature over it."""
    signed = query if signature is None else f"{query}&Signature={quote(signature, safe='')}"
    return f"{url}{'&' if '?' in url else '?'}{signed}"


def form_page(url: str, kind: str, message: str, relay_state: str | None, headers: list[tuple[str, str]]) -> Response:
    """A page that posts a message to the provider by itself, or when its button is pressed."""
    pairs = [(kind, b64encode(message.encode()).decode()), *([] if relay_state is None else [("RelayState", relay_state)])]
    fields = "".join(f'<input type="hidden" name="{name}" value="{html(value)}">' for name, value in pairs)
    body = f'<form method="post" action="{html(url)}">{fields}<button>Continue</button></form>'
    kept = [pair for pair in headers if pair[0] not in ("cache-control", "referrer-policy")]
    return page("To the identity provider", body, headers=kept, form_targets=None, script=_SUBMIT)
