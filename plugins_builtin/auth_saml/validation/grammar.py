"""Which elements may stand in which in the messages that are read: everything else is refused before any signature is looked at.

Left out, though SAML has them, are the places where a signed element can be hidden or the library can be sent elsewhere: `ds:Object`,
`ds:RetrievalMethod`, `xenc:CipherReference`, `saml:Advice`, `samlp:Extensions`; and what is not supported: encrypted names and attributes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .names import tag

_CHILDREN: Final[Mapping[str, str]] = {
    "samlp:Response": "saml:Issuer ds:Signature samlp:Status saml:Assertion saml:EncryptedAssertion",
    "samlp:LogoutRequest": "saml:Issuer ds:Signature saml:NameID samlp:SessionIndex",
    "samlp:LogoutResponse": "saml:Issuer ds:Signature samlp:Status",
    "samlp:Status": "samlp:StatusCode samlp:StatusMessage samlp:StatusDetail",
    "samlp:StatusCode": "samlp:StatusCode",
    "saml:Assertion": "saml:Issuer ds:Signature saml:Subject saml:Conditions saml:AuthnStatement saml:AttributeStatement",
    "saml:Subject": "saml:NameID saml:SubjectConfirmation",
    "saml:SubjectConfirmation": "saml:NameID saml:SubjectConfirmationData",
    "saml:Conditions": "saml:AudienceRestriction saml:OneTimeUse saml:ProxyRestriction",
    "saml:AudienceRestriction": "saml:Audience",
    "saml:ProxyRestriction": "saml:Audience",
    "saml:AuthnStatement": "saml:SubjectLocality saml:AuthnContext",
    "saml:AuthnContext": "saml:AuthnContextClassRef saml:AuthnContextDeclRef saml:AuthenticatingAuthority",
    "saml:AttributeStatement": "saml:Attribute",
    "saml:Attribute": "saml:AttributeValue",
    "saml:AttributeValue": "saml:NameID",
    "saml:EncryptedAssertion": "xenc:EncryptedData",
    "xenc:EncryptedData": "xenc:EncryptionMethod ds:KeyInfo xenc:CipherData",
    "xenc:EncryptedKey": "xenc:EncryptionMethod ds:KeyInfo xenc:CipherData",
    "xenc:EncryptionMethod": "ds:DigestMethod xenc11:MGF",
    "xenc:CipherData": "xenc:CipherValue",
    "ds:Signature": "ds:SignedInfo ds:SignatureValue ds:KeyInfo",
    "ds:SignedInfo": "ds:CanonicalizationMethod ds:SignatureMethod ds:Reference",
    "ds:CanonicalizationMethod": "ec:InclusiveNamespaces",
    "ds:Reference": "ds:Transforms ds:DigestMethod ds:DigestValue",
    "ds:Transforms": "ds:Transform",
    "ds:Transform": "ec:InclusiveNamespaces",
    "ds:X509Data": "ds:X509Certificate ds:X509IssuerSerial ds:X509SubjectName ds:X509SKI",
    "ds:X509IssuerSerial": "ds:X509IssuerName ds:X509SerialNumber",
    "ds:KeyValue": "ds:RSAKeyValue",
    "ds:RSAKeyValue": "ds:Modulus ds:Exponent",
}
_KEY_INFO: Final[Mapping[str, str]] = {
    "ds:Signature": "ds:X509Data ds:KeyName ds:KeyValue",
    "xenc:EncryptedData": "xenc:EncryptedKey",
    "xenc:EncryptedKey": "ds:X509Data ds:KeyName",
}
"""Children of `ds:KeyInfo`, by what it stands in."""


def _tags(names: str) -> frozenset[str]:
    return frozenset(map(tag, names.split()))


CHILDREN: Final = {tag(name): _tags(children) for name, children in _CHILDREN.items()}
KEY_INFO_CHILDREN: Final = {tag(name): _tags(children) for name, children in _KEY_INFO.items()}
ONCE: Final = _tags(
    "saml:Issuer ds:Signature samlp:Status saml:Assertion saml:EncryptedAssertion saml:Subject saml:Conditions saml:AuthnStatement"
    " ds:SignedInfo ds:SignatureValue ds:KeyInfo ds:CanonicalizationMethod ds:SignatureMethod ds:Reference ds:Transforms ds:DigestMethod"
    " ds:DigestValue xenc:EncryptedData xenc:EncryptedKey xenc:EncryptionMethod xenc:CipherData xenc:CipherValue saml:NameID"
)
"""What stands in its parent at most once."""
FOREIGN: Final = _tags("saml:AttributeValue samlp:StatusDetail")
"""Elements that may also hold elements of others' namespaces, which nobody here reads."""
