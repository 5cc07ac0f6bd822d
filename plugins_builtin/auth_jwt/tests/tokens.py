"""Keys and tokens of the tests; forgeries are put together by hand, since no library makes them."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from functools import cache
from typing import Any

from joserfc import jwk
from joserfc.jws import JWSRegistry

ISSUER, AUDIENCE = "https://idp.example", "https://orders.example"


def rsa(kid: str | None = "main") -> jwk.RSAKey:
    """The RSA key of that name."""
    return _rsa(kid)


@cache
def _rsa(kid: str | None) -> jwk.RSAKey:
    return jwk.RSAKey.generate_key(2048, {"kid": kid} if kid else {})


def numbers(n: int, e: int = 65537, **more: Any) -> dict[str, Any]:
    """A public RSA key of those numbers, as JWK."""
    return {"kty": "RSA", "n": b64(n.to_bytes((n.bit_length() + 7) // 8)), "e": b64(e.to_bytes((e.bit_length() + 7) // 8 or 1)), **more}


WEAK = (1 << 1023) + 12345
"""A modulus of 1024 bits."""


@cache
def ec(curve: str = "P-256", kid: str = "curve") -> jwk.ECKey:
    """An EC key."""
    return jwk.ECKey.generate_key(curve, {"kid": kid})


@cache
def okp(curve: str = "Ed25519", kid: str = "edwards") -> jwk.OKPKey:
    """An EdDSA key."""
    return jwk.OKPKey.generate_key(curve, {"kid": kid})  # type: ignore[arg-type]


def pem(key: Any) -> str:
    """Its public half."""
    return str(key.as_pem(private=False).decode())


def public(key: Any, **more: Any) -> dict[str, Any]:
    """Its public half as JWK."""
    return {**key.as_dict(private=False), **more}


def claims(**changes: Any) -> dict[str, Any]:
    """What a good token says; None leaves a claim out."""
    now = int(time.time())
    whole = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "iat": now, "exp": now + 3600, **changes}
    return {name: value for name, value in whole.items() if value is not None}


def sign(key: Any, content: Mapping[str, Any] | bytes | None = None, **header: Any) -> str:
    """A token that the key signed; by default RS256 and its own name."""
    head = {"alg": "RS256", "kid": key.kid, **header}
    head = {name: value for name, value in head.items() if value is not None}
    text = content if isinstance(content, bytes) else json.dumps(claims() if content is None else content).encode()
    signed = f"{b64(head)}.{b64(text)}"
    return f"{signed}.{b64(JWSRegistry.algorithms[head['alg']].sign(signed.encode(), key))}"


def b64(data: bytes | str | Mapping[str, Any]) -> str:
    """Base64url of bytes, text or JSON."""
    if isinstance(data, Mapping):
        data = json.dumps(data)
    return urlsafe_b64encode(data.encode() if isinstance(data, str) else data).rstrip(b"=").decode()


def forge(header: Mapping[str, Any] | str | bytes, content: Mapping[str, Any] | str | bytes | None = None, signature: bytes = b"") -> str:
    """A token of those parts, whatever they are."""
    return f"{b64(header)}.{b64(claims() if content is None else content)}.{b64(signature)}"


def hmac_forge(header: Mapping[str, Any], secret: bytes, content: Mapping[str, Any] | None = None, digest: str = "sha256") -> str:
    """A token with an HMAC of it."""
    signed = forge(header, content).rsplit(".", 1)[0]
    return f"{signed}.{b64(hmac.new(secret, signed.encode(), getattr(hashlib, digest)).digest())}"


def dpop_proof(url: str) -> str:
    """A proof of possession for a request to a provider (RFC 9449 §4.2)."""
    key = ec()
    content = {"jti": str(time.time_ns()), "htm": "POST", "htu": url, "iat": int(time.time())}
    return sign(key, content, alg="ES256", kid=None, typ="dpop+jwt", jwk=public(key))
