"""auth-oauth2 against a real provider (npm's oidc-provider): opaque tokens, revocation, other clients' tokens, its bad days."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.guarded import ask, guarded
from tests.support.identity_provider import AUDIENCE, IdentityProvider, identity_provider

OPAQUE = "https://opaque.example"
SECRETS = {"client_secret": "gateway-secret"}


def config(idp: IdentityProvider, **more: Any) -> dict[str, Any]:
    """As an operator would write it."""
    return {
        "introspection_url": idp.introspection_url,
        "client_id": "gateway",
        "client_secret": "client_secret",
        "issuer": idp.issuer,
        "audience": OPAQUE,
        "principal": "client_id",
        "roles": ["realm_access.roles"],
        "groups": [["https://x.example/groups"]],
        **more,
    }


async def test_an_active_token_lets_its_client_pass(idp: IdentityProvider) -> None:
    token = await idp.token()
    async with guarded("auth-oauth2", config(idp), secrets=SECRETS) as client:
        for _ in range(20):
            answer = await ask(client, token)
            assert answer.status == 200
        seen = answer.json()
        assert (seen["id"], seen["roles"], seen["groups"], seen["name"]) == ("shop", ["buyer"], ["staff"], "client shop")
        assert seen["claims"]["scope"] == "read" and "active" not in seen["claims"]
    assert (await idp.control())["introspection"] == 1


async def test_made_up_tokens_are_refused_and_asked_about_once(idp: IdentityProvider) -> None:
    async with guarded("auth-oauth2", config(idp), secrets=SECRETS) as client:
        for _ in range(5):
            answer = await ask(client, "made-up")
            assert (answer.status, answer.json()["message"]) == (401, "the token is not active")
        told = 'Bearer realm="mockforge", error="invalid_token", error_description="the token is not active"'
        assert answer.header("www-authenticate") == told
        assert (await ask(client)).status == 401
    assert (await idp.control())["introspection"] == 1


async def test_a_revoked_token_is_refused_once_the_answer_about_it_is_old(idp: IdentityProvider) -> None:
    token = await idp.token()
    async with guarded("auth-oauth2", config(idp, cache_s=0), secrets=SECRETS) as client:
        assert (await ask(client, token)).status == 200
        await idp.revoke(token)
        assert (await ask(client, token)).status == 401


@pytest.mark.parametrize(("more", "status"), [
    ({"clients": ["shop"]}, 200), ({"clients": ["other", "gateway"]}, 401), ({"audience": AUDIENCE}, 401),
    ({"issuer": "https://idp.example"}, 401),
    ({"scopes": ["read"]}, 200), ({"scopes": ["read", "write"]}, 403), ({"principal": "sub"}, 401),
])  # fmt: skip
async def test_a_token_that_is_active_for_somebody_else(idp: IdentityProvider, more: dict[str, Any], status: int) -> None:
    token = await idp.token()
    async with guarded("auth-oauth2", config(idp, **more), secrets=SECRETS) as client:
        assert [(await ask(client, token)).status for _ in range(2)] == [status, status]
    assert (await idp.control())["introspection"] == 1


async def test_a_lacking_scope_is_told_as_rfc_6750_has_it(idp: IdentityProvider) -> None:
    async with guarded("auth-oauth2", config(idp, scopes=["write"]), secrets=SECRETS) as client:
        answer = await ask(client, await idp.token())
        assert answer.status == 403

        challenge = answer.header("www-authenticate") or ""
        assert 'error="insufficient_scope"' in challenge and challenge.endswith('scope="write"')


@pytest.mark.parametrize(("client_id", "secret", "way"), [
    ("poster", "poster-secret", "post"), ("gateway:+ %", "s:e c+r%et/&=", "basic"),
])  # fmt: skip
async def test_credentials_are_sent_as_the_provider_wants_them(idp: IdentityProvider, client_id: str, secret: str, way: str) -> None:
    whole = config(idp, client_id=client_id, client_auth=way, token_type_hint="access_token")
    async with guarded("auth-oauth2", whole, secrets={"client_secret": secret}) as client:
        assert (await ask(client, await idp.token())).status == 200


@pytest.mark.parametrize(("client_id", "secret"), [("nobody", "gateway-secret"), ("gateway", "guessed")])
async def test_wrong_credentials_of_ours_are_not_the_callers_fault(idp: IdentityProvider, client_id: str, secret: str) -> None:
    async with guarded("auth-oauth2", config(idp, client_id=client_id), secrets={"client_secret": secret}) as client:
        answer = await ask(client, await idp.token())
        assert (answer.status, answer.json()["message"]) == (502, "the identity provider gave an answer that cannot be used")


@pytest.mark.parametrize(("mood", "status"), [
    ("down", 502), ("slow", 503), ("trickle", 503), ("garbage", 502), ("html", 502), ("error", 502), ("huge", 502), ("empty", 502),
])  # fmt: skip
async def test_without_an_answer_nobody_passes_and_it_recovers_by_itself(idp: IdentityProvider, mood: str, status: int) -> None:
    token, seen = await idp.token(), await idp.token()
    async with guarded("auth-oauth2", config(idp, timeout_ms=300 if status == 503 else 5000), secrets=SECRETS) as client:
        assert (await ask(client, seen)).status == 200
        await idp.control(mood=mood)
        assert (await ask(client, token)).status == status
        assert (await ask(client, token)).status == status
        assert (await ask(client, seen)).status == 200, "what is known stays known"
        assert (await idp.control())["introspection"] == 2, "a provider that does not answer is left alone for a moment"
        await idp.control(mood="ok")
        while (answer := await ask(client, token)).status != 200:
            assert answer.status == status


async def test_a_provider_may_restart() -> None:
    with identity_provider() as first:
        port = int(first.issuer.rpartition(":")[2])
        token = await first.token()
        async with guarded("auth-oauth2", config(first, cache_s=0), secrets=SECRETS) as client:
            assert (await ask(client, token)).status == 200
            first.process.kill()
            first.process.wait()
            assert (await ask(client, token)).status in (502, 503)
            with identity_provider(port) as second:
                fresh = await second.token()
                while (answer := await ask(client, fresh)).status != 200:
                    assert answer.status in (502, 503)
                assert (await ask(client, token)).status == 401, "it has forgotten what it gave before"


async def test_tokens_bound_to_a_key_are_not_taken_for_bearer_tokens(idp: IdentityProvider) -> None:
    from plugins_builtin.auth_jwt.tests.tokens import dpop_proof

    token = await idp.token(headers={"dpop": dpop_proof(f"{idp.issuer}/token")})
    async with guarded("auth-oauth2", config(idp), secrets=SECRETS) as client:
        answer = await ask(client, token)
        assert (answer.status, "bound to a key" in answer.json()["message"]) == (401, True)
        answer = await client.get("/", headers={"authorization": f"DPoP {token}"})
        assert (answer.status, answer.json()["message"]) == (401, "tokens bound to a key (DPoP) are not supported here")


async def test_jwt_and_opaque_tokens_side_by_side(idp: IdentityProvider) -> None:
    """Tokens that are JWTs are verified here, all others asked about: a rule names both plugins."""
    from mockforge_asgi import MockForge
    from mockforge_asgi.config import load_config
    from mockforge_asgi.testing import Client
    from tests.support.guarded import configuration, who

    jwt: dict[str, Any] = {"jwks_url": idp.jwks_url, "issuer": idp.issuer, "audience": AUDIENCE, "rfc9068": True}
    plugins = {"jwt": {"use": "auth-jwt", "config": jwt}, "opaque": {"use": "auth-oauth2", "config": config(idp)}}
    async with Client(MockForge(who, config=load_config(configuration(plugins, mode="any", secrets=SECRETS)))) as client:
        assert (await ask(client, await idp.token(resource=AUDIENCE))).json()["id"] == "shop"
        assert (await ask(client, await idp.token())).json()["id"] == "shop"
        assert (await ask(client, "made-up")).status == 401
        assert (await ask(client)).status == 401
    jwt["other_tokens"] = "pass"
    async with Client(MockForge(who, config=load_config(configuration(plugins, secrets=SECRETS)))) as client:
        assert (await ask(client, await idp.token(resource=AUDIENCE))).json()["id"] == "shop"
        assert (await ask(client, await idp.token())).json()["id"] == "shop"
        asked = (await idp.control())["introspection"]
        assert (await ask(client, (await idp.token(resource=AUDIENCE))[:-4])).status == 401
        assert (await idp.control())["introspection"] == asked, "nobody is asked about a forged JWT"
