"""The configuration: what is refused, in words; and what its settings do."""

from __future__ import annotations

import time
from typing import Any

import pytest

from mockforge_asgi import MockForge
from mockforge_asgi.errors import ConfigError
from mockforge_asgi.testing import Client, OidcProvider
from plugins_builtin.idp_oidc.tests.flow import CALLBACK, CHALLENGE, Flow, flow_to, parameters, part

ASKED = f"client_id=spa&response_type=code&redirect_uri={CALLBACK}&scope=openid&code_challenge={CHALLENGE}&code_challenge_method=S256"
EXPIRED = [("expired", None, True, True), ("u-1", "expired", True, False), ("expired", "none", False, True)]
"""User, what is chosen for the login, and whether its tokens and those that are refreshed have expired."""
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"public_url": "idp.example"}, "it is not an address such as https://idp.example/idp"),
    ({"public_url": "https://idp.example/"}, "without a slash, query or fragment at its end"),
    ({"public_url": "https://idp.example/?x"}, "it is not an address"),
    ({"public_url": "https://a@idp.example"}, "it is not an address"),
    ({"users": [{"id": "ada"}, {"id": "ada"}]}, "'ada' is there twice"),
    ({"users": [{"id": "<ada>"}]}, "users"),
    ({"users": [{"id": "ada", "defect": "expird"}]}, "there is no defect 'expird'. Did you mean 'expired'?"),
    ({"users": [{"id": "ada", "defect": "access_token:wrong-nonce"}]}, "there is no defect 'wrong-nonce'"),
    ({"users": [{"id": "ada", "error": "denied"}]}, "there is no error 'denied'"),
    ({"users": [{"id": "ada", "delay_ms": 20_000}]}, "delay_ms"),
    ({"clients": [{"client_id": "a"}, {"client_id": "a"}]}, "'a' is there twice"),
    ({"clients": [{"client_id": "a", "client_secret": "nowhere"}]}, "nowhere"),
    ({"clients": [{"client_id": "a", "redirect_uris": ["/callback"]}]}, "'/callback' is not a whole address without a fragment"),
    ({"clients": [{"client_id": "a", "redirect_uris": ["https://a.example/#x"]}]}, "is not a whole address without a fragment"),
    ({"clients": [{"client_id": "a", "redirect_uris": ["https://*.example/"]}]}, "is not a whole address without a fragment"),
    ({"clients": [{"client_id": "a", "post_logout_redirect_uris": ["javascript:x"]}]}, "https://app.example/callback, or `loopback`"),
    ({"auto_login": "adda"}, "there is no user 'adda'. Did you mean 'ada'?"),
    ({"algorithm": "HS256"}, "algorithm"),
    ({"scopes": ['a"b']}, "scopes"),
    ({"access_token_s": 0}, "access_token_s"),
    ({"kept": 10**9}, "kept"),
]  # fmt: skip


def mock(**config: Any) -> MockForge:
    return MockForge(config={"version": 1, "plugins": {"idp": {"use": "idp-oidc", "config": {"algorithm": "ES256", **config}}}})


@pytest.mark.parametrize(("config", "words"), WRONG)
async def test_a_wrong_configuration_is_refused_in_words(config: dict[str, Any], words: str) -> None:
    with pytest.raises((RuntimeError, ConfigError)) as refused:
        async with Client(mock(**config)):
            pass
    assert words in str(refused.value)


async def test_somebody_may_be_logged_in_without_being_asked() -> None:
    async with Client(mock(auto_login="grace")) as client:
        assert "code=" in str((await client.get(f"/idp/authorize?{ASKED}")).header("location"))


async def test_who_is_remembered_is_not_asked_again_unless_the_client_wants_it() -> None:
    async with Client(mock(remember=True)) as client:
        form = {"content-type": "application/x-www-form-urlencoded"}
        answer = await client.post("/idp/login", headers=form, body=f"user=ada&{ASKED}".encode())
        cookie = {"cookie": str(answer.header("set-cookie")).partition(";")[0]}
        assert (await client.get(f"/idp/authorize?{ASKED}", headers=cookie)).status == 303
        for more in ("&prompt=login", "&prompt=select_account"):
            assert (await client.get(f"/idp/authorize?{ASKED}{more}", headers=cookie)).status == 200
        assert (await client.get(f"/idp/authorize?{ASKED}")).status == 200


@pytest.fixture(scope="module")
def idp() -> Any:
    config = {
        "audience": "books",
        "algorithm": "PS256",
        "scopes": ["openid", "read"],
        "access_token_s": 7,
        "id_token_s": 11,
        "jwks_max_age_s": 5,
        "users": [
            {"id": "u-1", "name": "Ada", "claims": {"tenant": "t1", "sub": "someone", "realm_access": {"roles": ["a"]}}},
            {"id": "expired", "defect": "expired"},
            {"id": "denied", "error": "access_denied"},
            {"id": "late", "delay_ms": 250},
        ],
        "clients": [
            {"client_id": "spa"},
            {"client_id": "shop", "client_secret": "shop_secret", "audience": "shop", "pkce": "optional", "scopes": ["read"]},
            {"client_id": "forger", "client_secret": "shop_secret", "defect": "access_token:alg-none"},
            {"client_id": "down", "client_secret": "shop_secret", "error": "temporarily_unavailable"},
            {"client_id": "native", "redirect_uris": ["com.example.app:/callback"]},
        ],
    }
    with OidcProvider(config, secrets={"shop_secret": "s3cret"}) as found:
        yield found


@pytest.fixture
def own(idp: OidcProvider) -> Any:
    with flow_to(idp.issuer) as found:
        yield found


def test_users_and_clients_are_those_of_the_configuration(own: Flow) -> None:
    tokens = own.exchange(own.code("u-1", scope="openid")).json()
    said = part(tokens["id_token"], 1)
    assert (said["sub"], said["tenant"], said["realm_access"], said["exp"] - said["iat"]) == ("someone", "t1", {"roles": ["a"]}, 11)
    access = part(tokens["access_token"], 1)
    assert (access["aud"], access["exp"] - access["iat"], tokens["expires_in"]) == ("books", 7, 7)
    assert part(tokens["id_token"], 0)["alg"] == "PS256"
    assert own.get("/jwks").headers["cache-control"] == "public, max-age=5"
    assert "There is no such user." in own.login("ada", scope="openid").text


def test_a_client_has_its_own_audience_and_scopes(own: Flow) -> None:
    answer = own.post("/token", ("shop", "s3cret"), grant_type="client_credentials", scope="read").json()
    assert part(answer["access_token"], 1)["aud"] == "shop"
    for scope in ("openid", "unheard"):
        assert own.post("/token", ("shop", "s3cret"), grant_type="client_credentials", scope=scope).json()["error"] == "invalid_scope"
    assert parameters(own.authorize(client_id="spa", scope="unheard"))["error"] == "invalid_scope"


def test_what_is_wrong_with_a_user_stays_so_and_what_is_wrong_with_a_login_does_not(own: Flow) -> None:
    for user, chosen, first, later in EXPIRED:
        tokens = own.exchange(own.code(user, scope="openid", defect=chosen)).json()
        again = own.refresh(tokens["refresh_token"]).json()
        assert [part(each["access_token"], 1)["exp"] < time.time() - 1000 for each in (tokens, again)] == [first, later]


def test_what_is_wrong_with_a_client(own: Flow) -> None:
    answer = own.post("/token", ("forger", "s3cret"), grant_type="client_credentials").json()
    assert part(answer["access_token"], 0)["alg"] == "none"
    answer = own.post("/token", ("forger", "s3cret"), grant_type="client_credentials", defect="none").json()
    assert part(answer["access_token"], 0)["alg"] == "PS256"
    assert own.post("/token", ("down", "s3cret"), grant_type="client_credentials").status_code == 503
    assert parameters(own.authorize(client_id="down", scope="openid"))["error"] == "temporarily_unavailable"
    assert parameters(own.login("denied", scope="openid"))["error"] == "access_denied"
    assert own.login("late", scope="openid").elapsed.total_seconds() >= 0.25


def test_a_native_application_is_called_back(own: Flow) -> None:
    for uri in ("com.example.app:/callback", None):
        answer = own.login("u-1", client_id="native", scope="openid", redirect_uri=uri)
        assert answer.headers["location"].startswith("com.example.app:/callback?code=")
    assert own.login("u-1", client_id="native", scope="openid", redirect_uri="com.example.evil:/callback").status_code == 400
