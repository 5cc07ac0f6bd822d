"""Attacks on the provider itself: each with its outcome."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import quote, urlencode
from zlib import compressobj

import pytest

from mockforge_asgi import MockForge
from mockforge_asgi.testing import Client, Response
from plugins_builtin.idp_saml.elements import NAMES
from plugins_builtin.idp_saml.keys import Signer
from plugins_builtin.idp_saml.sessions import _index

MARK = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>"
SP, ACS = "http://127.0.0.1:9000/metadata", "http://127.0.0.1:9000/acs"
CONFIG: dict[str, Any] = {
    "users": [{"id": "ada", "name": MARK, "email": MARK, "roles": [MARK]}],
    "service_providers": [{"entity_id": SP, "acs": ACS}, {"entity_id": "urn:marked", "acs": ACS, "name": MARK, "logout_url": "http://127.0.0.1:9000/slo"}],
}  # fmt: skip
FORM = {"content-type": "application/x-www-form-urlencoded"}


@cache
def pem() -> str:
    """The provider's key, made once: each test has a provider of its own."""
    return Signer.make("idp", datetime.now(UTC)).pem


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    plugin, secrets = {"use": "idp-saml", "config": {**CONFIG, "key": "idp_key"}}, {"idp_key": {"value": pem()}}
    app = MockForge(config={"version": 1, "plugins": {"idp": plugin}, "secrets": secrets})
    async with Client(app, host="127.0.0.1:8000") as opened:
        yield opened


def xml(kind: str = "AuthnRequest", *, issuer: str = SP, acs: str = ACS, more: str = "") -> bytes:
    attributes = f'ID="_1" Version="2.0" AssertionConsumerServiceURL="{acs}"'
    return (
        f'<samlp:{kind} xmlns:samlp="{NAMES["samlp"]}" xmlns:saml="{NAMES["saml"]}" {attributes}>'
        f"<saml:Issuer>{issuer}</saml:Issuer>{more}</samlp:{kind}>"
    ).encode()


def query(data: bytes, name: str = "SAMLRequest", **more: str) -> str:
    deflating = compressobj(wbits=-15)
    return urlencode({name: b64encode(deflating.compress(data) + deflating.flush()).decode(), **more})


async def send(client: Client, path: str, form: dict[str, str], **headers: str) -> Response:
    return await client.post(path, headers={**FORM, **{k.replace("_", "-"): v for k, v in headers.items()}}, body=urlencode(form).encode())


def shows_no_script(answer: Response) -> bool:
    text = answer.text
    return "<script>alert" not in text and "<img src=x" not in text and "\"'>" not in text


async def test_no_parameter_becomes_markup(client: Client) -> None:
    escaped = MARK.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
    pages = [
        await client.get(f"/idp/sso?{query(xml(), RelayState=MARK, defect=MARK, other=MARK)}"),
        await client.get(f"/idp/sso?{query(xml(issuer='urn:marked'))}"),
        await client.get(f"/idp/sso?{query(xml(issuer=escaped))}"),
        await client.get(f"/idp/sso?{query(xml(acs=escaped))}"),
        await client.get(f"/idp/sso?{query(xml(MARK[3:4] + 'x'))}"),
        await client.get(f"/idp/sso?SAMLRequest={quote(MARK)}"),
        await client.get(f"/idp/login?{urlencode({'sp': MARK, 'acs': MARK, 'RelayState': MARK})}"),
        await client.get(f"/idp/login?{urlencode({'sp': SP, 'acs': MARK})}"),
        await client.get("/idp/login"),
        await client.get(f"/idp/slo?{query(xml('LogoutRequest', issuer=escaped))}"),
        await send(client, f"/idp/sso?{query(xml(), RelayState=MARK)}", {"user": "ada"}),
        await send(client, "/idp/sso", {"SAMLRequest": b64encode(xml()).decode(), "RelayState": MARK}),
        await send(client, "/idp/login", {"sp": SP, "user": MARK, "RelayState": MARK}),
        await send(client, "/idp/login", {"sp": SP, "user": "ada", "defect": MARK}),
        await send(client, "/idp/login", {"sp": SP, "user": "ada"}, origin=MARK),
    ]
    assert [page.status for page in pages if not shows_no_script(page)] == []
    assert [page.status for page in pages].count(200) == 5
    for page in pages:
        assert "text/html" in (page.header("content-type") or "")


async def test_a_status_that_a_browser_takes_along_is_well_formed(client: Client) -> None:
    answer = await send(client, f"/idp/sso?{query(xml())}", {"user": "ada"}, accept="application/json")
    assert answer.status == 200 and answer.json()["acs"] == ACS


@pytest.mark.parametrize(("data", "words"), [
    (b"\0" * 50_000_000, "longer than 256 KiB"),
    (b"<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///dev/zero'>]><a>&x;</a>", "document type"),
    (b"<a>" * 5_000, "cannot be read"),
    (xml("Response"), "an AuthnRequest belongs here"),
    (xml(more="<!--" + "x" * 100 + "-->"), None),
])  # fmt: skip
async def test_hostile_documents_are_refused(data: bytes, words: str | None, client: Client) -> None:
    answer = await client.get(f"/idp/sso?{query(data)}")
    assert answer.status == (200 if words is None else 400) and (words or "") in answer.text


@pytest.mark.parametrize("message", ["", "!", "AAAA", "=" * 8, "\x00", "é", b64encode(b"<a/>").decode(), "A" * 60_000])
async def test_what_is_no_message_is_refused(message: str, client: Client) -> None:
    for path, form in [("/idp/sso", None), ("/idp/slo", None), ("/idp/sso", 1), ("/idp/slo", 1)]:
        for name in ("SAMLRequest", "SAMLResponse"):
            target = f"{path}?{urlencode({name: message})}"
            answer = await client.get(target) if form is None else await send(client, path, {name: message})
            assert answer.status == 400, (path, name)


async def test_a_form_of_another_kind_is_refused(client: Client) -> None:
    body = b"--x\r\ncontent-disposition: form-data; name=user\r\n\r\nada\r\n--x--"
    answer = await client.post("/idp/sso", headers={"content-type": "multipart/form-data; boundary=x"}, body=body)
    assert answer.status == 400 and "x-www-form-urlencoded" in answer.text
    answer = await client.post("/idp/sso", headers=FORM, body=b"user=\xff\xfe")
    assert answer.status == 400


@pytest.mark.parametrize("headers", [
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"origin": "http://127.0.0.1:9000"},
    {"origin": "https://127.0.0.1:8000"},
    {"sec_fetch_site": "cross-site"},
    {"sec_fetch_site": "same-site"},
])  # fmt: skip
async def test_a_page_elsewhere_logs_nobody_in_and_reads_nothing(headers: dict[str, str], client: Client) -> None:
    for path in (f"/idp/sso?{query(xml())}", "/idp/login"):
        for accept in ("text/html", "application/json"):
            answer = await send(client, path, {"sp": SP, "user": "ada"}, accept=accept, **headers)
            assert answer.status == 400 and "SAMLResponse" not in answer.text and answer.header("set-cookie") is None


async def test_assertions_go_to_addresses_of_their_service_provider_alone(client: Client) -> None:
    for acs in (
        "https://evil.example/acs",
        "http://127.0.0.1:9000/acs/",
        "http://127.0.0.1:9000/acs?x",
        "javascript:alert(1)",
        "HTTP://127.0.0.1:9000/acs",
    ):
        for answer in (
            await send(client, f"/idp/sso?{query(xml(acs=acs))}", {"user": "ada"}),
            await send(client, "/idp/login", {"sp": SP, "acs": acs, "user": "ada"}),
        ):
            assert answer.status == 400 and "SAMLResponse" not in answer.text


async def test_who_is_not_listed_is_refused_where_others_are(client: Client) -> None:
    answer = await client.get(f"/idp/sso?{query(xml(issuer='urn:x'))}")
    assert answer.status == 400 and "is not known here" in answer.text


async def test_strangers_that_fill_the_storage_keep_nobody_out() -> None:
    plugin = {"use": "idp-saml", "config": CONFIG, "grants": {**GRANTS, "kv": {"max_keys": 20, "max_bytes": 65536}}}
    async with Client(MockForge(config={"version": 1, "plugins": {"idp": plugin}}), host="127.0.0.1:8000") as client:
        answers = await asyncio.gather(*(send(client, "/idp/login", {"sp": SP, "user": "ada"}) for _ in range(60)))
        assert {answer.status for answer in answers} == {200}
        forms = ({"sp": f"urn:{n}", "acs": "http://x.example/", "user": "ada"} for n in range(60))
        answers = await asyncio.gather(*(send(client, "/idp/login", form, accept="application/json") for form in forms))
        assert {answer.status for answer in answers} == {200}


GRANTS: dict[str, Any] = {
    "request": {"headers": ["accept", "origin", "sec-fetch-site"], "cookies": ["idp_saml_session"], "query": ["*"], "body": True},
    "response": {"set_headers": ["content-security-policy", "set-cookie"]},
}


async def test_a_logout_for_which_there_is_no_more_room_says_so() -> None:
    known = [{"entity_id": name, "acs": ACS, "logout_url": "http://127.0.0.1:9000/slo"} for name in ("urn:one", "urn:two")]
    plugin = {
        "use": "idp-saml",
        "config": {"users": [{"id": "ada"}], "service_providers": known},
        "grants": {**GRANTS, "kv": {"max_keys": 20, "max_bytes": 6000}},
    }
    async with Client(MockForge(config={"version": 1, "plugins": {"idp": plugin}}), host="127.0.0.1:8000") as client:
        answer = await send(client, "/idp/login", {"sp": "urn:one", "user": "ada"})
        cookie = (answer.header("set-cookie") or "").partition(";")[0]
        await send(client, "/idp/login", {"sp": "urn:two", "user": "ada"}, cookie=cookie)
        wanted = query(xml("LogoutRequest", issuer="urn:one", more="<saml:NameID>ada</saml:NameID>"), RelayState="x" * 4000)
        answer = await client.get(f"/idp/slo?{wanted}", headers={"cookie": cookie})
        assert answer.status == 503 and "the storage of this provider is full or away" in answer.text, answer.text


async def test_a_cookie_that_somebody_made_up_is_nobodys(client: Client) -> None:
    for value in ("x", "_" + "0" * 40, "x" * 5000, "../session", ""):
        answer = await client.get("/idp/logout", headers={"cookie": f"idp_saml_session={value}"})
        assert answer.status == 200 and "Nobody is logged in here." in answer.text


async def test_the_index_that_service_providers_know_is_no_cookie(client: Client) -> None:
    answer = await send(client, "/idp/login", {"sp": SP, "user": "ada"})
    cookie = (answer.header("set-cookie") or "").partition("=")[2].partition(";")[0]
    assert len(cookie) > 40 and "HttpOnly" in (answer.header("set-cookie") or "")
    for value, words in ((cookie, "is logged in"), (_index(cookie), "Nobody is logged in here.")):
        answer = await client.get("/idp/logout", headers={"cookie": f"idp_saml_session={value}"})
        assert words in answer.text
