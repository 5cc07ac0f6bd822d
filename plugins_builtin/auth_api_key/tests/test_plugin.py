"""auth-api-key in front of an app: attacks, grants, what later plugins see, and that its cost does not follow from its secrets."""

from __future__ import annotations

import hmac
import logging
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from mockforge_asgi import MockForge
from mockforge_asgi.testing import Client, Conversation
from mockforge_plugin import Allow, Request, Response
from plugins_builtin.auth_api_key import plugin as module
from plugins_builtin.auth_api_key.keys import NOBODY, read_keys
from plugins_builtin.auth_api_key.places import Places
from plugins_builtin.auth_api_key.plugin import ApiKeyAuth

from .copies import sandboxed

KEY = "0f7c2ab1d9e84c55b8a1"
CONFIG: dict[str, Any] = {"keys": "keys", "roles": {"ada": ["reader"]}}


def document(config: dict[str, Any] | None = None, **plugin: Any) -> dict[str, Any]:
    return {
        "version": 1,
        "plugins": {"keys": {"use": "auth-api-key", "config": config or CONFIG, **plugin}},
        "secrets": {"keys": {"value": f"{KEY}=ada"}},
        "protect": [{"path": "/**", "auth": "keys"}],
        "routes": [{"match": {"path": "/me"}, "response": {"template_text": "{{ request.principal.id }}"}}],
    }


async def test_a_known_key_passes_as_its_owner() -> None:
    async with Client(MockForge(config=document())) as client:
        answer = await client.get("/me", headers={"X-API-Key": KEY})
        assert (answer.status, answer.text) == (200, "ada")
        answer = await client.get("/me")
        assert (answer.status, answer.header("www-authenticate")) == (401, 'ApiKey realm="mockforge"')


ATTACKS = {
    "no key": (),
    "unknown": (("x-api-key", "unknown"),),
    "the owner's name": (("x-api-key", "ada"),),
    "as the secret writes it": (("x-api-key", f"{KEY}=ada"),),
    "its hash": (("x-api-key", sha256(KEY.encode()).hexdigest()),),
    "capitals": (("x-api-key", KEY.upper()),),
    "a part": (("x-api-key", KEY[:-1]),),
    "longer": (("x-api-key", KEY + "0"),),
    "white space": (("x-api-key", f" {KEY}"),),
    "a tab": (("x-api-key", f"{KEY}\t"),),
    "NUL": (("x-api-key", f"{KEY}\0"),),
    "full width": (("x-api-key", "".join(chr(ord(c) + 0xFEE0) for c in KEY).encode().decode("latin-1")),),
    "soft hyphen": (("x-api-key", f"{KEY[:5]}\xad{KEY[5:]}"),),
    "quoted": (("x-api-key", f'"{KEY}"'),),
    "two in one header": (("x-api-key", f"{KEY}, unknown"),),
    "two headers": (("x-api-key", KEY), ("x-api-key", KEY)),
    "two headers in other letters": (("X-Api-Key", KEY), ("X-API-KEY", "unknown")),
    "another header": (("authorization", f"ApiKey {KEY}"),),
    "a name with an underscore": (("x_api_key", KEY),),
    "oversize": (("x-api-key", KEY * 100),),
    "a cookie": (("cookie", f"x-api-key={KEY}; key={KEY}"),),
}


@pytest.mark.parametrize("attack", ATTACKS)
async def test_whatever_is_not_the_key_is_refused(attack: str) -> None:
    async with Client(MockForge(config=document())) as client:
        answer = await client.get("/me", headers=ATTACKS[attack])
        assert answer.status == (400 if "two headers" in attack or attack == "oversize" else 401)
        assert KEY not in answer.text


async def test_places_that_are_not_configured_are_not_looked_at() -> None:
    async with Client(MockForge(config=document())) as client:
        assert (await client.get(f"/me?X-API-Key={KEY}&api_key={KEY}&key={KEY}")).status == 401
    async with Client(MockForge(config=document({**CONFIG, "header": None, "query": "k"}))) as client:
        assert (await client.get("/me", headers={"x-api-key": KEY})).status == 401
        assert (await client.get(f"/me?k={KEY}")).text == "ada"
        assert (await client.get(f"/me?k={KEY}&%6b={KEY}")).status == 400


async def test_nobody_after_auth_sees_the_key() -> None:
    seen: list[str] = []

    class Looks:
        name = "looks"

        def generate(self, request: Request) -> Response:
            seen.append(f"{[*request.headers]} {[*request.query]} {request.cookies}")
            return Response.text("x")

    config = document({**CONFIG, "query": "k", "cookie": "c"})
    for url, headers in (("/", {"x-api-key": KEY}), (f"/?k={KEY}&other=1", {}), ("/", {"cookie": f"c={KEY}; d=2"})):
        async with Client(MockForge(config=config, plugins=[Looks()])) as client:
            assert (await client.get(url, headers=headers)).status == 200
    assert len(seen) == 3 and KEY not in "".join(seen) and "'other', '1'" in seen[1] and "'d': '2'" in seen[2]


async def test_websockets_are_guarded_the_same() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})

    guarded = MockForge(app, config=document())
    for headers, sent in (({"x-api-key": KEY}, "websocket.accept"), ({"x-api-key": "x"}, "websocket.close"), ({}, "websocket.close")):
        conversation = Conversation([{"type": "websocket.connect"}])
        await guarded({**Client(guarded).scope("GET", "/me", headers), "type": "websocket"}, conversation.receive, conversation.send)
        assert conversation.sent[-1]["type"] == sent


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"keys": "kyes"}, "there is no secret"),
        ({"keys": "keys", "header": None}, "there is no place for a key"),
        ({"keys": "keys", "header": "Authorization"}, "Write `prefix: ApiKey`"),
        ({"keys": "keys", "header": None, "query": "k", "prefix": "Key"}, "has no effect without a header"),
        ({"keys": "keys", "header": "Cookie"}, "`cookie: NAME`"),
        ({"keys": "keys", "roles": {"bob": ["x"]}}, "there is no key of that name"),
        ({"keys": "keys", "headr": "X"}, "headr"),
        ({"keys": "keys", "realm": 'a"b'}, "realm"),
        ({}, "keys"),
    ],
)
async def test_a_configuration_that_cannot_be_meant_is_refused(config: dict[str, Any], words: str) -> None:
    with pytest.raises(Exception, match="keys") as raised:
        async with Client(MockForge(config=document() | {"plugins": {"keys": {"use": "auth-api-key", "config": config}}})):
            pass
    assert (words in str(raised.value) or "which there is not" in str(raised.value)) and KEY not in str(raised.value)


async def test_a_key_that_is_quickly_guessed_is_warned_of_by_its_owner(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "mockforge"):
        async with Client(MockForge(config=document() | {"secrets": {"keys": {"value": "k1=ada"}}})) as client:
            assert (await client.get("/me", headers={"x-api-key": "k1"})).status == 200
    assert "those of ada" in caplog.text and "k1" not in caplog.text


def own(folder: Path, grants: dict[str, Any], **config: Any) -> dict[str, Any]:
    use = {"use": str(sandboxed(folder)), "config": {**CONFIG, **config}, "grants": grants}
    return {**document(), "dev": True, "plugins": {"keys": use}}


async def test_in_the_sandbox_it_guards_an_app_with_what_is_granted(tmp_path: Path) -> None:
    config = own(tmp_path, {"request": {"headers": ["x-api-key"]}, "secrets": ["keys"]})
    async with Client(MockForge(config=config)) as client:
        assert (await client.get("/me", headers={"x-api-key": KEY})).text == "ada"
        assert (await client.get("/me", headers={"x-api-key": "x"})).status == 401


@pytest.mark.parametrize(
    ("grants", "config", "lacking"),
    [
        ({"secrets": ["keys"]}, {}, "x-api-key"),
        ({"secrets": ["keys"], "request": {"headers": ["x-api-key"]}}, {"header": "Authorization", "prefix": "ApiKey"}, "authorization"),
        ({"request": {"headers": ["x-api-key"]}}, {}, "secrets"),
    ],
)
async def test_without_the_grant_of_header_or_secret_it_is_not_loaded(
    tmp_path: Path, grants: dict[str, Any], config: dict[str, Any], lacking: str
) -> None:
    with pytest.raises(RuntimeError, match=f"is not granted[^#]*{lacking}"):
        async with Client(MockForge(config=own(tmp_path, grants, **config))):
            pass


async def test_a_cookie_and_a_parameter_that_are_not_granted_are_not_seen(tmp_path: Path) -> None:
    grants = {"request": {"headers": ["x-api-key"]}, "secrets": ["keys"]}
    async with Client(MockForge(config=own(tmp_path, grants, cookie="c", query="k"))) as client:
        assert (await client.get(f"/me?k={KEY}", headers={"cookie": f"c={KEY}"})).status == 401
    grants["request"] = {"headers": ["x-api-key"], "cookies": ["c"], "query": ["k"]}
    async with Client(MockForge(config=own(tmp_path / "again", grants, cookie="c", query="k"))) as client:
        assert (await client.get(f"/me?k={KEY}")).text == "ada"
        assert (await client.get("/me", headers={"cookie": f"c={KEY}"})).text == "ada"


class Compared:
    """Counts comparisons, and looks at what is compared."""

    def __init__(self) -> None:
        self.pairs: list[tuple[bytes, bytes]] = []

    def __call__(self, one: bytes, other: bytes) -> bool:
        self.pairs.append((one, other))
        return hmac.compare_digest(one, other)


@pytest.mark.parametrize("number", [1, 1000])
async def test_every_key_costs_one_hash_and_one_comparison_of_digests_however_many_there_are(
    number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = Compared()
    monkeypatch.setattr(module, "compare_digest", compared)
    auth = ApiKeyAuth()
    text = ",".join(f"key-number-{i}-of-many={i}" for i in range(number))
    keys = read_keys({"keys": "k"}, lambda _: text)
    assert isinstance(keys, dict) and len(keys) == number
    auth.keys, auth.places, auth.max_bytes = keys, Places("x-api-key", "", "", ""), 512
    auth.unknown = module._TOO_LONG
    for sent in ("key-number-0-of-many", "key-number-0-of-manx", "x", "key-number-0-of-man"):
        decision = await auth.authenticate(Request(headers={"x-api-key": sent}))
        assert isinstance(decision, Allow) == (sent == "key-number-0-of-many")
    assert len(compared.pairs) == 4 and {len(part) for pair in compared.pairs for part in pair} == {32}
    assert all(held == NOBODY.digest for held, _ in compared.pairs[1:])


async def test_a_caller_that_guesses_waits() -> None:
    async with Client(MockForge(config=document() | {"backoff": {"attempts_from_address": 3}})) as client:
        statuses = [(await client.get("/me", headers={"x-api-key": f"guess {i}"})).status for i in range(5)]
        assert statuses == [401, 401, 401, 429, 429]
        assert (await client.get("/me", headers={"x-api-key": KEY})).status == 429
