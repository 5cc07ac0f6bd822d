"""Tokens seen before: what they cost, how long they count, what empties the memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from mockforge_plugin import Allow, Deny, Request
from plugins_builtin.auth_jwt.jwks import RemoteKeys
from plugins_builtin.auth_jwt.plugin import JwtAuth
from plugins_builtin.auth_jwt.seen import SeenTokens
from plugins_builtin.auth_jwt.tests.tokens import AUDIENCE, ISSUER, claims, public, rsa, sign
from tests.support.kit_world import World, inside, reply

NOW = 1_800_000_000
CONFIG: Mapping[str, Any] = {
    "issuer": ISSUER,
    "audience": AUDIENCE,
    "leeway_s": 0,
    "required": ["exp"],
    "principal": "sub",
    "name": "name",
    "email": "email",
    "realm": "mockforge",
    "max_token_bytes": 8192,
    "cache_entries": 100,
    "other_tokens": "refuse",
}
"""With the defaults that the host fills in."""
URL = "https://idp.example/jwks"


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch, NOW)


def made(world: World, **more: Any) -> JwtAuth:
    plugin = JwtAuth()
    plugin.config = {**CONFIG, **more}
    assert plugin.validate_config(plugin.config) == []
    plugin.init()
    if isinstance(plugin.keys, RemoteKeys):
        plugin.keys._clock = lambda: world.now_s
    return plugin


async def ask(plugin: JwtAuth, token: str) -> Any:
    return await plugin.authenticate(Request(headers={"authorization": f"Bearer {token}"}))


def token(sub: str = "ada", lifetime: float = 300, kid: str = "main") -> str:
    return sign(rsa(kid), claims(sub=sub, iat=NOW, exp=NOW + lifetime))


async def test_a_token_seen_before_is_decided_by_the_same_object(world: World) -> None:
    with inside(world):
        plugin = made(world, keys=[{"jwk": public(rsa())}])
        first = await ask(plugin, token())
        assert isinstance(first, Allow) and await ask(plugin, token()) is first


async def test_its_time_is_looked_at_each_time(world: World) -> None:
    with inside(world):
        plugin, shown = made(world, keys=[{"jwk": public(rsa())}]), token()
        for passed, kind in ((0, Allow), (299.9, Allow), (300, Deny), (301, Deny)):
            world.now_s = NOW + passed
            assert type(await ask(plugin, shown)) is kind


@pytest.mark.parametrize(("name", "time_s", "kind"), [
    ("exp", NOW - 29.9, Allow), ("exp", NOW - 30, Deny), ("nbf", NOW + 30, Allow), ("nbf", NOW + 30.1, Deny),
    ("iat", NOW + 30, Allow), ("iat", NOW + 30.1, Deny), ("iat", NOW - 129.9, Allow), ("iat", NOW - 130, Deny),
])  # fmt: skip
async def test_clocks_may_differ_by_the_leeway_and_no_more(world: World, name: str, time_s: float, kind: type) -> None:
    with inside(world):
        plugin = made(world, keys=[{"jwk": public(rsa())}], leeway_s=30, max_age_s=100)
        shown = sign(rsa(), claims(**{"iat": NOW, "exp": NOW + 300, name: time_s}))
        assert type(await ask(plugin, shown)) is kind


async def test_neither_the_tokens_nor_refused_ones_are_kept(world: World) -> None:
    with inside(world):
        plugin, shown = made(world, keys=[{"jwk": public(rsa())}]), token()
        await ask(plugin, shown)
        await ask(plugin, sign(rsa("evil")))
        await ask(plugin, "nonsense")
        assert len(plugin.seen) == 1
        assert not [part for part in shown.split(".") if part in repr(plugin.seen._entries)]


async def test_the_memory_is_bounded_and_the_oldest_goes_first(world: World) -> None:
    with inside(world):
        plugin = made(world, keys=[{"jwk": public(rsa())}], cache_entries=5)
        shown = [token(f"caller-{n}") for n in range(8)]
        decisions = [await ask(plugin, each) for each in shown]
        assert len(plugin.seen) == 5
        assert await ask(plugin, shown[7]) is decisions[7]
        assert await ask(plugin, shown[0]) is not decisions[0]
        assert len(plugin.seen) == 5


async def test_nothing_is_remembered_where_no_entries_may_be(world: World) -> None:
    with inside(world):
        plugin = made(world, keys=[{"jwk": public(rsa())}], cache_entries=0)
        assert isinstance(await ask(plugin, token()), Allow)
        assert len(plugin.seen) == 0


async def test_new_keys_empty_the_memory(world: World) -> None:
    world.answer = reply({"keys": [public(rsa())]})
    with inside(world):
        plugin, old = made(world, jwks_url=URL), token(lifetime=3000)
        first = await ask(plugin, old)
        assert await ask(plugin, old) is first
        world.answer = reply({"keys": [public(rsa("next")), public(rsa())]})
        world.now_s += 300
        assert isinstance(await ask(plugin, token(kid="next", lifetime=3000)), Allow)
        assert len(plugin.seen) == 1
        assert await ask(plugin, old) is not first


async def test_a_withdrawn_key_ends_its_tokens_though_they_were_seen(world: World) -> None:
    world.answer = reply({"keys": [public(rsa())]})
    with inside(world):
        plugin, old = made(world, jwks_url=URL), token(lifetime=3000)
        assert isinstance(await ask(plugin, old), Allow)
        world.answer = reply({"keys": [public(rsa("next"))]})
        world.now_s += 299
        assert isinstance(await ask(plugin, old), Allow)
        world.now_s += 1
        assert isinstance(await ask(plugin, old), Deny)
        assert len(world.asked) == 2


def test_bytes_are_bounded_too() -> None:
    seen: SeenTokens[str] = SeenTokens(100, 1000)
    for n in range(50):
        seen.put(bytes([n]), "decision", until_s=0, weight=300)
    assert len(seen) == 3
    seen.put(b"x", "decision", until_s=0, weight=1001)
    assert len(seen) == 3 and seen.get(b"x") is None
    seen.put(bytes([49]), "decision", until_s=0, weight=10)
    assert len(seen) == 3
    seen.clear()
    assert len(seen) == 0
    seen.put(b"x", "decision", until_s=0, weight=1000)
    assert len(seen) == 1
