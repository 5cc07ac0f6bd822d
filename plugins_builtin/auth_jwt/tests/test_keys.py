"""Keys: which are taken, with which algorithms, and why others are not."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from plugins_builtin.auth_jwt.keys import ASYMMETRIC, BadKey, KeySet, key_of_jwk, key_of_pem, key_of_secret
from plugins_builtin.auth_jwt.tests.tokens import WEAK, b64, ec, numbers, okp, pem, public, rsa

N = int.from_bytes(b"\xc5" * 256, "big") | 1


@pytest.mark.parametrize(("jwk", "allowed", "algorithms"), [
    (public(rsa()), None, {"RS256"}),
    (public(rsa(), alg="PS512"), None, {"PS512"}),
    (public(rsa()), ["RS256", "PS256", "ES256"], {"RS256", "PS256"}),
    (public(rsa(), alg="RS256"), ASYMMETRIC, {"RS256"}),
    (public(ec()), None, {"ES256"}),
    (public(ec("P-384")), ASYMMETRIC, {"ES384"}),
    (public(okp()), None, {"EdDSA", "Ed25519"}),
    (public(okp(), alg="Ed25519"), ["EdDSA"], {"EdDSA"}),
    (public(okp("Ed448"), alg="EdDSA"), None, {"EdDSA", "Ed448"}),
])  # fmt: skip
def test_a_key_is_for_algorithms_of_its_type_and_its_own_name(jwk: dict[str, Any], allowed: Any, algorithms: set[str]) -> None:
    assert key_of_jwk(jwk, allowed).algorithms == algorithms


LOW = [bytes(32), bytes([1, *[0] * 31]), bytes.fromhex("ec" + "ff" * 30 + "7f"), bytes.fromhex("ed" + "ff" * 30 + "ff"),
       bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
       bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa")]  # fmt: skip

LOW_ORDER = "it is a point of low order, with which anybody can sign anything"
EXPONENT = "its public exponent is none that RSA keys have"
NOT_RSA = "its `alg` is not one of its type: RS256, RS384, RS512, PS256, PS384, PS512"

UNFIT: list[tuple[str, Any, str]] = [
    ("RSA of 1024 bits", numbers(WEAK), "its modulus has 1024 bits; 2048 to 8192 are accepted"),
    ("RSA of 16384 bits", numbers(1 << 16383), "it lacks one of n, e, or one is too long"),
    ("RSA, exponent 1", numbers(N, 1), EXPONENT),
    ("RSA, exponent 2", numbers(N, 2), EXPONENT),
    ("RSA, exponent 0", numbers(N, 0), EXPONENT),
    ("RSA, exponent huge", numbers(N, (1 << 1024) + 1), EXPONENT),
    ("RSA, not base64", {"kty": "RSA", "n": "é", "e": "AQAB"}, "one of its numbers is not base64url"),
    ("RSA for ES256", public(rsa(), alg="ES256"), NOT_RSA),
    ("RSA for HS256", public(rsa(), alg="HS256"), NOT_RSA),
    ("RSA for none", public(rsa(), alg="none"), NOT_RSA),
    ("P-256 for ES384", public(ec(), alg="ES384"), "its `alg` is not one of its type: ES256"),
    ("off the curve", {**public(ec()), "y": b64(b"\x01" * 32)}, "it cannot be read as a key of type EC (ValueError)"),
    ("secp256k1", {**public(ec()), "crv": "secp256k1"}, "it cannot be read as a key of type EC (ValueError)"),
    ("unknown curve", {**public(ec()), "crv": "P-1"}, "it cannot be read as a key of type EC (KeyError)"),
    ("X25519", public(okp(), crv="X25519"), "its curve X25519 is not for signatures"),
    ("Ed25519, too short", {"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}, "it cannot be read as a key of type OKP (ValueError)"),
    ("symmetric", {"kty": "oct", "k": "c2VjcmV0"}, "it is symmetric: whoever can read it can sign. Name an HMAC secret with `secret:`"),
    ("for encryption", public(rsa(), use="enc"), "it is not meant for signatures"),
    ("for signing only", public(rsa(), key_ops=["sign"]), "it is not meant for signatures"),
    ("no type", {"n": "x"}, "its `kty` is none of RSA, EC and OKP"),
    ("type a list", {"kty": ["RSA"]}, "it is not a JWK"),
    ("kid a number", public(rsa(), kid=7), "it is not a JWK"),
    ("a text", "RSA", "it is not a JWK"),
    *((f"Ed25519 of low order {n}", {"kty": "OKP", "crv": "Ed25519", "x": b64(x)}, LOW_ORDER) for n, x in enumerate(LOW)),
    ("Ed448 of low order", {"kty": "OKP", "crv": "Ed448", "x": b64(bytes([1, *[0] * 56]))}, LOW_ORDER),
]  # fmt: skip


@pytest.mark.parametrize(("jwk", "words"), [pytest.param(jwk, words, id=name) for name, jwk, words in UNFIT])
def test_an_unfit_key_is_refused(jwk: Any, words: str) -> None:
    with pytest.raises(BadKey) as refused:
        key_of_jwk(jwk, None)
    assert str(refused.value) == words


def test_a_private_key_that_somebody_published_verifies_and_does_not_sign() -> None:
    key = key_of_jwk(rsa().as_dict(private=True), None).key
    assert not key.is_private


def test_pem_of_a_private_key_and_of_other_things_is_refused() -> None:
    other = dsa.generate_private_key(2048).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    for text in (
        rsa().as_pem(private=True).decode(),
        "ssh-rsa AAAA",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
        other,
        "",
    ):
        with pytest.raises(BadKey):
            key_of_pem(text, None, None, None)


@pytest.mark.parametrize(("secret", "algorithm"), [(b"x" * 31, "HS256"), (b"x" * 47, "HS384"), (b"x" * 63, "HS512"), (b"", "HS256")])
def test_a_secret_shorter_than_its_hash_is_refused(secret: bytes, algorithm: str) -> None:
    with pytest.raises(BadKey) as refused:
        key_of_secret(secret, None, algorithm)
    assert f"it has {len(secret)} bytes" in str(refused.value)


def test_a_public_key_is_no_secret() -> None:
    with pytest.raises(BadKey):
        key_of_secret(pem(rsa()).encode(), None, "HS256")


def test_a_token_without_a_name_is_tried_with_few_keys() -> None:
    keys = KeySet(tuple(key_of_jwk(public(rsa(), kid=str(n)), None) for n in range(50)))
    assert len(keys.candidates("RS256", None)) == 8
    assert [key.kid for key in keys.candidates("RS256", "49")] == ["49"]
