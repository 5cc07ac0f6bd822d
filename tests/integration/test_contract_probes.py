"""The three probes of the contract in the whole product: a login by redirect, pages over a data source, a modifier of a large body.

Their plugins are those of the golden cases; manifests, grants and configuration are written here, as an operator would.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from mockforge_asgi import MockForge
from mockforge_asgi.testing import Client, Response
from tests.support.golden_cases import GOLDEN

HEAD = 'manifest_version: 1\nid: {id}\nversion: 1.0.0\ncontract: "0.1"\nruntime: python\nentry: plugin.py\n'
OIDC = """kinds: [auth]
limits: {timeout_ms: 5000}
endpoints: [/callback]
permissions:
  request.headers: {names: [accept], reason: tells browsers from programs}
  request.cookies: {names: [session, oidc_state], reason: its own}
  request.query: {names: [state, code], reason: of the callback}
  response.set_headers: {names: [set-cookie], reason: keeps the session}
  secrets: {names: [oidc_client_secret], reason: to fetch the token}
  kv: {reason: keeps logins and sessions}
  network: {allow: ["http://*"], reason: the provider}
config:
  type: object
  properties: {authorize_url: {type: string}, token_url: {type: string}, client_id: {type: string}, redirect_uri: {type: string}}
"""
PAGED = """kinds: [response]
limits: {timeout_ms: 5000}
permissions:
  request.query: {names: [size, cursor], reason: which page}
  request.principal: {reason: whose orders}
  data: {queries: [shop/orders_of], reason: the orders}
"""
KEYS = "kinds: [auth]\npermissions:\n  request.headers: {names: [x-user], reason: who it is}\n"
KEYS_CODE = """from mockforge_plugin import Allow, AuthPlugin, Principal
class Users(AuthPlugin):
    def authenticate(self, request):
        name = request.header("x-user")
        return Allow(Principal(name)) if name else None
"""
SHOP = "kinds: [data_source]\nlimits: {timeout_ms: 5000}\n"
SHOP_CODE = """from mockforge_plugin import Column, DataResult, DataSourcePlugin, PluginError
class Shop(DataSourcePlugin):
    def query(self, query, params, *, limit=None, cursor=None):
        if cursor is not None and not cursor.startswith("after-"):
            raise PluginError("this cursor is not of this query", code="invalid_input")
        rows = [(n, f"{params['user']}-{n}") for n in range(1, 6)]
        start = int(cursor.removeprefix("after-")) if cursor else 0
        more = start + limit < len(rows)
        return DataResult((Column("id", "integer"), Column("note")), tuple(rows[start:start + limit]), truncated=more,
                          next=f"after-{start + limit}" if more else None, total=len(rows))
"""
LARGE = """kinds: [modifier]
limits: {cpu_ms: 5000, timeout_ms: 20000, output_kb: 64}
permissions:
  request.query: {names: [how], reason: says what to do}
  response.body: {reason: looks at it}
config: {type: object, properties: {from_bytes: {type: integer, default: 1}}}
"""


def plugin(folder: Path, id: str, manifest: str, code: str | None = None) -> str:
    """A plugin's folder: of the golden cases, or of this code."""
    made = folder / id.replace("-", "_")
    if code is None:
        shutil.copytree(GOLDEN / "plugins" / made.name, made)
    else:
        made.mkdir()
        (made / "plugin.py").write_text(code)
    (made / "plugin.yaml").write_text(HEAD.format(id=id) + manifest)
    return str(made)


class Provider(BaseHTTPRequestHandler):
    """The token endpoint of an identity provider."""

    nonce = ""
    forms: list[dict[str, list[str]]] = []  # noqa: RUF012 - the server's, one per test

    def do_POST(self) -> None:
        """Answer a code with a token."""
        self.forms.append(parse_qs(self.rfile.read(int(self.headers["content-length"])).decode()))
        claims = {"sub": "ada", "roles": ["reader"], "aud": "probe", "nonce": type(self).nonce, "exp": time.time() + 300}
        part = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
        body = json.dumps({"id_token": f"e30.{part}.x"}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Silence."""


@pytest.fixture
def provider() -> Iterator[int]:
    Provider.forms.clear()
    server = HTTPServer(("127.0.0.1", 0), Provider)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


class Browser:
    """Keeps cookies."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.cookies: dict[str, str] = {}

    async def get(self, url: str) -> Response:
        """Ask, and keep what the answer sets."""
        cookie = {"cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())} if self.cookies else {}
        answer = await self._client.get(url, headers={"accept": "text/html", **cookie})
        for name, value in answer.headers:
            if name == "set-cookie":
                key, _, rest = value.partition("=")
                self.cookies[key] = rest.partition(";")[0]
        return answer


async def test_a_login_by_redirect(tmp_path: Path, provider: int) -> None:
    place = f"http://127.0.0.1:{provider}"
    config: dict[str, Any] = {
        "version": 1,
        "dev": True,
        "plugins": {
            "oidc-login": {
                "use": plugin(tmp_path, "oidc-login", OIDC),
                "prefix": "/auth",
                "config": {
                    "authorize_url": "https://idp.example/authorize",
                    "token_url": f"{place}/token",
                    "client_id": "probe",
                    "redirect_uri": "http://testserver/auth/callback",
                },
                "grants": {
                    "request": {"headers": ["accept"], "cookies": ["session", "oidc_state"], "query": ["state", "code"]},
                    "response": {"set_headers": ["set-cookie"]},
                    "secrets": ["oidc_client_secret"],
                    "kv": True,
                    "network": [{"allow": place, "private": True}],
                },
            }
        },
        "secrets": {"oidc_client_secret": {"value": "hush"}},
        "protect": [{"path": "/private", "auth": ["oidc-login"]}],
        "routes": [{"match": {"path": "/private"}, "response": {"json": {"private": True}}}],
    }
    async with Client(MockForge(config=config)) as client:
        browser, stranger = Browser(client), Browser(client)
        sent = await browser.get("/private")
        assert sent.status == 302
        query = {name: values[0] for name, values in parse_qs(urlsplit(sent.header("location") or "").query).items()}
        Provider.nonce = query["nonce"]
        back = f"/auth/callback?state={query['state']}&code=c0de"
        assert (await stranger.get(back)).status == 400
        returned = await browser.get(back)
        assert (returned.status, returned.header("location")) == (303, "/private"), returned.text
        assert Provider.forms[0]["client_secret"] == ["hush"] and len(Provider.forms) == 1
        assert (await browser.get("/private")).json() == {"private": True}
        assert (await browser.get(back)).status == 400
        assert (await stranger.get("/private")).status == 302
        assert (await client.get("/private", headers={"accept": "application/json"})).status == 401


@asynccontextmanager
async def shop(tmp_path: Path) -> AsyncIterator[Client]:
    """An app whose orders come from a data source."""
    config = {
        "version": 1,
        "dev": True,
        "plugins": {
            "paged-orders": {
                "use": plugin(tmp_path, "paged-orders", PAGED),
                "grants": {"request": {"query": ["size", "cursor"], "principal": True}, "data": ["shop/orders_of"]},
            },
            "users": {"use": plugin(tmp_path, "users", KEYS, KEYS_CODE), "grants": {"request": {"headers": ["x-user"]}}},
            "shop-data": {"use": plugin(tmp_path, "shop-data", SHOP, SHOP_CODE)},
        },
        "sources": {"shop": {"plugin": "shop-data", "queries": {"orders_of": {"query": "orders", "params": {"user": "text"}}}}},
        "protect": [{"path": "/orders", "auth": ["users"]}],
        "routes": [{"match": {"path": "/orders"}, "response": {"plugin": "paged-orders"}}],
    }
    async with Client(MockForge(config=config)) as client:
        yield client


async def test_pages_over_a_data_source(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        seen, url = [], "/orders?size=2"
        while url:
            page = await client.get(url, headers={"x-user": "ada"})
            assert page.status == 200, page.text
            said = page.json()
            assert (page.header("link") is None) == ("next" not in said["links"])
            seen.append([item["note"] for item in said["items"]])
            url = said["links"].get("next", "")
        assert seen == [["ada-1", "ada-2"], ["ada-3", "ada-4"], ["ada-5"]]
        assert (await client.get("/orders?size=0", headers={"x-user": "ada"})).status == 400
        assert (await client.get("/orders?cursor=forged", headers={"x-user": "ada"})).status == 502


async def test_a_modifier_reads_a_large_body_piece_by_piece(tmp_path: Path) -> None:
    body = base64.b64encode(hashlib.shake_256(b"large").digest(600_000)).decode()
    config = {
        "version": 1,
        "dev": True,
        "plugins": {
            "large-body": {
                "use": plugin(tmp_path, "large-body", LARGE),
                "grants": {"request": {"query": ["how"]}, "response": {"body": True}},
            }
        },
        "routes": [{"match": {"path": "/large"}, "response": {"text": body}}],
    }
    async with Client(MockForge(config=config)) as client:
        answer = await client.get("/large?how=digest")
        assert answer.header("x-sha256") == hashlib.sha256(body.encode()).hexdigest()
        assert (answer.header("x-bytes"), answer.text == body) == (str(len(body)), True)
        assert (await client.get("/large?how=upper")).text == body.upper()[:64]
        assert (await client.get("/large")).text == body
