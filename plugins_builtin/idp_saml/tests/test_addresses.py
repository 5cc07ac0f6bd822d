"""Entity id, addresses and certificate agree, wherever the provider is mounted and whatever it is called."""

from __future__ import annotations

from base64 import b64decode
from typing import Any

import httpx
import pytest
from lxml import etree
from starlette.applications import Starlette
from starlette.routing import Mount

from mockforge_asgi import MockForge
from mockforge_asgi.testing import Client, Server
from plugins_builtin.idp_saml.elements import NAMES
from plugins_builtin.idp_saml.settings import is_loopback, is_web_address
from plugins_builtin.idp_saml.tests.pages import form_of
from plugins_builtin.idp_saml.tests.parties import JSON, Idp, Python3Saml, browser


def mock(prefix: str | None = None, **config: Any) -> dict[str, Any]:
    plugin: dict[str, Any] = {"use": "idp-saml", "config": config}
    return {"version": 1, "plugins": {"idp": plugin if prefix is None else {**plugin, "prefix": prefix}}}


@pytest.mark.parametrize(("prefix", "mount", "path"), [
    (None, "", "/idp"),
    ("/auth/saml", "", "/auth/saml"),
    ("/", "", ""),
    (None, "/api/v1", "/api/v1/idp"),
])  # fmt: skip
def test_it_is_where_it_says(prefix: str | None, mount: str, path: str) -> None:
    app = MockForge(config=mock(prefix))
    with Server(Starlette(routes=[Mount(mount, app)]) if mount else app) as server, browser() as http:
        idp = Idp.at(f"{server.url}{path}")
        found = idp.parsed
        assert found["entityId"] == f"{server.url}{path}/metadata"
        assert found["singleSignOnService"]["url"] == f"{server.url}{path}/sso"
        assert found["singleLogoutService"]["url"] == f"{server.url}{path}/slo"
        party = Python3Saml(idp, "both", None)
        begun = party.begin()
        onward = http.post(form_of(http.get(begun.url)).action, data={"user": "ada"})  # as the page has it, not as we know it
        assert f"Path={path}/;" in onward.headers["set-cookie"]
        taken = party.take(form_of(onward).fields["SAMLResponse"], begun)
        assert taken.name == "ada", taken.why
        response = etree.fromstring(b64decode(form_of(onward).fields["SAMLResponse"]))
        assert {issuer.text for issuer in response.iterfind(".//saml:Issuer", NAMES)} == {found["entityId"]}


def test_behind_a_proxy_that_takes_a_path_away_it_is_where_the_proxy_is() -> None:
    with Server(mock(), root_path="/behind") as server:
        found = Idp.at(f"{server.url}/idp").parsed
        assert found["entityId"] == f"{server.url}/behind/idp/metadata"


@pytest.mark.parametrize("entity_id", [None, "urn:example:idp"])
def test_it_is_what_the_configuration_says(entity_id: str | None) -> None:
    config = {"public_url": "https://idp.example/sso-test", **({} if entity_id is None else {"entity_id": entity_id})}
    with Server(mock(**config)) as server, browser() as http:
        found = Idp.at(f"{server.url}/idp").parsed
        assert found["entityId"] == (entity_id or "https://idp.example/sso-test/metadata")
        assert found["singleSignOnService"]["url"] == "https://idp.example/sso-test/sso"
        form = {"user": "ada", "sp": "http://sp.example", "acs": "http://sp.example/acs"}
        answer = http.post(f"{server.url}/idp/login", data=form, headers=JSON)
        root = etree.fromstring(b64decode(answer.json()["SAMLResponse"]))
        assert root.findtext("saml:Issuer", None, NAMES) == found["entityId"]
        forbidden = http.post(f"{server.url}/idp/login", data=form, headers={**JSON, "origin": server.url})
        assert forbidden.status_code == 400 and "https://idp.example" in forbidden.json()["message"]
        refused = http.get(f"{server.url}/idp/login?sp=urn:x&acs=http://127.0.0.1:9000/acs")
        assert refused.status_code == 400  # elsewhere, nobody is welcome who is not listed


async def test_a_host_that_is_none_is_told_nothing() -> None:
    async with Client(MockForge(config=mock())) as client:
        for host in ('evil.example"><script>', "a b", "evil.example/path", "user@evil.example", "evil.example:x"):
            answer = await client.get("/idp/metadata", headers={"host": host})
            assert answer.status == 400 and "not a host name" in answer.text and "<script>evil" not in answer.text
        answer = await client.get("/idp/metadata", headers={"host": "LOCALHOST:8000"})
        assert 'entityID="http://localhost:8000/idp/metadata"' in answer.text


async def test_a_path_that_is_written_in_another_way_is_the_same() -> None:
    async with Client(MockForge(config=mock())) as client:
        answer = await client.get("/idp/%6Detadata")
        assert 'entityID="http://testserver/idp/metadata"' in answer.text


@pytest.mark.parametrize(("url", "is_one"), [
    ("http://127.0.0.1:9000/acs", True),
    ("http://localhost/acs", True),
    ("https://app.localhost:3000/acs", True),
    ("http://[::1]:9000/acs", True),
    ("http://127.9.9.9/acs", True),
    ("http://127.0.0.1.evil.example/acs", False),
    ("http://localhost.evil.example/acs", False),
    ("http://127.0.0.1@evil.example/acs", False),
    ("http://evil.example#@127.0.0.1/acs", False),
    ("http://evil.example\\@127.0.0.1/acs", False),
    ("http://evil.example\\.localhost/acs", False),
    ("http://evil.example\\x.localhost:80/acs", False),
    ("javascript://127.0.0.1/%0aalert(1)", False),
    ("data:text/html,127.0.0.1", False),
    ("//127.0.0.1/acs", False),
    ("http://0.0.0.0/acs", False),
    ("http://2130706433/acs", False),
    ("http://[::ffff:8.8.8.8]/acs", False),
    ("http://evil.example\t@127.0.0.1/", False),
    ("http://127.0.0.1\n.evil.example/", False),
])  # fmt: skip
def test_the_browsers_own_machine_is_known_by_its_names_alone(url: str, is_one: bool) -> None:
    assert (is_loopback(url) and is_web_address(url)) is is_one


async def test_its_endpoints_are_asked_before_auth_and_protected_where_that_is_said() -> None:
    config = {**mock(), "protect": [{"path": "/**", "auth": ["key"]}], "secrets": {"keys": {"value": "s3cret=ci"}}}
    config["plugins"]["key"] = {"use": "auth-api-key", "config": {"keys": "keys"}}
    async with Client(MockForge(config=config)) as client:
        assert (await client.get("/idp/metadata")).status == 200
        assert (await client.get("/other")).status == 401
    config["plugins"]["idp"]["endpoints"] = "protected"
    async with Client(MockForge(config=config)) as client:
        assert (await client.get("/idp/metadata")).status == 401


def test_all_answers_of_pages_are_guarded(idp: Idp) -> None:
    with browser() as http:
        for path in ("/login?sp=urn:x&acs=http://localhost/acs", "/logout", "/sso", "/slo"):
            answer: httpx.Response = http.get(f"{idp.base}{path}")
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "base-uri 'none'" in policy
            assert answer.headers["cache-control"] == "no-store"
