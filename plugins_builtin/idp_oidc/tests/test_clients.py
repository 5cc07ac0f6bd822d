"""The provider with clients that we did not write: they log in, and refuse what is broken, each for its reason.

What one of them takes is in the table too: whoever uses it should know.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import httpx
import pytest

from mockforge_asgi.testing import OidcProvider, Server
from plugins_builtin.idp_oidc.defects import DEFECTS, TOKEN_DEFECTS
from plugins_builtin.idp_oidc.tests.clients import OpenidClient, authlib_login
from plugins_builtin.idp_oidc.tests.clients import authlib_app as authlib_app
from plugins_builtin.idp_oidc.tests.clients import openid_client as openid_client

ACCEPTED = None
AUTHLIB = {
    "expired": "expired_token",
    "not-yet-valid": "issued in the future",
    "wrong-issuer": "Invalid claim: 'iss'",
    "issuer-with-slash": "Invalid claim: 'iss'",
    "wrong-audience": ACCEPTED,  # as long as `azp` is the client; `claims_options` can say otherwise
    "wrong-azp": "Invalid claim: 'azp'",
    "wrong-nonce": "Invalid claim: 'nonce'",
    "wrong-at-hash": "Invalid claim: 'at_hash'",
    "missing-iss": "Missing claim: 'iss'",
    "missing-sub": "Missing claim: 'sub'",
    "missing-aud": "Missing claim: 'aud'",
    "missing-exp": "Missing claim: 'exp'",
    "missing-iat": "Missing claim: 'iat'",
    "missing-nonce": "Missing claim: 'nonce'",
    "bad-signature": "bad_signature",
    "unknown-kid": "No key for kid",
    "alg-none": "Algorithm of 'none' is not allowed",
    "hs256-public-key": "Algorithm of 'HS256' is not allowed",
    "wrong-state": "State not equal",
    "missing-state": "State not equal",
    "wrong-iss-parameter": ACCEPTED,  # RFC 9207 is not looked at
    "wrong-userinfo-sub": ACCEPTED,  # the application is to compare
}
OPENID_CLIENT = {
    "expired": r'"exp" .* expiration is past',
    "not-yet-valid": r'unexpected JWT "nbf"',
    "wrong-issuer": r'unexpected JWT "iss"',
    "issuer-with-slash": r'unexpected JWT "iss"',
    "wrong-audience": r'unexpected JWT "aud"',
    "wrong-azp": ACCEPTED,  # with one audience it is not looked at
    "wrong-nonce": r'unexpected ID Token "nonce"',
    "wrong-at-hash": ACCEPTED,  # in the code flow both come from one answer
    "missing-iss": r'"iss" .* missing',
    "missing-sub": r'"sub" .* missing',
    "missing-aud": r'"aud" .* missing',
    "missing-exp": r'"exp" .* missing',
    "missing-iat": r'"iat" .* missing',
    "missing-nonce": r'"nonce" .* missing',
    "bad-signature": "signature verification failed",
    "unknown-kid": "no applicable keys found",
    "alg-none": r'unexpected JWT "alg"',
    "hs256-public-key": r'unexpected JWT "alg"',
    "wrong-state": r'unexpected "state"',
    "missing-state": r'"state" missing',
    "wrong-iss-parameter": r'unexpected "iss"',
    "wrong-userinfo-sub": r'unexpected "response" body "sub"',
}
AUTH_JWT = {
    "expired": "expired",
    "not-yet-valid": "not valid yet",
    "wrong-issuer": "from an issuer that is not accepted",
    "issuer-with-slash": "from an issuer that is not accepted",
    "wrong-audience": "meant for another audience",
    "missing-iss": "issuer",
    "missing-sub": "does not say who it is about",
    "missing-aud": "meant for another audience",
    "missing-exp": "lacks a claim that is required",
    "missing-iat": ACCEPTED,  # unless `rfc9068` or `max_age_s` wants it
    "bad-signature": "signature",
    "unknown-kid": "key",
    "alg-none": "signed in a way that is not accepted",
    "hs256-public-key": "signed in a way that is not accepted",
}


def test_the_tables_are_whole() -> None:
    assert set(AUTHLIB) == set(OPENID_CLIENT) == set(DEFECTS)
    assert set(AUTH_JWT) == {name for name, defect in TOKEN_DEFECTS.items() if "access_token" in defect.kinds}


def test_authlib_logs_in(authlib_app: str, mockforge_idp: OidcProvider) -> None:
    found = authlib_login(authlib_app, mockforge_idp.issuer)
    assert (found["claims"]["sub"], found["claims"]["iss"]) == ("ada", mockforge_idp.issuer)
    assert found["userinfo"]["email"] == "ada@example.com"


def test_openid_client_logs_in_refreshes_introspects_revokes_and_logs_out(openid_client: OpenidClient) -> None:
    found = openid_client.ask("login", id="web", secret="web-secret", form={"user": "grace"})["ok"]
    assert found["claims"]["sub"] == found["userinfo"]["sub"] == found["refreshed"] == found["introspected"]["sub"] == "grace"
    assert found["introspected"]["active"] is True and found["ended"] == "http://localhost:5173/callback?state=bye"
    own = openid_client.ask("own", id="web", secret="web-secret")["ok"]
    assert (own["active"], own["sub"], own["aud"]) == (True, "web", "https://orders.example")


@pytest.mark.parametrize("defect", DEFECTS)
def test_authlib_refuses(authlib_app: str, mockforge_idp: OidcProvider, defect: str) -> None:
    wanted = f"id_token:{defect}" if defect in TOKEN_DEFECTS else defect
    found = authlib_login(authlib_app, mockforge_idp.issuer, defect=wanted)
    if AUTHLIB[defect] is ACCEPTED:
        assert found["claims"]["sub"] == "ada"
    else:
        assert str(AUTHLIB[defect]) in found["refused"]


@pytest.mark.parametrize("defect", DEFECTS)
def test_openid_client_refuses(openid_client: OpenidClient, defect: str) -> None:
    found = openid_client.login(defect=f"id_token:{defect}" if defect in TOKEN_DEFECTS else defect)
    if OPENID_CLIENT[defect] is ACCEPTED:
        assert found["ok"]["claims"]["sub"] == "ada"
    else:
        assert re.search(str(OPENID_CLIENT[defect]), found["refused"])


@pytest.mark.parametrize("defect", ["bad-signature", "unknown-kid"])
def test_openid_client_does_not_look_at_signatures_unless_it_is_told_to(openid_client: OpenidClient, defect: str) -> None:
    assert openid_client.login(defect=f"id_token:{defect}", verifies=False)["ok"]["claims"]["sub"] == "ada"


@pytest.fixture(scope="module")
def orders(mockforge_idp: OidcProvider) -> Iterator[str]:
    """The address of a service behind auth-jwt, with keys of the provider."""
    jwt = {"jwks_url": mockforge_idp.jwks_url, "issuer": mockforge_idp.issuer, "audience": "orders", "roles": ["roles"]}
    config = {
        "version": 1,
        "plugins": {"jwt": {"use": "auth-jwt", "config": {**jwt, "jwks_times": {"refetch_s": 1}}}},
        "protect": [{"path": "/**", "auth": ["jwt"], "backoff": False, "require": {"roles": ["admin"]}}],
        "routes": [{"match": {"path": "/me"}, "response": {"template_text": "{{ request.principal.id }}"}}],
    }
    with Server(config) as server:
        yield server.url


def ask(orders: str, token: str) -> httpx.Response:
    return httpx.get(f"{orders}/me", headers={"authorization": f"Bearer {token}"}, trust_env=False, verify=False)


@pytest.mark.parametrize("defect", AUTH_JWT)
def test_auth_jwt_refuses(orders: str, mockforge_idp: OidcProvider, defect: str) -> None:
    answer = ask(orders, mockforge_idp.token("ada", audience="orders", defect=defect))
    if AUTH_JWT[defect] is ACCEPTED:
        assert (answer.status_code, answer.text) == (200, "ada")
    else:
        assert answer.status_code == 401 and 'error="invalid_token"' in answer.headers["www-authenticate"]
        assert str(AUTH_JWT[defect]) in answer.json()["message"]


def test_auth_jwt_accepts_what_is_good_also_when_the_key_has_changed(orders: str, mockforge_idp: OidcProvider) -> None:
    assert ask(orders, mockforge_idp.token("ada", audience="orders")).text == "ada"
    assert ask(orders, mockforge_idp.token("grace", audience="orders")).status_code == 403, "and sees her roles"
    mockforge_idp.rotate()
    new, until = mockforge_idp.token("ada", audience="orders"), time.monotonic() + 30
    while ask(orders, new).status_code != 200:  # within `refetch_s`, another one may have had its keys fetched just now
        assert time.monotonic() < until
