"""Certificates and keys: what may be used, and signatures over the query of a redirect (SAML bindings §3.4.4.1)."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.x509 import load_der_x509_certificate, load_pem_x509_certificate

from .names import DSIG_MORE

_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}
_LEAST_BITS: Final = 2048


class BadKey(ValueError):
    """A key or certificate that cannot be used; says why."""


def certificate_pem(text: str) -> str:
    """A certificate as PEM, from base64 as metadata has it. Its dates count for nothing: it only carries a key. Raises BadKey."""
    try:
        certificate = load_der_x509_certificate(b64decode("".join(text.split()), validate=True))
        key = certificate.public_key()
    except (ValueError, binascii.Error) as error:
        raise BadKey(f"a certificate cannot be read: {error!s:.100}") from None
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < _LEAST_BITS:
        raise BadKey(f"a certificate's RSA key has only {key.key_size} bits; {_LEAST_BITS} are the least")
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        raise BadKey("a certificate's key is neither RSA nor of an elliptic curve")
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def own_pair_problem(private_key: str, certificate: str) -> str | None:
    """What is wrong with this service's own key and certificate."""
    try:
        key = serialization.load_pem_private_key(private_key.encode(), None)
    except (ValueError, TypeError):
        return "the private key is not PEM without a password"
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size < _LEAST_BITS:
        return f"the private key must be RSA with {_LEAST_BITS} bits or more, which providers can encrypt for"
    try:
        public = load_pem_x509_certificate(certificate.encode()).public_key()
    except ValueError:
        return "the certificate is not PEM"
    return None if public == key.public_key() else "the certificate is for another key"


def signed_query(query: str, private_key: str) -> bytes:
    """The signature (RSA, SHA-256) over a query."""
    return _own_key(private_key).sign(query.encode(), padding.PKCS1v15(), hashes.SHA256())


@lru_cache(maxsize=8)
def _own_key(private_key: str) -> rsa.RSAPrivateKey:
    """Reading one takes a hundred times as long as signing with it."""
    key = serialization.load_pem_private_key(private_key.encode(), None)
    assert isinstance(key, rsa.RSAPrivateKey), "checked when the plugin started"
    return key


def is_signed_by(certificates: Iterable[str], query: bytes, algorithm: str, signature: bytes) -> bool:
    """Whether one of the certificates' keys has signed a query; the algorithm is one of `names.SIGNATURES`."""
    kind, _, digest = algorithm.removeprefix(DSIG_MORE).partition("-")
    return any(_is_signed(certificate, query, kind, _HASHES[digest], signature) for certificate in certificates)


def _is_signed(certificate: str, query: bytes, kind: str, digest: hashes.HashAlgorithm, signature: bytes) -> bool:
    key = load_pem_x509_certificate(certificate.encode()).public_key()
    try:
        if isinstance(key, rsa.RSAPublicKey) and kind == "rsa":
            key.verify(signature, query, padding.PKCS1v15(), digest)
            return True
        if isinstance(key, ec.EllipticCurvePublicKey) and kind == "ecdsa":
            half = len(signature) // 2  # r and s beside each other (RFC 4051 §2.3.6)
            both = (int.from_bytes(signature[:half]), int.from_bytes(signature[half:]))
            key.verify(encode_dss_signature(*both), query, ec.ECDSA(digest))
            return True
    except InvalidSignature:
        pass
    return False
