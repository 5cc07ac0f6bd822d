"""Keys that signatures are verified with, each for algorithms of its own type alone; weak ones and private ones are refused.

A key's algorithms are the one that it names, or those that its type has, and never any that the operator did not allow.

The same file stands in every built-in plugin that verifies signatures; a test keeps them alike.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from cryptography.x509 import load_pem_x509_certificate
from joserfc.jwk import ECKey, Key, OctKey, OKPKey, RSAKey

from mockforge_plugin import Json

RSA_ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
HMAC_BYTES: Final = {"HS256": 32, "HS384": 48, "HS512": 64}
"""RFC 7518 §3.2: a secret is at least as long as the hash."""
ASYMMETRIC: Final = (*RSA_ALGORITHMS, "ES256", "ES384", "ES512", "EdDSA", "Ed25519", "Ed448")
_OF_CURVE: Final = {
    "P-256": ("ES256",),
    "P-384": ("ES384",),
    "P-521": ("ES512",),
    "Ed25519": ("EdDSA", "Ed25519"),
    "Ed448": ("EdDSA", "Ed448"),
}
_TYPES: Final[Mapping[str, type[RSAKey] | type[ECKey] | type[OKPKey]]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
_PUBLIC: Final = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x")}
_RSA_BITS: Final = (2048, 8192)
_MAX_MEMBER: Final = 1400
"""Characters of a modulus of 8192 bits."""
_MAX_CANDIDATES: Final = 8

_P25519: Final = 2**255 - 19
_P448: Final = 2**448 - 2**224 - 1
_Y8: Final = int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little")
_LOW_ORDER: Final = {
    "Ed25519": (_P25519, frozenset({0, 1, _P25519 - 1, _Y8, _P25519 - _Y8})),
    "Ed448": (_P448, frozenset({0, 1, _P448 - 1})),
}
"""Of each curve the prime, and the y of points of low order: as a public key one of them verifies signatures over anything."""


class BadKey(ValueError):
    """What is wrong with a key, in words for the operator."""


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """A key, its name, and the algorithms that it may be used with."""

    kid: str | None
    algorithms: frozenset[str]
    key: Key
    print: str = field(default="", compare=False)
    """What tells it from every other, where it is public."""


@dataclass(frozen=True, slots=True)
class KeySet:
    """Keys, found by algorithm and name."""

    keys: tuple[VerifyingKey, ...] = ()

    @property
    def identity(self) -> frozenset[tuple[str | None, frozenset[str], str]]:
        """Equal for two sets that verify the same tokens."""
        return frozenset((key.kid, key.algorithms, key.print) for key in self.keys)

    @property
    def algorithms(self) -> frozenset[str]:
        """All that one of the keys is for."""
        return frozenset().union(*(key.algorithms for key in self.keys))

    def candidates(self, algorithm: str, kid: str | None) -> tuple[VerifyingKey, ...]:
        """The keys that may have signed: of that algorithm, and of that name where both are named."""
        return tuple(k for k in self.keys if algorithm in k.algorithms and (kid is None or k.kid is None or k.kid == kid))[:_MAX_CANDIDATES]

    def knows(self, kid: str | None) -> bool:
        """Whether a key has that name."""
        return any(key.kid == kid for key in self.keys)


def key_of_jwk(jwk: Json, allowed: Collection[str] | None) -> VerifyingKey:
    """The public key of a JWK (RFC 7517); its private half, if somebody published it, is left out.

    `allowed` None: what its type has, RS256 for RSA.

    Raises BadKey.
    """
    if not isinstance(jwk, Mapping) or not all(isinstance(jwk.get(name, ""), str) for name in ("kty", "kid", "alg", "use")):
        raise BadKey("it is not a JWK")
    kind = jwk.get("kty", "")
    if kind == "oct":
        raise BadKey("it is symmetric: whoever can read it can sign. Name an HMAC secret with `secret:`")
    if kind not in _TYPES:
        raise BadKey("its `kty` is none of RSA, EC and OKP")
    if jwk.get("use", "sig") != "sig" or not _may_verify(jwk.get("key_ops")):
        raise BadKey("it is not meant for signatures")
    members = {name: jwk.get(name) for name in _PUBLIC[kind]}
    if not all(isinstance(value, str) and 0 < len(value) <= _MAX_MEMBER for value in members.values()):
        raise BadKey(f"it lacks one of {', '.join(members)}, or one is too long")
    if kind == "RSA":
        _check_rsa(RSAPublicNumbers(_number(jwk["e"]), _number(jwk["n"])))
    return _checked(_imported(kind, {"kty": kind, **members}), jwk.get("kid"), jwk.get("alg"), allowed)


def key_of_pem(pem: str, kid: str | None, algorithm: str | None, allowed: Collection[str] | None) -> VerifyingKey:
    """The public key of PEM text, or of a certificate. Raises BadKey."""
    if "PRIVATE KEY" in pem:
        raise BadKey("it is a private key, which only the issuer may have. Take its public half: openssl pkey -in FILE -pubout")
    if "-----BEGIN " not in pem:
        raise BadKey("it is not PEM text, whose first line says BEGIN PUBLIC KEY or BEGIN CERTIFICATE between dashes")
    try:
        data = pem.encode()
        raw = load_pem_x509_certificate(data).public_key() if "CERTIFICATE" in pem else load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm):
        raise BadKey("it cannot be read as PEM text of a public key or certificate") from None
    if isinstance(raw, RSAPublicKey):
        _check_rsa(raw.public_numbers())
        return _checked(_imported("RSA", raw), kid, algorithm, allowed)
    kind = "EC" if isinstance(raw, EllipticCurvePublicKey) else "OKP"
    return _checked(_imported(kind, raw), kid, algorithm, allowed)


def key_of_secret(secret: bytes, kid: str | None, algorithm: str) -> VerifyingKey:
    """An HMAC secret, for that algorithm alone. Raises BadKey."""
    least = HMAC_BYTES[algorithm]
    if len(secret) < least:
        raise BadKey(
            f"it has {len(secret)} bytes, and {algorithm} wants {least} at least (RFC 7518 §3.2). Make one: openssl rand -base64 48"
        )
    try:
        return VerifyingKey(kid, frozenset({algorithm}), OctKey.import_key(secret))
    except Exception:  # the library's own words may quote the secret
        raise BadKey("it is a public key: whoever can read it can sign. Give it as `pem_secret:`, `pem:` or `jwk:`") from None


def usable_keys(jwks: Json, allowed: Collection[str] | None, most: int = 100) -> tuple[KeySet, list[str]]:
    """The keys of a JWK set that can be used, and why others cannot (RFC 7517 §5: those are passed over). Raises BadKey."""
    keys = jwks.get("keys") if isinstance(jwks, Mapping) else None
    if not isinstance(keys, list):
        raise BadKey("it is not a JWK set: it has no list `keys`")
    if len(keys) > most:
        raise BadKey(f"it has more than {most} keys")
    good, bad = [], []
    for number, jwk in enumerate(keys):
        try:
            good.append(key_of_jwk(jwk, allowed))
        except BadKey as error:
            bad.append(f"keys[{number}]: {error}")
    return KeySet(tuple(good)), bad


def _may_verify(operations: Json) -> bool:
    return operations is None or (isinstance(operations, Iterable) and "verify" in operations)


def _imported(kind: str, material: Any) -> RSAKey | ECKey | OKPKey:
    try:
        return _TYPES[kind].import_key(material)
    except Exception as error:  # the library's, and those of the libraries below it
        raise BadKey(f"it cannot be read as a key of type {kind} ({type(error).__name__})") from None


def _checked(key: RSAKey | ECKey | OKPKey, kid: str | None, algorithm: str | None, allowed: Collection[str] | None) -> VerifyingKey:
    if isinstance(key, RSAKey):
        possible: Collection[str] = RSA_ALGORITHMS
        default: Collection[str] = ("RS256",)
    else:
        possible = default = _OF_CURVE.get(key.curve_name, ())
        if not possible:
            raise BadKey(f"its curve {key.curve_name} is not for signatures")
        if isinstance(key, OKPKey):
            _check_order(key)
    if algorithm is not None and algorithm not in possible:
        raise BadKey(f"its `alg` is not one of its type: {', '.join(possible)}")
    chosen = default if allowed is None else [name for name in possible if name in allowed]
    if algorithm is not None:
        same = possible if not isinstance(key, RSAKey) else (algorithm,)
        chosen = [name for name in same if allowed is None or name in allowed]
    if not chosen:
        raise BadKey(f"none of its algorithms ({algorithm or ', '.join(possible)}) is among the allowed `algorithms`")
    return VerifyingKey(kid, frozenset(chosen), key, key.thumbprint())


def _number(text: str) -> int:
    try:
        return int.from_bytes(urlsafe_b64decode(text + "=" * (-len(text) % 4)), "big")
    except ValueError:
        raise BadKey("one of its numbers is not base64url") from None


def _check_rsa(numbers: RSAPublicNumbers) -> None:
    """Before the key is made: the library would make a weak one, with a warning."""
    least, most = _RSA_BITS
    if not least <= numbers.n.bit_length() <= most:
        raise BadKey(f"its modulus has {numbers.n.bit_length()} bits; {least} to {most} are accepted")
    if numbers.e < 3 or numbers.e % 2 == 0 or numbers.e.bit_length() > 64:
        raise BadKey("its public exponent is none that RSA keys have")


def _check_order(key: OKPKey) -> None:
    prime, low = _LOW_ORDER[key.curve_name]
    raw = bytearray(key.public_key.public_bytes_raw())
    raw[-1] &= 0x7F
    if int.from_bytes(raw, "little") % prime in low:
        raise BadKey("it is a point of low order, with which anybody can sign anything")
