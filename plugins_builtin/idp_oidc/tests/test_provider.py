"""What the provider does when all is well: logins, tokens, what it says of them, and their end."""

from __future__ import annotations

import time

import pytest

from mockforge_asgi.testing import OidcProvider
from plugins_builtin.idp_oidc.tests.flow import CALLBACK, WEB, Flow, flow_to, parameters, part


def test_a_login_gives_tokens_about_its_user(flow: Flow) -> None:
    back = parameters(flow.login("ada"))
    assert back["state"] == "a-state" and back["iss"] == flow.issuer
    answer = flow.exchange(back["code"])
    assert answer.headers["cache-control"] == "no-store"
    tokens = answer.json()
    said = part(tokens["id_token"], 1)
    now = time.time()
    assert {name: said[name] for name in ("iss", "sub", "aud", "nonce", "name", "email", "email_verified", "roles", "groups")} == {
        "iss": flow.issuer, "sub": "ada", "aud": "spa", "nonce": "a-nonce", "name": "Ada Lovelace", "email": "ada@example.com",
        "email_verified": True, "roles": ["admin", "member"], "groups": ["staff"],
    }  # fmt: skip
    assert said["iat"] <= now < said["exp"] and now - 60 < said["auth_time"] <= now
    access = part(tokens["access_token"], 1)
    assert part(tokens["access_token"], 0)["typ"] == "at+jwt"
    assert (access["aud"], access["client_id"], access["scope"], access["roles"]) == (
        "api",
        "spa",
        "openid profile email",
        ["admin", "member"],
    )


def test_claims_follow_the_scopes(flow: Flow) -> None:
    said = part(flow.tokens("ada", scope="openid")["id_token"], 1)
    assert not {"name", "email", "preferred_username"} & said.keys()
    assert "id_token" not in flow.tokens("ada", scope="read")


def test_userinfo_and_introspection_agree_with_the_token(flow: Flow) -> None:
    token = flow.tokens("grace")["access_token"]
    assert flow.userinfo(token).json()["email"] == "grace@example.com"
    said = flow.post("/introspect", WEB, token=token).json()
    assert (said["active"], said["sub"], said["username"], said["client_id"]) == (True, "grace", "grace", "spa")
    assert {name: said[name] for name in part(token, 1)} == part(token, 1)


def test_a_client_gets_tokens_for_itself(flow: Flow) -> None:
    answer = flow.post("/token", WEB, grant_type="client_credentials", scope="read write", audience="orders").json()
    said = part(answer["access_token"], 1)
    assert (said["sub"], said["aud"], said["scope"], answer["expires_in"]) == ("web", "orders", "read write", 3600)
    assert "refresh_token" not in answer and "id_token" not in answer
    assert flow.post("/token", grant_type="client_credentials", client_id="web", client_secret="web-secret").status_code == 200


def test_a_refreshed_token_is_another_of_the_same_login(flow: Flow) -> None:
    first = flow.tokens("ada")
    second = flow.refresh(first["refresh_token"]).json()
    assert part(second["id_token"], 1)["auth_time"] == part(first["id_token"], 1)["auth_time"]
    assert second["access_token"] != first["access_token"] and second["refresh_token"] != first["refresh_token"]
    third = flow.refresh(second["refresh_token"], scope="openid").json()
    assert third["scope"] == "openid" and "email" not in part(third["access_token"], 1)
    assert flow.refresh(third["refresh_token"], scope="openid admin").json()["error"] == "invalid_scope"


@pytest.mark.parametrize("which", ["access_token", "refresh_token"])
def test_a_revoked_token_ends_all_of_its_login(flow: Flow, which: str) -> None:
    tokens = flow.tokens("ada")
    assert flow.is_active(tokens["access_token"]) and flow.is_active(tokens["refresh_token"])
    assert flow.post("/revoke", token=tokens[which], client_id="spa").status_code == 200
    assert not flow.is_active(tokens["access_token"]) and not flow.is_active(tokens["refresh_token"])
    assert flow.userinfo(tokens["access_token"]).status_code == 401
    assert flow.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert flow.post("/revoke", token="no such token", client_id="spa").status_code == 200


def test_a_browser_that_has_logged_in_need_not_be_asked(flow: Flow) -> None:
    assert parameters(flow.authorize(prompt="none"))["error"] == "login_required"
    flow.login("grace")
    silent = parameters(flow.authorize(prompt="none"))
    assert part(flow.exchange(silent["code"]).json()["id_token"], 1)["sub"] == "grace"
    assert flow.authorize().status_code == 200  # unless it may be asked: tests want their page


def test_a_logout_with_the_id_token_ends_the_session(flow: Flow) -> None:
    tokens = flow.exchange(flow.code("ada")).json()
    back = "http://localhost:5173/bye"
    answer = flow.get("/logout", id_token_hint=tokens["id_token"], post_logout_redirect_uri=back, state="s t")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{back}?state=s+t")
    assert parameters(flow.authorize(prompt="none"))["error"] == "login_required"


def test_a_logout_without_it_asks(flow: Flow) -> None:
    flow.login("ada")
    asked = flow.get("/logout", client_id="spa", post_logout_redirect_uri="http://localhost:5173/bye")
    assert asked.status_code == 200 and 'name="confirmed"' in asked.text
    assert "code" in parameters(flow.authorize(prompt="none"))
    done = flow.post("/logout", client_id="spa", post_logout_redirect_uri="http://localhost:5173/bye", confirmed="yes")
    assert done.headers["location"] == "http://localhost:5173/bye"
    assert parameters(flow.authorize(prompt="none"))["error"] == "login_required"
    assert "You are logged out" in flow.get("/logout").text


def test_whoever_cancels_is_sent_back_with_an_error(flow: Flow) -> None:
    back = parameters(flow.post("/login", cancel="yes", **flow.authorization()))
    assert (back["error"], back["state"]) == ("access_denied", "a-state")


def test_the_user_that_the_client_hints_at_comes_first(flow: Flow) -> None:
    text = flow.authorize(login_hint="alan").text
    assert text.index('id="user-alan"') < text.index('id="user-ada"')


def test_keys_change_and_old_tokens_hold_until_the_old_key_is_forgotten() -> None:
    with OidcProvider({"algorithm": "ES256"}) as idp, flow_to(idp.issuer) as flow:
        before, old = idp.jwks()["keys"], idp.token("ada")
        idp.rotate()
        after, new = idp.jwks()["keys"], idp.token("ada")
        assert after[1:] == before and after[0] not in before
        assert part(new, 0)["kid"] == after[0]["kid"] and part(old, 0)["kid"] == before[0]["kid"]
        assert flow.is_active(old) and flow.is_active(new)
        for _ in range(6):
            idp.rotate()
        assert len(idp.jwks()["keys"]) == 5
        idp.rotate(forget=True)
        assert len(idp.jwks()["keys"]) == 1 and not flow.is_active(old) and not flow.is_active(new)


def test_a_client_registers_and_is_known(flow: Flow, mockforge_idp: OidcProvider) -> None:
    client = mockforge_idp.client("https://app.example/callback", audience="books", scope="openid read")
    assert part(mockforge_idp.token(client=client, scope="read"), 1)["aud"] == "books"
    assert flow.get("/authorize", **flow.authorization(client_id=client.id, redirect_uri=CALLBACK)).status_code == 400
    tokens = mockforge_idp.tokens("ada", client=client, scope="openid", nonce="n")
    assert part(tokens["id_token"], 1)["aud"] == client.id
    with pytest.raises(RuntimeError, match="invalid_scope"):
        mockforge_idp.tokens("ada", client=client, scope="openid write")
