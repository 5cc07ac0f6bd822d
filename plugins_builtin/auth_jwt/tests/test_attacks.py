"""Attacks on tokens, each with its outcome. None of them passes; the words are those that the caller gets."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from plugins_builtin.auth_jwt.tests.tokens import AUDIENCE, ISSUER, b64, claims, ec, forge, hmac_forge, okp, pem, public, rsa, sign
from tests.support.guarded import ask, guarded

SECRET = "an HMAC secret of this service, long enough for all"
CONFIG: dict[str, Any] = {
    "keys": [
        {"jwk": public(rsa()), "alg": "RS256"},
        {"jwk": public(ec())},
        {"jwk": public(okp())},
        {"secret": "jwt_secret", "alg": "HS256", "kid": "shared"},
    ],
    "issuer": ISSUER,
    "audience": AUDIENCE,
}
BY_WAY = "the token is signed in a way that is not accepted here"
BY_KEY = "the signature of the token is not that of a key that is trusted here"
HEADER = "the header of the token cannot be read"
ISSUED_BY = "the token is from an issuer that is not accepted here"
AUD = "the token is meant for another audience"
BOUND = "the token is bound to a key of its owner and must not be taken for a bearer token"
ENCRYPTED = "the token is encrypted, which is not supported here"
LETTERS = "the token has characters that no bearer token has, or is empty"
TIME = "a time in the token is not a number of seconds since 1970"
EXTENSION = "the token wants an extension that is not supported here"
TYPE = "the token is not of a type that is accepted here"
CONTENT = "the content of the token is refused: "
EVIL = rsa("evil")
SHARED = SECRET.encode()


def duplicated() -> bytes:
    """Two subjects, of which readers take the one or the other."""
    return json.dumps(claims()).replace('"sub": "ada"', '"sub": "ada", "sub": "root"').encode()


def resigned(token: str, **header: Any) -> str:
    """A good token's signature under another header."""
    _, content, signature = token.split(".")
    return f"{b64(header)}.{content}.{signature}"


def altered(token: str, content: dict[str, Any]) -> str:
    """A good token's signature under other claims."""
    header, _, signature = token.split(".")
    return f"{header}.{b64(content)}.{signature}"


def now() -> int:
    return int(time.time())


ATTACKS: list[tuple[str, Callable[[], str], str]] = [
    ("alg none", lambda: forge({"alg": "none"}), BY_WAY),
    ("alg none, with a signature", lambda: resigned(sign(rsa()), alg="none", kid="main"), BY_WAY),
    ("alg None", lambda: forge({"alg": "None"}), BY_WAY),
    ("alg NONE", lambda: forge({"alg": "NONE"}), BY_WAY),
    ("alg nOnE", lambda: forge({"alg": "nOnE"}), BY_WAY),
    ("alg 'none ' with a blank", lambda: forge({"alg": "none "}), BY_WAY),
    ("alg empty", lambda: forge({"alg": ""}), BY_WAY),
    ("alg null", lambda: forge({"alg": None}), HEADER),
    ("alg a list", lambda: forge({"alg": ["RS256", "none"]}), HEADER),
    ("alg left out", lambda: forge({"typ": "JWT"}), HEADER),
    ("alg rs256 in small letters", lambda: resigned(sign(rsa()), alg="rs256", kid="main"), BY_WAY),
    ("alg twice, the second none", lambda: forge('{"alg":"RS256","alg":"none"}'), HEADER),
    ("no signature", lambda: sign(rsa()).rsplit(".", 1)[0] + ".", BY_KEY),
    ("signature of other claims", lambda: altered(sign(rsa()), claims(sub="root")), BY_KEY),
    ("HS256 with the RSA key's PEM as secret", lambda: hmac_forge({"alg": "HS256", "kid": "main"}, pem(rsa()).encode()), BY_KEY),
    ("HS256 with the RSA key's PEM, kid of the secret", lambda: hmac_forge({"alg": "HS256", "kid": "shared"}, pem(rsa()).encode()), BY_KEY),
    ("HS256 with the RSA key's modulus", lambda: hmac_forge({"alg": "HS256"}, str(public(rsa())["n"]).encode()), BY_KEY),
    ("HS256 with an empty secret", lambda: hmac_forge({"alg": "HS256"}, b""), BY_KEY),
    ("HS256, right secret, kid of another key", lambda: hmac_forge({"alg": "HS256", "kid": "main"}, SHARED), BY_KEY),
    ("HS512 with a secret for HS256", lambda: hmac_forge({"alg": "HS512", "kid": "shared"}, SHARED, digest="sha512"), BY_WAY),
    ("PS256 with a key for RS256", lambda: sign(rsa(), alg="PS256"), BY_WAY),
    ("RS512 with a key for RS256", lambda: sign(rsa(), alg="RS512"), BY_WAY),
    ("ES256 of an RSA key's name", lambda: sign(ec(), alg="ES256", kid="main"), BY_KEY),
    ("ES256 with r and s zero", lambda: forge({"alg": "ES256", "kid": "curve"}, signature=bytes(64)), BY_KEY),
    ("ES256 with a DER signature", lambda: forge({"alg": "ES256", "kid": "curve"}, signature=b"\x30\x06\x02\x01\x01\x02\x01\x01"), BY_KEY),
    ("ES384 with a P-256 key", lambda: resigned(sign(ec(), alg="ES256"), alg="ES384", kid="curve"), BY_WAY),
    ("EdDSA of zeros", lambda: forge({"alg": "EdDSA", "kid": "edwards"}, signature=bytes(64)), BY_KEY),
    ("signed with another key of the same name", lambda: sign(EVIL, kid="main"), BY_KEY),
    ("signed with a key nobody knows", lambda: sign(EVIL), BY_KEY),
    ("kid a path", lambda: hmac_forge({"alg": "HS256", "kid": "../../../../dev/null"}, b""), BY_KEY),
    ("kid a path with a null byte", lambda: hmac_forge({"alg": "HS256", "kid": "/proc/sys/kernel/x\x00.pem"}, b"2\n"), BY_KEY),
    ("kid SQL", lambda: hmac_forge({"alg": "HS256", "kid": "x' UNION SELECT 'secret'--"}, b"secret"), BY_KEY),
    ("kid a shell command", lambda: hmac_forge({"alg": "HS256", "kid": "key; id"}, b"id"), BY_KEY),
    ("kid a number", lambda: forge({"alg": "RS256", "kid": 7}), HEADER),
    ("kid very long", lambda: forge({"alg": "RS256", "kid": "k" * 300}), HEADER),
    ("jwk in the header", lambda: sign(EVIL, kid="main", jwk=public(EVIL)), BY_KEY),
    ("jwk in the header, no kid", lambda: sign(EVIL, kid=None, jwk=public(EVIL)), BY_KEY),
    ("x5c in the header", lambda: sign(EVIL, kid="main", x5c=[b64(b"certificate")]), BY_KEY),
    ("crit", lambda: sign(rsa(), crit=["exp"], exp=now()), EXTENSION),
    ("crit empty", lambda: forge({"alg": "RS256", "crit": []}), EXTENSION),
    ("b64 false", lambda: forge({"alg": "RS256", "b64": False}), EXTENSION),
    ("detached", lambda: ".".join([(p := sign(rsa()).split("."))[0], "", p[2]]), "the content of the token is not in it"),
    ("expired", lambda: sign(rsa(), claims(exp=now() - 31)), "the token has expired"),
    ("exp a text", lambda: sign(rsa(), claims(exp="9999999999")), TIME),
    ("exp true", lambda: sign(rsa(), claims(exp=True)), TIME),
    ("exp negative", lambda: sign(rsa(), claims(exp=-1)), TIME),
    ("exp huge", lambda: sign(rsa(), claims(exp=10**30)), TIME),
    ("exp infinite", lambda: sign(rsa(), b'{"sub":"ada","exp":1e999}'), CONTENT + "a number too long in it"),
    ("exp NaN", lambda: sign(rsa(), b'{"sub":"ada","exp":NaN}'), CONTENT + "not JSON"),
    ("nbf to come", lambda: sign(rsa(), claims(nbf=now() + 60)), "the token is not valid yet"),
    ("iat to come", lambda: sign(rsa(), claims(iat=now() + 60)), "the token was issued in the future"),
    ("another issuer", lambda: sign(rsa(), claims(iss="https://idp.example.evil")), ISSUED_BY),
    ("issuer with a slash more", lambda: sign(rsa(), claims(iss=ISSUER + "/")), ISSUED_BY),
    ("issuer a list", lambda: sign(rsa(), claims(iss=[ISSUER])), ISSUED_BY),
    ("no issuer", lambda: sign(rsa(), claims(iss=None)), ISSUED_BY),
    ("another audience", lambda: sign(rsa(), claims(aud="https://other.example")), AUD),
    ("audience that contains ours", lambda: sign(rsa(), claims(aud=AUDIENCE + ".evil")), AUD),
    ("audience an object", lambda: sign(rsa(), claims(aud={AUDIENCE: 1})), AUD),
    ("audiences not all texts", lambda: sign(rsa(), claims(aud=[AUDIENCE, 1])), AUD),
    ("no audience", lambda: sign(rsa(), claims(aud=None)), AUD),
    ("claims twice", lambda: sign(rsa(), duplicated()), CONTENT + "the same name twice in it"),
    ("deep JSON", lambda: sign(rsa(), b'{"sub":"ada","x":' + b"[" * 2000 + b"]" * 2000 + b"}"), CONTENT + "nested too deeply"),
    ("deep JSON in the header", lambda: forge(b'{"alg":"RS256","x":' + b"[" * 900 + b"]" * 900 + b"}"), HEADER),
    ("a number of 3000 digits", lambda: sign(rsa(), b'{"sub":"ada","x":' + b"9" * 3000 + b"}"), CONTENT + "a number too long in it"),
    ("half a character", lambda: sign(rsa(), b'{"sub":"\\ud800"}'), CONTENT + "half a character in it"),
    ("not UTF-8", lambda: sign(rsa(), b'{"sub":"\xff"}'), CONTENT + "not UTF-8"),
    ("claims a list", lambda: sign(rsa(), b"[]"), CONTENT + "not a JSON object"),
    ("a token in a token", lambda: sign(rsa(), sign(rsa()).encode(), cty="JWT"), CONTENT + "not JSON"),
    ("bound to a DPoP key", lambda: sign(rsa(), claims(cnf={"jkt": "x"})), BOUND),
    ("bound to a TLS certificate", lambda: sign(rsa(), claims(cnf={"x5t#S256": "x"})), BOUND),
    ("a logout token", lambda: sign(rsa(), typ="logout+jwt"), TYPE),
    ("a security event", lambda: sign(rsa(), typ="secevent+jwt"), TYPE),
    ("a DPoP proof", lambda: sign(ec(), alg="ES256", typ="dpop+jwt"), TYPE),
    ("a type that is no text", lambda: sign(rsa(), typ=["JWT"]), TYPE),
    ("encrypted (JWE)", lambda: "eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4R0NNIn0..aaaa.bbbb.cccc", ENCRYPTED),
    ("a JWE bomb", lambda: forge({"alg": "dir", "enc": "A128GCM", "zip": "DEF"}) + ".x.y", ENCRYPTED),
    ("PBES2 with a billion rounds", lambda: forge({"alg": "PBES2-HS256+A128KW", "p2c": 10**9}) + ".x.y", ENCRYPTED),
    ("huge", lambda: sign(rsa(), claims(x="y" * 8000)), "the token is longer than 8192 bytes"),
    ("a huge header", lambda: sign(rsa(), x="y" * 4000), "the header of the token is longer than 4096 bytes"),
    ("four parts", lambda: sign(rsa()) + ".x", "the token is not a signed JWT"),
    ("two parts", lambda: sign(rsa()).rsplit(".", 1)[0], "the token is not a signed JWT"),
    ("JSON serialisation", lambda: '{"payload":"x"}', LETTERS),
    ("empty", lambda: "", LETTERS),
    ("two tokens", lambda: f"{sign(rsa())}, Bearer {sign(rsa())}", LETTERS),
    ("other letters", lambda: sign(rsa()).replace(".", "․", 1).encode().decode("latin-1"), LETTERS),
    ("base64 with padding", lambda: sign(rsa()) + "==", BY_KEY),
    ("base64 of the signature written otherwise", lambda: sign(rsa())[:-1] + "B", BY_KEY),
    ("header not base64", lambda: "e~J." + sign(rsa()).split(".", 1)[1], HEADER),
]  # fmt: skip


@pytest.mark.parametrize(("forged", "words"), [pytest.param(forged, words, id=name) for name, forged, words in ATTACKS])
async def test_a_forged_token_is_refused(forged: Callable[[], str], words: str) -> None:
    async with guarded("auth-jwt", CONFIG, secrets={"jwt_secret": SECRET}) as client:
        for _ in range(2):  # what was refused is not let pass when it comes again
            answer = await ask(client, forged())
            assert (answer.status, answer.json()["message"]) == (401, words)
        assert (await ask(client, sign(rsa()))).status == 200
        assert (await ask(client, hmac_forge({"alg": "HS256", "kid": "shared"}, SHARED))).status == 200


@pytest.mark.parametrize("name", ["jku", "x5u"])
async def test_no_key_is_fetched_from_where_a_token_says(name: str) -> None:
    from tests.support.loopback_servers import reply, serving

    async with serving() as server, guarded("auth-jwt", CONFIG, secrets={"jwt_secret": SECRET}) as client:
        server.answers["/keys"] = reply(json.dumps({"keys": [public(EVIL)]}).encode(), Content_Type="application/json")
        url: dict[str, Any] = {name: f"http://127.0.0.1:{server.port}/keys"}
        assert (await ask(client, sign(EVIL, **url))).status == 401
        assert (await ask(client, sign(EVIL, kid="main", **url))).status == 401
        assert (await ask(client, sign(rsa(), **url))).status == 200, "it is passed over, since some issuers write it"
        assert server.connections == 0


async def test_a_header_of_more_than_512_bytes_is_read() -> None:
    async with guarded("auth-jwt", CONFIG, secrets={"jwt_secret": SECRET}) as client:
        assert (await ask(client, sign(rsa(), x5c=["A" * 1500]))).status == 200


async def test_dpop_is_refused_also_where_auth_is_optional() -> None:
    async with guarded("auth-jwt", CONFIG, secrets={"jwt_secret": SECRET}, mode="optional") as client:
        answer = await client.get("/", headers={"authorization": f"DPoP {sign(rsa())}"})
        assert (answer.status, answer.json()["message"]) == (401, "tokens bound to a key (DPoP) are not supported here")


async def test_no_refusal_repeats_the_token() -> None:
    async with guarded("auth-jwt", CONFIG, secrets={"jwt_secret": SECRET}) as client:
        for _, forged, _ in ATTACKS:
            token = forged()
            answer = await ask(client, token)
            told = answer.text + (answer.header("www-authenticate") or "")
            assert not [part for part in token.split(".") if len(part) > 20 and part in told]
