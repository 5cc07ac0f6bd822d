"""Configurations that are refused, with what is said of them; and that no error tells a secret."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from mockforge_asgi.errors import ConfigError
from plugins_builtin.auth_jwt.tests.tokens import AUDIENCE, ISSUER, WEAK, numbers, pem, public, rsa
from tests.support.guarded import guarded

URL = "https://idp.example/jwks"
REMOTE = {"jwks_url": URL, "issuer": ISSUER, "audience": AUDIENCE}
KEY = {"jwk": public(rsa())}

WRONG: list[tuple[str, Mapping[str, Any], str]] = [
    ("no key", {}, "there is no key to verify tokens with. Write `jwks_url:` (the provider's keys) or `keys:` (your own)"),
    ("no issuer", {"jwks_url": URL, "audience": "x"}, "a provider signs for several issuers with one key. Name the `iss` of your tokens"),
    ("no audience", {"jwks_url": URL, "issuer": ISSUER}, "Name the `aud` of your tokens, or write `any_audience: true`"),
    ("plain http", {**REMOTE, "jwks_url": "http://idp.example/jwks"}, "over plain http whoever is on the way can give keys of their own"),
    ("no address", {**REMOTE, "jwks_url": "idp.example/jwks"}, "'idp.example/jwks' is not an http or https URL"),
    ("a file", {**REMOTE, "jwks_url": "file:///etc/passwd"}, "is not an http or https URL"),
    ("a password in the address", {**REMOTE, "jwks_url": "https://u:p@idp.example/jwks"}, "the URL has a user in it"),
    ("times", {**REMOTE, "jwks_times": {"fresh_min_s": 100, "fresh_max_s": 10}}, "it is larger than fresh_max_s"),
    ("any audience and one", {**REMOTE, "any_audience": True}, "it contradicts `audience`"),
    ("a misspelt name", {**REMOTE, "audiences": "x"}, "audience"),
    ("none", {"keys": [KEY], "algorithms": ["none"]}, "none"),
    ("key of two kinds", {"keys": [{**KEY, "secret": "jwt_secret"}]}, "it must have exactly one of `secret` (HMAC)"),
    ("key of no kind", {"keys": [{"alg": "RS256"}]}, "it must have exactly one of"),
    ("secret without algorithm", {"keys": [{"secret": "jwt_secret"}]}, "a secret is for HMAC: write HS256, HS384 or HS512"),
    ("secret for RS256", {"keys": [{"secret": "jwt_secret", "alg": "RS256"}]}, "a secret is for HMAC"),
    ("secret not allowed", {"keys": [{"secret": "jwt_secret", "alg": "HS256"}], "algorithms": ["RS256"]}, "HS256 is not among"),
    ("HMAC with a public key", {"keys": [{"pem": pem(rsa()), "alg": "HS256"}]}, "HMAC with a public key lets everybody sign"),
    ("weak key", {"keys": [{"jwk": numbers(WEAK)}]}, "its modulus has 1024 bits"),
    ("private JWK", {"keys": [{"jwk": rsa().as_dict(private=True)}]}, "it is a private or secret key"),
    ("private PEM", {"keys": [{"pem": rsa().as_pem(private=True).decode()}]}, "it is a private key, which only the issuer may have"),
    ("secret JWK", {"keys": [{"jwk": {"kty": "oct", "k": "c2VjcmV0"}}]}, "it is a private or secret key"),
    ("algorithm of another type", {"keys": [{"jwk": public(rsa()), "alg": "ES256"}]}, "its `alg` is not one of its type"),
    ("algorithms of another type", {"keys": [KEY], "algorithms": ["ES256"]}, "is among the allowed `algorithms`"),
    ("dots in a name", {"keys": [KEY], "roles": ["https://x.example/roles"]}, 'Write a name that has dots as a list: [["https://x.example/roles"]]'),
    ("an empty part", {"keys": [KEY], "roles": ["realm_access..roles"]}, "a part of the path is empty"),
    ("rfc9068 without audience", {"keys": [KEY], "rfc9068": True}, "RFC 9068 tokens are checked against it"),
    ("rfc9068 and typ", {**REMOTE, "rfc9068": True, "typ": ["JWT"]}, "Leave `typ` out"),
    ("token too long", {"keys": [KEY], "max_token_bytes": 1 << 20}, "max_token_bytes"),
    ("realm with quotes", {"keys": [KEY], "realm": 'a"b'}, "realm"),
]  # fmt: skip


@pytest.mark.parametrize(("config", "words"), [pytest.param(config, words, id=name) for name, config, words in WRONG])
async def test_a_wrong_configuration_is_refused_in_words(config: Mapping[str, Any], words: str) -> None:
    with pytest.raises((RuntimeError, ConfigError)) as refused:
        async with guarded("auth-jwt", config, secrets={"jwt_secret": "x" * 64}):
            pass
    assert words in str(refused.value)
    assert "PRIVATE" not in str(refused.value)


async def test_a_short_secret_is_refused_and_not_told() -> None:
    config = {"keys": [{"secret": "jwt_secret", "alg": "HS256"}]}
    with pytest.raises(RuntimeError) as refused:
        async with guarded("auth-jwt", config, secrets={"jwt_secret": "correct horse"}):
            pass
    assert "keys[0], secret 'jwt_secret': it has 13 bytes, and HS256 wants 32 at least (RFC 7518 §3.2)" in str(refused.value)
    assert "correct horse" not in str(refused.value)
