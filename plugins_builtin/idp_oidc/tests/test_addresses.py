"""The issuer, the addresses and the keys agree, wherever the provider is mounted and by whatever name it is reached."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet
from starlette.applications import Starlette
from starlette.routing import Mount

from mockforge_asgi import MockForge
from mockforge_asgi.testing import Client
from mockforge_asgi.types import ASGIApp
from plugins_builtin.idp_oidc.tests.flow import CALLBACK, CHALLENGE, VERIFIER, part

FORM = {"content-type": "application/x-www-form-urlencoded"}
BASIC = {**FORM, "authorization": "Basic d2ViOndlYi1zZWNyZXQ="}
FORWARDED = {"x-forwarded-proto": "https", "x-forwarded-host": "evil.example"}
ENDPOINTS = (
    "authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri", "introspection_endpoint", "revocation_endpoint",
    "end_session_endpoint",
)  # fmt: skip


def mock(entry: dict[str, Any] | None = None, name: str = "idp", **config: Any) -> MockForge:
    plugin = {"use": "idp-oidc", "config": {"algorithm": "ES256", **config}, **(entry or {})}
    return MockForge(config={"version": 1, "plugins": {name: plugin}, "trusted_proxies": ["10.0.0.1"]})


def mounted(path: str, **config: Any) -> Starlette:
    return Starlette(routes=[Mount(path, app=mock(**config))])


SETTINGS: dict[str, tuple[ASGIApp, dict[str, Any], str, str, dict[str, str]]] = {
    "alone": (mock(), {}, "/idp", "http://testserver/idp", {}),
    "another name": (mock(name="login"), {}, "/login", "http://testserver/login", {}),
    "a prefix": (mock({"prefix": "/sso/v2"}), {}, "/sso/v2", "http://testserver/sso/v2", {}),
    "the whole origin": (mock({"prefix": "/"}), {}, "", "http://testserver", {}),
    "a host with a port": (mock(), {"host": "localhost:8000"}, "/idp", "http://localhost:8000/idp", {}),
    "an IPv6 host": (mock(), {"host": "[::1]:8000"}, "/idp", "http://[::1]:8000/idp", {}),
    "capitals in the host": (mock(), {"host": "LocalHost"}, "/idp", "http://localhost/idp", {}),
    "a mount": (mounted("/api"), {}, "/api/idp", "http://testserver/api/idp", {}),
    "a mount whose path is escaped": (mounted("/\u00e4 b"), {}, "/%C3%A4%20b/idp", "http://testserver/%C3%A4%20b/idp", {}),
    "a root path": (mock(), {"root_path": "/proxied"}, "/idp", "http://testserver/proxied/idp", {}),
    "a proxy that ends TLS": (
        mock(), {"client": "10.0.0.1"}, "/idp", "https://testserver/idp", {"x-forwarded-for": "192.0.2.1", "x-forwarded-proto": "https"},
    ),
    "somebody who only says so": (mock(), {}, "/idp", "http://testserver/idp", FORWARDED),
    "a public address": (mock(public_url="https://idp.example/x"), {}, "/idp", "https://idp.example/x", {"host": "evil.example"}),
    "a public address of a whole origin": (mock(public_url="https://idp.example"), {}, "/idp", "https://idp.example", {}),
    "a public address behind a mount": (mounted("/api", public_url="https://idp.example/x"), {}, "/api/idp", "https://idp.example/x", {}),
}  # fmt: skip


@pytest.mark.parametrize("setting", SETTINGS)
async def test_all_that_it_says_agrees(setting: str) -> None:
    app, options, base, issuer, headers = SETTINGS[setting]
    client = Client(app, **options)
    said = (await client.get(f"{base}/.well-known/openid-configuration", headers=headers)).json()
    assert said["issuer"] == issuer
    assert [said[name].rpartition("/")[0] for name in ENDPOINTS] == [issuer] * len(ENDPOINTS)

    asked = f"response_type=code&client_id=spa&redirect_uri={CALLBACK}&scope=openid&code_challenge={CHALLENGE}&code_challenge_method=S256"
    page = await client.get(f"{base}/authorize?{asked}", headers=headers)
    assert f'action="{issuer}/login"' in page.text
    back = await client.post(f"{base}/login", headers={**FORM, **headers}, body=f"user=ada&{asked}".encode())
    location, cookie = str(back.header("location")), str(back.header("set-cookie"))
    assert f"Path={urlsplit(issuer).path}/" in cookie and ("Secure" in cookie) == issuer.startswith("https:")
    code = location.partition("code=")[2].partition("&")[0]
    form = f"grant_type=authorization_code&client_id=spa&code={code}&redirect_uri={CALLBACK}&code_verifier={VERIFIER}"
    tokens = (await client.post(f"{base}/token", headers={**FORM, **headers}, body=form.encode())).json()

    keys = KeySet.import_key_set((await client.get(f"{base}/jwks", headers=headers)).json())
    for name in ("access_token", "id_token"):
        assert jwt.decode(tokens[name], keys, algorithms=["ES256"]).claims["iss"] == issuer
        assert part(tokens[name], 0)["kid"] == keys.keys[0].kid == keys.keys[0].thumbprint()
    bearer = {"authorization": f"Bearer {tokens['access_token']}", **headers}
    assert (await client.get(f"{base}/userinfo", headers=bearer)).json()["sub"] == "ada"
    active = await client.post(f"{base}/introspect", headers={**BASIC, **headers}, body=f"token={tokens['access_token']}".encode())
    assert active.json()["active"] is True and active.json()["iss"] == issuer


async def test_endpoints_answer_by_their_escaped_names_too() -> None:
    client = Client(mock())
    assert (await client.get("/idp/.well-known/openid%2dconfiguration")).json()["issuer"] == "http://testserver/idp"


async def test_a_token_of_one_name_is_not_one_of_another() -> None:
    app = mock()
    here, there = Client(app, host="here.test"), Client(app, host="there.test")
    token = (await here.post("/idp/token", headers=BASIC, body=b"grant_type=client_credentials")).json()["access_token"]
    assert (await here.post("/idp/introspect", headers=BASIC, body=f"token={token}".encode())).json()["active"] is True
    assert (await there.post("/idp/introspect", headers=BASIC, body=f"token={token}".encode())).json() == {"active": False}


async def test_it_is_asked_about_no_request_but_those_at_its_endpoints() -> None:
    routes = [{"match": {"path": "/other"}, "response": {"text": "other"}}]
    plugins = {"idp": {"use": "idp-oidc", "config": {"algorithm": "ES256"}}}
    async with Client(MockForge(config={"version": 1, "dev": True, "plugins": plugins, "routes": routes})) as client:
        assert (await client.get("/idp/jwks")).status == 200
        unknown = await client.get("/nowhere")
        assert unknown.status == 404 and "/other" in unknown.text and "idp" not in unknown.text, "a 404 names who was asked"


async def test_it_is_public_beside_rules_unless_its_entry_says_otherwise() -> None:
    def guarded(**entry: Any) -> Client:
        idp = {"use": "idp-oidc", "config": {"algorithm": "ES256"}, **entry}
        jwt = {"use": "auth-jwt", "config": {"jwks_url": "http://127.0.0.1:9/jwks", "issuer": "x", "audience": "y"}}
        return Client(MockForge(config={"version": 1, "plugins": {"idp": idp, "jwt": jwt}, "protect": [{"path": "/**", "auth": ["jwt"]}]}))

    assert (await guarded().get("/idp/jwks")).status == 200
    assert (await guarded(endpoints="protected").get("/idp/jwks")).status == 401


@pytest.mark.parametrize(
    ("url", "entry", "warned"),
    [
        ("https://idp.example", {}, True),
        ("https://idp.example/idp", {}, False),
        ("https://idp.example", {"prefix": "/"}, False),
        ("https://idp.example/sso", {"prefix": "/sso"}, False),
    ],
)
async def test_a_public_address_that_the_endpoints_are_not_below_is_warned_about(
    url: str, entry: dict[str, Any], warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async with Client(mock(entry, public_url=url)):
        pass
    assert ("Without one, write https://idp.example/idp" in caplog.text) == warned
