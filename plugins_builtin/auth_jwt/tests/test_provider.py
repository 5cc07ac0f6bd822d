"""auth-jwt against a real provider (npm's oidc-provider): its access tokens, its keys, its rotation, its bad days."""

from __future__ import annotations

import pytest

from tests.support.guarded import ask, guarded
from tests.support.identity_provider import AUDIENCE, IdentityProvider, identity_provider


def config(idp: IdentityProvider, **more: object) -> dict[str, object]:
    """As an operator would write it."""
    return {
        "jwks_url": idp.jwks_url,
        "issuer": idp.issuer,
        "audience": AUDIENCE,
        "rfc9068": True,
        "roles": ["realm_access.roles"],
        "groups": [["https://x.example/groups"]],
        "jwks_times": {"refetch_s": 1, "fresh_min_s": 1, "timeout_ms": 5000, "stale_s": 60},
        **more,
    }


async def test_access_tokens_by_rfc_9068_pass(idp: IdentityProvider) -> None:
    token = await idp.token(resource=AUDIENCE)
    async with guarded("auth-jwt", config(idp)) as client:
        for _ in range(20):
            answer = await ask(client, token)
            assert answer.status == 200
        seen = answer.json()
        assert (seen["id"], seen["roles"], seen["groups"], seen["name"]) == ("shop", ["buyer"], ["staff"], "client shop")
        assert seen["claims"]["scope"] == "read"
    assert (await idp.control())["jwks"] == 1, "fetched when the plugin started, and not since"


async def test_an_opaque_token_is_not_taken(idp: IdentityProvider) -> None:
    async with guarded("auth-jwt", config(idp)) as client:
        assert (await ask(client, await idp.token())).status == 401


async def test_a_token_for_another_resource_is_not_taken(idp: IdentityProvider) -> None:
    async with guarded("auth-jwt", config(idp)) as client:
        answer = await ask(client, await idp.token(resource="https://billing.example"))
        assert (answer.status, answer.json()["message"]) == (401, "the token is meant for another audience")


async def test_the_provider_rotates_its_keys(idp: IdentityProvider) -> None:
    old = await idp.token(resource=AUDIENCE)
    async with guarded("auth-jwt", config(idp)) as client:
        assert (await ask(client, old)).status == 200
        await idp.control(rotate=True)
        new = await idp.token(resource=AUDIENCE)
        assert (await ask(client, new)).status == 200
        assert (await ask(client, old)).status == 200, "the old key is still published"
        assert (await idp.control())["jwks"] == 2


async def test_a_withdrawn_key_counts_no_more_though_its_token_was_seen(idp: IdentityProvider) -> None:
    await idp.control(cache_control="max-age=1")
    old = await idp.token(resource=AUDIENCE)
    async with guarded("auth-jwt", config(idp)) as client:
        assert (await ask(client, old)).status == 200
        await idp.control(rotate=True, forget=True)
        while (await ask(client, old)).status == 200:
            assert (await idp.control())["jwks"] < 3, "keys are kept a second, as the header says"
        assert (await ask(client, await idp.token(resource=AUDIENCE))).status == 200


@pytest.mark.parametrize(("mood", "status"), [
    ("down", 502), ("slow", 503), ("trickle", 503), ("garbage", 502), ("html", 502), ("error", 502), ("huge", 502), ("empty", 502),
])  # fmt: skip
async def test_without_keys_nobody_passes_and_it_recovers_by_itself(idp: IdentityProvider, mood: str, status: int) -> None:
    token = await idp.token(resource=AUDIENCE)
    await idp.control(mood=mood)
    times = {"refetch_s": 1, "timeout_ms": 300 if status == 503 else 5000}
    async with guarded("auth-jwt", config(idp, jwks_times=times)) as client:
        answer = await ask(client, token)
        assert answer.status == status
        assert idp.issuer not in answer.text
        await idp.control(mood="ok")
        while (answer := await ask(client, token)).status != 200:
            assert answer.status == status


async def test_a_provider_that_is_not_there_yet_is_asked_again() -> None:
    with identity_provider() as first:
        port = int(first.issuer.rpartition(":")[2])
    async with guarded("auth-jwt", config(first)) as client:
        with identity_provider(port) as second:
            token = await second.token(resource=AUDIENCE)
            while (answer := await ask(client, token)).status != 200:
                assert answer.status == 503
        assert (await ask(client, token)).status == 200, "and its keys outlive it"


async def test_a_dpop_bound_token_is_not_taken_for_a_bearer_token(idp: IdentityProvider) -> None:
    from plugins_builtin.auth_jwt.tests.tokens import dpop_proof

    token = await idp.token(resource=AUDIENCE, headers={"dpop": dpop_proof(f"{idp.issuer}/token")})
    async with guarded("auth-jwt", config(idp)) as client:
        answer = await ask(client, token)
        assert (answer.status, "bound to a key" in answer.json()["message"]) == (401, True)
