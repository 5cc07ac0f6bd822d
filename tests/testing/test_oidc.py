"""The OpenID provider of tests: tokens without a browser."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from mockforge_asgi.testing import OidcProvider
from tests.testing.test_pytest_plugin import run


@pytest.fixture(scope="module")
def idp() -> Iterator[OidcProvider]:
    users = [{"id": "ada", "roles": ["admin"]}, {"id": "grace", "password": "graces"}, {"id": "locked", "error": "access_denied"}]
    with OidcProvider({"algorithm": "ES256", "users": users}, secrets={"graces": "open sesame"}) as provider:
        yield provider


def claims(token: str) -> dict[str, Any]:
    text = token.split(".")[1]
    found: dict[str, Any] = json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return found


def test_a_token_is_a_users_or_a_clients_own(idp: OidcProvider) -> None:
    ada, own = claims(idp.token("ada", audience="orders", scope=["read", "write"])), claims(idp.token(audience="orders"))
    assert (ada["sub"], ada["aud"], ada["scope"], ada["iss"], ada["roles"]) == ("ada", "orders", "read write", idp.issuer, ["admin"])
    assert (own["sub"], own["aud"], "scope" in own and own["scope"]) == (own["client_id"], "orders", "")
    assert claims(idp.tokens("ada", nonce="n-1")["id_token"])["nonce"] == "n-1"


def test_a_user_with_a_password_is_logged_in_with_it(idp: OidcProvider) -> None:
    assert claims(idp.token("grace"))["sub"] == "grace"


def test_a_browser_that_an_application_sent_comes_back_with_a_code(idp: OidcProvider) -> None:
    client = idp.client("https://app.example/callback", pkce="optional")
    asked = {"client_id": client.id, "redirect_uri": client.redirect_uris[0], "response_type": "code", "scope": "openid", "state": "s"}
    url = f"{idp.issuer}/authorize?{urlencode(asked)}"
    for back in (idp.log_in(url), idp.log_in(url, "grace"), idp.log_in(url, "locked")):
        assert (
            back.startswith("https://app.example/callback?") and "state=s" in back and ("code=" in back) != ("error=access_denied" in back)
        )
    assert "state=wrong" in idp.log_in(url, defect="wrong-state")
    with pytest.raises(RuntimeError, match="password"):
        idp.log_in(url, "grace", password="wrong")
    with pytest.raises(RuntimeError, match="no client"):
        idp.log_in(url.replace(client.id, "nobody"))


def test_a_defect_is_in_the_token(idp: OidcProvider) -> None:
    good, bad = claims(idp.token("ada")), claims(idp.token("ada", defect="expired"))
    assert bad["exp"] < good["iat"] < good["exp"]


def test_its_addresses_answer(idp: OidcProvider) -> None:
    found = httpx.get(idp.discovery_url, trust_env=False).json()
    assert (found["issuer"], found["jwks_uri"]) == (idp.issuer, idp.jwks_url)
    assert httpx.get(idp.jwks_url, trust_env=False).json() == idp.jwks()


def test_a_revoked_token_is_not_active_and_keys_change(idp: OidcProvider) -> None:
    tokens, kid = idp.tokens("ada"), idp.jwks()["keys"][0]["kid"]
    idp.revoke(tokens["refresh_token"])
    bearer = {"authorization": f"Bearer {tokens['access_token']}"}
    assert httpx.get(f"{idp.issuer}/userinfo", headers=bearer, trust_env=False).status_code == 401
    idp.rotate()
    assert [key["kid"] == kid for key in idp.jwks()["keys"]] == [False, True]
    idp.rotate(forget=True)
    assert len(idp.jwks()["keys"]) == 1


def test_a_client_of_ones_own_is_public_or_has_a_secret(idp: OidcProvider) -> None:
    public, confidential = idp.client("https://app.example/cb", public=True, defect="alg-none"), idp.client(audience="shop")
    assert public.secret is None and public.redirect_uris == ("https://app.example/cb",)
    assert idp.tokens("ada", client=public)["id_token"].endswith(".")
    assert claims(idp.token(client=confidential))["aud"] == "shop"
    assert confidential.secret is not None and confidential.secret not in repr(confidential)


@pytest.mark.parametrize(
    ("user", "more", "words"),
    [
        ("nobody", {}, "There is no such user"),
        ("locked", {}, "access_denied"),
        ("ada", {"defect": "expird"}, "Did you mean 'expired'"),
        (None, {"defect": "expird"}, "Did you mean 'expired'"),
    ],
)
def test_what_cannot_be_had_is_said(idp: OidcProvider, user: str | None, more: dict[str, str], words: str) -> None:
    with pytest.raises(RuntimeError, match=words):
        idp.token(user, **more)  # type: ignore[arg-type]


def test_a_project_has_it_as_a_fixture_with_users_of_its_own(tmp_path: Path) -> None:
    ran = run(
        tmp_path,
        """
import pytest

@pytest.fixture(scope="session")
def mockforge_idp_config():
    return {"algorithm": "ES256", "users": [{"id": "u-1"}]}

def test_tokens(mockforge_idp):
    assert mockforge_idp.token("u-1") and mockforge_idp.token(defect="expired")
    assert mockforge_idp.jwks()["keys"][0]["alg"] == "ES256"
    with pytest.raises(RuntimeError, match="There is no such user"):
        mockforge_idp.token("ada")
""",
    )
    assert "1 passed" in ran.stdout, ran.stdout + ran.stderr
