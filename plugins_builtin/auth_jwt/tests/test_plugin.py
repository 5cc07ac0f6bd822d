"""auth-jwt in front of an app: whom it lets pass, what the app learns of the caller, what refused callers are told."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import pytest

from plugins_builtin.auth_jwt.tests.tokens import AUDIENCE, ISSUER, claims, ec, okp, pem, public, rsa, sign
from tests.support.guarded import ask, guarded

SECRET = "0123456789abcdef" * 4
OWN: Mapping[str, Any] = {"keys": [{"jwk": public(rsa()), "alg": "RS256"}], "issuer": ISSUER, "audience": AUDIENCE}


async def test_a_signed_token_lets_its_caller_pass() -> None:
    async with guarded("auth-jwt", OWN) as client:
        answer = await ask(client, sign(rsa()))
        assert answer.status == 200
        assert answer.json()["id"] == "ada"
        assert answer.json()["claims"]["iss"] == ISSUER


async def test_a_request_without_a_token_is_told_what_to_bring() -> None:
    async with guarded("auth-jwt", {**OWN, "realm": "orders"}) as client:
        answer = await ask(client)
        assert (answer.status, answer.header("www-authenticate")) == (401, 'Bearer realm="orders"')
        assert (await client.get("/", headers={"authorization": "Basic dXNlcjpwYXNz"})).status == 401


async def test_the_scheme_is_read_in_any_case_of_letters() -> None:
    async with guarded("auth-jwt", OWN) as client:
        for scheme in ("bearer", "BEARER", "BeArEr"):
            assert (await client.get("/", headers={"authorization": f"{scheme} {sign(rsa())}"})).status == 200


async def test_a_refusal_carries_the_challenge_of_rfc_6750() -> None:
    async with guarded("auth-jwt", {**OWN, "realm": "orders"}) as client:
        answer = await ask(client, sign(rsa(), claims(exp=int(time.time()) - 100)))
        assert answer.status == 401
        said = 'Bearer realm="orders", error="invalid_token", error_description="the token has expired"'
        assert answer.header("www-authenticate") == said
        assert answer.json() == {"error": "Authentication failed", "message": "the token has expired"}


KEYS: list[tuple[str, dict[str, Any], str]] = [
    ("RSA PEM", {"pem": pem(rsa()), "alg": "RS256"}, sign(rsa())),
    ("RSA PEM without a name of its own, for a token with one", {"pem": pem(rsa())}, sign(rsa())),
    ("RSA, PS256", {"pem": pem(rsa()), "alg": "PS256"}, sign(rsa(), alg="PS256")),
    ("RSA, RS512", {"jwk": public(rsa(), alg="RS512")}, sign(rsa(), alg="RS512")),
    ("P-256", {"pem": pem(ec())}, sign(ec(), alg="ES256")),
    ("P-384", {"jwk": public(ec("P-384"))}, sign(ec("P-384"), alg="ES384")),
    ("P-521", {"jwk": public(ec("P-521"))}, sign(ec("P-521"), alg="ES512")),
    ("Ed25519 by its old name", {"pem": pem(okp())}, sign(okp(), alg="EdDSA")),
    ("Ed25519 by its new name", {"jwk": public(okp(), alg="EdDSA")}, sign(okp(), alg="Ed25519")),
    ("Ed448", {"jwk": public(okp("Ed448"))}, sign(okp("Ed448"), alg="EdDSA")),
    ("a token that names no key", {"pem": pem(rsa())}, sign(rsa(), kid=None)),
]


@pytest.mark.parametrize(("key", "token"), [pytest.param(key, token, id=name) for name, key, token in KEYS])
async def test_keys_of_every_type_verify(key: dict[str, Any], token: str) -> None:
    async with guarded("auth-jwt", {**OWN, "keys": [key]}) as client:
        assert (await ask(client, token)).status == 200


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
async def test_hmac_secrets_verify_what_they_signed_and_nothing_else(algorithm: str) -> None:
    from joserfc import jwk

    key = jwk.OctKey.import_key(SECRET)
    config = {**OWN, "keys": [{"secret": "jwt_secret", "alg": algorithm}]}
    async with guarded("auth-jwt", config, secrets={"jwt_secret": SECRET}) as client:
        assert (await ask(client, sign(key, alg=algorithm))).status == 200
        others = {"HS256", "HS384", "HS512"} - {algorithm}
        assert [(await ask(client, sign(key, alg=other))).status for other in sorted(others)] == [401, 401]
        assert (await ask(client, sign(jwk.OctKey.import_key(SECRET[::-1] + "x"), alg=algorithm))).status == 401


@pytest.mark.parametrize(("encoding", "text"), [("base64", "//////////////////////////////////////////8="), ("hex", "ff" * 32),
                                                ("base64url", "__________________________________________8")])  # fmt: skip
async def test_secrets_may_be_written_in_other_ways(encoding: str, text: str) -> None:
    from joserfc import jwk

    config = {**OWN, "keys": [{"secret": "jwt_secret", "alg": "HS256", "encoding": encoding}]}
    async with guarded("auth-jwt", config, secrets={"jwt_secret": text}) as client:
        assert (await ask(client, sign(jwk.OctKey.import_key(b"\xff" * 32), alg="HS256"))).status == 200


async def test_a_public_key_may_come_from_a_file_of_secrets() -> None:
    async with guarded("auth-jwt", {**OWN, "keys": [{"pem_secret": "jwt_key"}]}, secrets={"jwt_key": pem(rsa())}) as client:
        assert (await ask(client, sign(rsa()))).status == 200


async def test_roles_and_groups_are_found_in_nested_claims() -> None:
    config = {
        **OWN,
        "roles": ["realm_access.roles", "resource_access.shop.roles", ["https://x/roles"], "role"],
        "groups": ["groups"],
        "name": "preferred_username",
    }
    said = {
        "realm_access": {"roles": ["buyer", "seller"]},
        "resource_access": {"shop": {"roles": ["seller", "clerk"]}},
        "https://x/roles": ["admin"],
        "role": "auditor",
        "groups": ["/staff", 7, ""],
        "preferred_username": "Ada",
        "email": "ada@example.com",
    }
    async with guarded("auth-jwt", config) as client:
        seen = (await ask(client, sign(rsa(), claims(**said)))).json()
        assert seen["roles"] == ["buyer", "seller", "clerk", "admin", "auditor"]
        assert (seen["groups"], seen["name"], seen["email"]) == (["/staff"], "Ada", "ada@example.com")
        assert (await ask(client, sign(rsa(), claims(email="x@example.com", email_verified=False)))).json()["email"] is None


@pytest.mark.parametrize("shape", [{"roles": 7}, {"roles": {"a": ["x"]}}, "text", ["text"], None])
async def test_roles_of_another_shape_are_no_roles(shape: Any) -> None:
    async with guarded("auth-jwt", {**OWN, "roles": ["realm_access.roles"]}) as client:
        answer = await ask(client, sign(rsa(), claims(realm_access=shape)))
        assert (answer.status, answer.json()["roles"]) == (200, [])


async def test_another_claim_may_say_who_the_caller_is() -> None:
    async with guarded("auth-jwt", {**OWN, "principal": "client_id"}) as client:
        assert (await ask(client, sign(rsa(), claims(client_id="shop")))).json()["id"] == "shop"
        assert (await ask(client, sign(rsa(), claims(client_id=42)))).json()["id"] == "42"
        assert (await ask(client, sign(rsa(), claims()))).status == 401


@pytest.mark.parametrize("identity", ["", "a\r\nset-cookie: x", "\x00", "x" * 513, ["ada"], {"id": "ada"}, True, 1.5])
async def test_a_caller_that_cannot_be_named_is_refused(identity: Any) -> None:
    async with guarded("auth-jwt", OWN) as client:
        assert (await ask(client, sign(rsa(), claims(sub=identity)))).status == 401


async def test_cookie_and_query_are_read_only_where_they_are_named() -> None:
    token = sign(rsa())
    async with guarded("auth-jwt", OWN) as client:
        assert (await client.get(f"/?access_token={token}", headers={"cookie": f"access_token={token}"})).status == 401
    async with guarded("auth-jwt", {**OWN, "cookie": "session", "query": "t"}) as client:
        assert (await client.get(f"/?t={token}")).status == 200
        assert (await client.get("/", headers={"cookie": f"a=b; session={token}"})).status == 200
        assert (await client.get("/", headers={"cookie": "session=wrong"})).status == 401
        assert (await ask(client, token, cookie="session=wrong")).status == 200, "the header is what the caller means"
        for beside in ("; session=other", f"; session={token}", ";session="):
            tossed = await client.get("/", headers={"cookie": f"session={token}{beside}"})
            assert (tossed.status, tossed.json()["message"]) == (400, "more than one access token in the request")
        twice = await client.get(f"/?t={token}", headers={"authorization": f"Bearer {token}"})
        assert (twice.status, twice.json()["message"]) == (400, "more than one access token in the request")
        assert (await client.get(f"/?t={token}&t={token}")).status == 400


async def test_two_authorization_headers_are_refused_though_both_be_good() -> None:
    token = sign(rsa())
    async with guarded("auth-jwt", OWN) as client:
        answer = await client.get("/", headers=[("authorization", f"Bearer {token}"), ("authorization", f"Bearer {token}")])
        assert (answer.status, answer.json()["message"]) == (400, "more than one Authorization header")


async def test_optional_lets_nobody_pass_and_refuses_what_is_wrong() -> None:
    async with guarded("auth-jwt", OWN, mode="optional") as client:
        assert (await ask(client)).json() == {}
        assert (await ask(client, "nonsense")).status == 401


@pytest.mark.parametrize(("config", "content", "status"), [
    ({"required": ["exp", "tenant.id"]}, claims(tenant={"id": "t1"}), 200),
    ({"required": ["exp", "tenant.id"]}, claims(tenant={}), 401),
    ({"required": ["exp", "jti"]}, claims(jti=""), 401),
    ({"required": []}, claims(exp=None), 200),
    ({}, claims(exp=None), 401),
    ({"values": {"azp": ["web", "cli"]}}, claims(azp="cli"), 200),
    ({"values": {"azp": "web"}}, claims(azp="other"), 401),
    ({"values": {"azp": "web"}}, claims(), 401),
    ({"values": {"level": 1}}, claims(level=True), 401),
    ({"values": {"https://x.example/tenant": "t1"}}, claims(**{"https://x.example/tenant": "t1"}), 200),
    ({"values": {"org.id": "t1"}}, claims(org={"id": "t1"}), 200),
    ({"values": {"level": 1}}, claims(level=1), 200),
    ({"max_age_s": 3600}, claims(), 200),
    ({"max_age_s": 3600}, claims(iat=int(time.time()) - 7200), 401),
    ({"max_age_s": 3600}, claims(iat=None), 401),
    ({"issuer": ["https://other.example", ISSUER]}, claims(), 200),
    ({"audience": ["https://other.example", AUDIENCE]}, claims(aud=[AUDIENCE, "x"]), 200),
    ({"audience": None, "any_audience": True}, claims(aud="x"), 200),
    ({"audience": None}, claims(aud=None), 200),
])  # fmt: skip
async def test_what_is_required_of_claims(config: dict[str, Any], content: dict[str, Any], status: int) -> None:
    whole = {name: value for name, value in {**OWN, **config}.items() if value is not None}
    async with guarded("auth-jwt", whole) as client:
        assert (await ask(client, sign(rsa(), content))).status == status


async def test_the_type_may_be_asked_for() -> None:
    async with guarded("auth-jwt", {**OWN, "typ": ["JWT", "application/at+jwt"]}) as client:
        for kind, status in (("JWT", 200), ("jwt", 200), ("at+jwt", 200), ("application/AT+JWT", 200), ("logout+jwt", 401), (None, 401)):
            assert (await ask(client, sign(rsa(), typ=kind))).status == status, kind


async def test_without_being_asked_for_the_type_may_be_left_out() -> None:
    async with guarded("auth-jwt", OWN) as client:
        for kind, status in (("JWT", 200), ("jwt", 200), ("application/at+jwt", 200), (None, 200), ("logout+jwt", 401)):
            assert (await ask(client, sign(rsa(), typ=kind))).status == status, kind


async def test_rfc_9068_tokens_only() -> None:
    whole = claims(client_id="shop", jti="1")
    async with guarded("auth-jwt", {**OWN, "rfc9068": True}) as client:
        assert (await ask(client, sign(rsa(), whole, typ="at+jwt"))).status == 200
        assert (await ask(client, sign(rsa(), whole, typ="JWT"))).status == 401, "an ID token"
        for name in ("iss", "exp", "aud", "sub", "client_id", "iat", "jti"):
            assert (await ask(client, sign(rsa(), {**whole, name: None}, typ="at+jwt"))).status == 401, name


async def test_tokens_seen_before_are_remembered_by_plugin() -> None:
    """What one plugin verified, another has to verify itself."""
    from mockforge_asgi import MockForge
    from mockforge_asgi.config import load_config
    from mockforge_asgi.testing import Client
    from tests.support.guarded import who

    other = {**OWN, "keys": [{"jwk": public(rsa("other"))}]}
    whole = {
        "version": 1,
        "plugins": {"one": {"use": "auth-jwt", "config": OWN}, "two": {"use": "auth-jwt", "config": other}},
        "protect": [{"path": "/one/**", "auth": ["one"]}, {"path": "/two/**", "auth": ["two"]}],
    }
    async with Client(MockForge(who, config=load_config(whole))) as client:
        shown = {"authorization": f"Bearer {sign(rsa())}"}
        assert [(await client.get(path, headers=shown)).status for path in ("/one/x", "/one/x", "/two/x", "/one/x")] == [200, 200, 401, 200]


def nested(depth: int) -> Any:
    """A list in a list in a list."""
    return [] if depth == 0 else [nested(depth - 1)]


VALUES: dict[str, Any] = {
    "huge": 10**30,
    "just beyond 64 bits": -(2**63) - 1,
    "fraction": 1.5,
    "letters": "Zoë \u2603 \U0001f600",
    "null": None,
    "true": True,
    "list": [],
    "object": {},
    "empty names": {"": {"a": []}},
    "deep": nested(14),
    "long": ["x" * 50] * 100,
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
async def test_claims_reach_the_app_as_they_are(value: Any) -> None:
    async with guarded("auth-jwt", OWN) as client:
        token = sign(rsa(), {**claims(), "x": value})
        for _ in range(2):
            answer = await ask(client, token)
            assert (answer.status, answer.json()["claims"]["x"]) == (200, value)


async def test_one_caller_cannot_change_what_is_remembered_for_the_next() -> None:
    from mockforge_asgi import MockForge
    from mockforge_asgi.config import load_config
    from mockforge_asgi.testing import Client
    from tests.support.guarded import configuration, who

    async def careless(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await who(scope, receive, send)
            scope["user"].claims["sub"] = "root"
            scope["user"].claims["realm_access"]["roles"].append("admin")

    token = sign(rsa(), claims(realm_access={"roles": ["buyer"]}))
    config = configuration({"auth-jwt": {"use": "auth-jwt", "config": OWN}})
    async with Client(MockForge(careless, config=load_config(config))) as client:
        for _ in range(3):
            said = (await ask(client, token)).json()["claims"]
            assert (said["sub"], said["realm_access"]) == ("ada", {"roles": ["buyer"]})
