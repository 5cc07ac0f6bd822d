"""What was tried against the provider's storage and patience: much of everything, and tokens that are not its own."""

from __future__ import annotations

from typing import Any

import pytest

from mockforge_asgi import MockForge
from mockforge_asgi.testing import Client, OidcProvider
from plugins_builtin.idp_oidc.tests.flow import CALLBACK, CHALLENGE, VERIFIER, WEB, Flow

FORM = {"content-type": "application/x-www-form-urlencoded"}
ASKED = f"client_id=spa&response_type=code&redirect_uri={CALLBACK}&scope=openid&code_challenge={CHALLENGE}&code_challenge_method=S256"

GRANTS = {
    "request": {
        "headers": ["authorization", "content-type", "origin", "sec-fetch-site"],
        "cookies": ["idp_oidc_session"],
        "query": ["*"],
        "body": True,
    },
    "response": {"set_headers": ["set-cookie", "content-security-policy"]},
}


def mock(**config: Any) -> MockForge:
    return MockForge(config={"version": 1, "plugins": {"idp": {"use": "idp-oidc", "config": {"algorithm": "ES256", **config}}}})


async def login(client: Client) -> str:
    answer = await client.post("/idp/login", headers=FORM, body=f"user=ada&{ASKED}".encode())
    return str(answer.header("location")).partition("code=")[2].partition("&")[0]


async def exchanged(client: Client, code: str) -> int:
    body = f"grant_type=authorization_code&client_id=spa&code={code}&redirect_uri={CALLBACK}&code_verifier={VERIFIER}"
    return (await client.post("/idp/token", headers=FORM, body=body.encode())).status


async def test_any_number_of_logins_takes_a_bounded_place_and_locks_nobody_out() -> None:
    async with Client(mock(kept=10)) as client:
        codes = [await login(client) for _ in range(60)]
        assert len(set(codes)) == 60
        assert [await exchanged(client, code) for code in codes] == [400] * 50 + [200] * 10
        assert await exchanged(client, await login(client)) == 200


async def test_nor_do_the_longest_that_there_are() -> None:
    plugin = {
        "use": "idp-oidc",
        "config": {"algorithm": "ES256", "kept": 10},
        "grants": {**GRANTS, "kv": {"max_keys": 50, "max_bytes": 100_000}},
    }
    long = ASKED.replace("&scope=openid", "&scope=openid" + ("+" + "s" * 190) * 5)
    long += f"&nonce={'n' * 1000}&audience={'a' * 1000}&state={'%E2%82%AC' * 1333}"
    long = long.replace(CALLBACK, CALLBACK + "/" + "p" * 1900)
    async with Client(MockForge(config={"version": 1, "plugins": {"idp": plugin}})) as client:
        for _ in range(40):
            answer = await client.post("/idp/login", headers=FORM, body=f"user=ada&{long}".encode())
            assert answer.status == 303 and "code=" in str(answer.header("location"))
        assert await exchanged(client, await login(client)) == 200


async def test_any_number_of_clients_registers_into_a_bounded_place() -> None:
    async with Client(mock(kept=10, registration=True)) as client:
        made = [(await client.post("/idp/register", json={})).json() for _ in range(30)]
        found = [(await client.get(f"/idp/authorize?client_id={each['client_id']}&redirect_uri={CALLBACK}")).status for each in made]
        assert found == [400] * 20 + [303] * 10


async def test_no_client_registers_where_that_is_not_configured() -> None:
    async with Client(mock()) as client:
        assert (await client.post("/idp/register", json={})).status == 403
        assert "registration_endpoint" not in (await client.get("/idp/.well-known/openid-configuration")).json()


@pytest.mark.parametrize(
    "about",
    [
        [], "text", 7, None, {"redirect_uris": "x"}, {"redirect_uris": ["javascript:alert(1)"]}, {"redirect_uris": ["https://a.example/#x"]},
        {"redirect_uris": ["https://a.example/*"]}, {"redirect_uris": ["https://a.example/"] * 21}, {"redirect_uris": [7]},
        {"post_logout_redirect_uris": ["/x"]}, {"defect": "unheard-of"}, {"error": "unheard-of"}, {"delay_ms": 10001}, {"delay_ms": True},
        {"delay_ms": "x"}, {"pkce": "never"}, {"x": "y" * 20_000},
    ],
)  # fmt: skip
async def test_a_client_that_makes_no_sense_does_not_register(flow: Flow, about: Any) -> None:
    answer = flow.http.post(flow.issuer + "/register", json=about)
    assert answer.status_code in (400, 413) and answer.json()["error"] in ("invalid_client_metadata", "invalid_redirect_uri")


@pytest.mark.parametrize("body", [b"[" * 10_000, b"{", b"\xff", b'{"a":' * 3000, b""])
def test_nor_does_one_that_is_no_json(flow: Flow, body: bytes) -> None:
    answer = flow.http.post(flow.issuer + "/register", content=body, headers={"content-type": "application/json"})
    assert answer.json()["error"] == "invalid_client_metadata"


@pytest.mark.parametrize("path", ["/token", "/login", "/authorize", "/introspect", "/revoke", "/logout", "/rotate"])
def test_what_is_too_long_is_refused(flow: Flow, path: str) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded"}
    for body, status in ((b"a=" + b"x" * 70_000, 413), (b"client_id=" + b"x" * 5000, 400), (b"a=1&" * 20_000, 413)):
        assert flow.http.post(flow.issuer + path, content=body, headers=headers).status_code == status
    assert flow.http.post(flow.issuer + path, content=b"x" * (2 << 20), headers=headers).status_code == 413


@pytest.mark.parametrize("body", [b"\xff\xfe", b"%ff%fe=%00", b"=&=&", b"\x00", b'{"grant_type": "client_credentials"}'])
def test_a_form_that_is_none_is_no_failure(flow: Flow, body: bytes) -> None:
    for path in ("/token", "/login", "/introspect", "/logout"):
        assert (
            flow.http.post(flow.issuer + path, content=body, headers={"content-type": "application/x-www-form-urlencoded"}).status_code
            < 500
        )
        assert flow.http.post(flow.issuer + path, content=body, headers={"content-type": "application/json"}).status_code == 400


def test_a_query_that_is_too_long_is_refused(flow: Flow) -> None:
    assert flow.authorize(state="x" * 5000).status_code == 400
    assert flow.http.get(flow.issuer + "/authorize?" + "&".join(f"a{i}=1" for i in range(1001))).status_code == 400


@pytest.mark.parametrize(
    "defect",
    ["expired", "not-yet-valid", "wrong-issuer", "issuer-with-slash", "bad-signature", "unknown-kid", "alg-none", "hs256-public-key",
     "missing-iss", "missing-sub", "missing-aud", "missing-exp", "missing-iat"],
)  # fmt: skip
def test_the_provider_does_not_take_its_own_broken_tokens(flow: Flow, mockforge_idp: OidcProvider, defect: str) -> None:
    token = mockforge_idp.token("ada", defect=defect)
    assert not flow.is_active(token)
    answer = flow.userinfo(token)
    assert answer.status_code == 401 and 'error="invalid_token"' in answer.headers["www-authenticate"]


def test_nor_tokens_that_are_for_something_else(flow: Flow, mockforge_idp: OidcProvider) -> None:
    tokens = mockforge_idp.tokens("ada")
    for token in (tokens["id_token"], tokens["refresh_token"], mockforge_idp.token(), "x", "a.b.c", "e30.e30.", "." * 5000):
        assert flow.userinfo(token).status_code == 401
    assert flow.userinfo(mockforge_idp.token("ada", scope="read")).status_code == 403
    assert flow.http.get(flow.issuer + "/userinfo").headers["www-authenticate"] == "Bearer"
    for token in (tokens["id_token"], "x" * 60_000, "a.b.c", "0" * 400):
        assert flow.post("/introspect", WEB, token=token).json() == {"active": False}


async def test_a_wrong_password_is_told_and_is_no_login() -> None:
    secrets = {"ada_password": {"value": "open sesame"}}
    plugin = {"use": "idp-oidc", "config": {"algorithm": "ES256", "users": [{"id": "ada", "password": "ada_password"}, {"id": "bob"}]}}
    async with Client(MockForge(config={"version": 1, "plugins": {"idp": plugin}, "secrets": secrets})) as client:
        for password in ("", "&password=", "&password=wrong", "&password=open+sesam", "&password=open+sesame+"):
            answer = await client.post("/idp/login", headers=FORM, body=f"user=ada&{ASKED}{password}".encode())
            assert answer.status == 400 and "The password is wrong." in answer.text and answer.header("set-cookie") is None
            assert "open sesame" not in answer.text
        answer = await client.post("/idp/login", headers=FORM, body=f"user=ada&{ASKED}&password=open+sesame".encode())
        assert answer.status == 303 and "code=" in str(answer.header("location"))


def test_answers_come_late_where_that_is_asked_for(flow: Flow, mockforge_idp: OidcProvider) -> None:
    answer = flow.post("/token", WEB, grant_type="client_credentials", delay_ms=300)
    assert answer.status_code == 200 and answer.elapsed.total_seconds() >= 0.3
    client = mockforge_idp.client(public=True, delay_ms=200)
    assert flow.authorize(client_id=client.id).elapsed.total_seconds() >= 0.2
