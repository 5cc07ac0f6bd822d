"""Names of SAML 2.0 and of what it stands on: namespaces, algorithms, statuses."""

from __future__ import annotations

from typing import Final

SAML: Final = "urn:oasis:names:tc:SAML:2.0:assertion"
SAMLP: Final = "urn:oasis:names:tc:SAML:2.0:protocol"
MD: Final = "urn:oasis:names:tc:SAML:2.0:metadata"
DS: Final = "http://www.w3.org/2000/09/xmldsig#"
XENC: Final = "http://www.w3.org/2001/04/xmlenc#"
XENC11: Final = "http://www.w3.org/2009/xmlenc11#"
EC: Final = "http://www.w3.org/2001/10/xml-exc-c14n#"
DSIG_MORE: Final = "http://www.w3.org/2001/04/xmldsig-more#"
XML: Final = "http://www.w3.org/XML/1998/namespace"

PREFIXES: Final = {"saml": SAML, "samlp": SAMLP, "md": MD, "ds": DS, "xenc": XENC, "xenc11": XENC11, "ec": EC}

REDIRECT: Final = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
POST: Final = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
BEARER: Final = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
SUCCESS: Final = "urn:oasis:names:tc:SAML:2.0:status:Success"

ENVELOPED: Final = f"{DS}enveloped-signature"
RSA_SHA256: Final = f"{DSIG_MORE}rsa-sha256"
SIGNATURES: Final = frozenset(f"{DSIG_MORE}{key}-{digest}" for key in ("rsa", "ecdsa") for digest in ("sha256", "sha384", "sha512"))
"""No SHA-1, MD5 or RIPEMD, and no HMAC, with which whoever can verify can sign."""
DIGESTS: Final = frozenset({f"{XENC}sha256", f"{DSIG_MORE}sha384", f"{XENC}sha512"})
GCM: Final = frozenset(f"{XENC11}aes{bits}-gcm" for bits in (128, 192, 256))
CBC: Final = frozenset(f"{XENC}aes{bits}-cbc" for bits in (128, 192, 256))
OAEP: Final = frozenset({f"{XENC}rsa-oaep-mgf1p", f"{XENC11}rsa-oaep"})
"""Not RSA with PKCS #1 v1.5 padding, which can be decrypted by whoever may try often (Bleichenbacher)."""
OAEP_DIGESTS: Final = DIGESTS | {f"{DS}sha1"}
"""SHA-1 within OAEP is the default of XML Encryption 1.0, and not where it is weak."""


def tag(name: str) -> str:
    """`saml:Assertion` as lxml writes it."""
    prefix, _, local = name.partition(":")
    return f"{{{PREFIXES[prefix]}}}{local}"
