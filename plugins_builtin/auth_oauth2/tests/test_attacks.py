"""Answers about tokens that must not let anybody pass, each with its outcome; and what is remembered of good ones."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from mockforge_plugin import Allow, Deny, HostError, Request
from plugins_builtin.auth_oauth2.plugin import OAuth2Auth
from tests.support.kit_world import DOWN, HUGE, SLOW, World, inside, reply

CONFIG: Mapping[str, Any] = {
    "introspection_url": "https://idp.example/introspect",
    "plain_http": False,
    "client_id": "gateway",
    "client_secret": "client_secret",
    "client_auth": "basic",
    "timeout_ms": 3000,
    "cache_s": 60,
    "negative_cache_s": 5,
    "audience": ["https://orders.example"],
    "issuer": "https://idp.example",
    "leeway_s": 0,
    "principal": "sub",
    "roles": ["roles"],
    "groups": [],
    "name": "name",
    "email": "email",
    "realm": "mockforge",
    "max_token_bytes": 8192,
    "cache_entries": 100,
}
"""With the defaults that the host fills in."""
NOW = 1_800_000_000
GOOD: dict[str, Any] = {
    "active": True,
    "sub": "ada",
    "aud": "https://orders.example",
    "iss": "https://idp.example",
    "client_id": "shop",
    "scope": "read",
    "exp": NOW + 300,
    "token_type": "Bearer",
    "roles": ["buyer"],
}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch, NOW, secrets={"client_secret": "s3cret"})


def made(world: World, **more: Any) -> OAuth2Auth:
    """The plugin, ready, with the world's clock."""
    plugin = OAuth2Auth()
    plugin.config = {**CONFIG, **more}
    assert plugin.validate_config(plugin.config) == []
    plugin.init()
    plugin.provider._clock = lambda: world.now_s
    return plugin


async def ask(plugin: OAuth2Auth, token: str = "token") -> Any:
    return await plugin.authenticate(Request(headers={"authorization": f"Bearer {token}"}))


def answer(**changes: Any) -> dict[str, Any]:
    """A good answer with other members; None leaves one out."""
    return reply({name: value for name, value in {**GOOD, **changes}.items() if value is not None})


BOUND = "the token is bound to a key of its owner and must not be taken for a bearer token"
BADLY = "the identity provider gave an answer that cannot be used"
AWAY = "the identity provider cannot be reached"
NOT_A_TIME = "a time that is told of the token is not a number of seconds since 1970"
ATTACKS: list[tuple[str, Any, int, str]] = [
    ("not active", reply({"active": False}), 401, "the token is not active"),
    ("not active, with all else", answer(active=False), 401, "the token is not active"),
    ("active a text", answer(active="true"), 502, BADLY),
    ("active 1", answer(active=1), 502, BADLY),
    ("active a list", answer(active=[True]), 502, BADLY),
    ("active left out", answer(active=None), 502, BADLY),
    ("active twice", reply(b'{"active": false, "active": true, "sub": "ada"}'), 502, BADLY),
    ("for another audience", answer(aud="https://other.example"), 401, "the token is meant for another audience"),
    ("for no audience", answer(aud=None), 401, "the token is meant for another audience"),
    ("audience an object", answer(aud={"https://orders.example": 1}), 401, "the token is meant for another audience"),
    ("from another issuer", answer(iss="https://evil.example"), 401, "the token is from an issuer that is not accepted here"),
    ("from no issuer", answer(iss=None), 401, "the token is from an issuer that is not accepted here"),
    ("issuer a list", answer(iss=["https://idp.example"]), 401, "the token is from an issuer that is not accepted here"),
    ("expired", answer(exp=NOW), 401, "the token has expired"),
    ("exp a text", answer(exp="9999999999"), 401, NOT_A_TIME),
    ("exp true", answer(exp=True), 401, NOT_A_TIME),
    ("exp infinite", reply(json.dumps(GOOD).replace(str(NOW + 300), "1e999").encode()), 502, BADLY),
    ("not valid yet", answer(nbf=NOW + 1), 401, "the token is not valid yet"),
    ("bound to a DPoP key", answer(cnf={"jkt": "x"}), 401, BOUND),
    ("bound to a certificate", answer(cnf={"x5t#S256": "x"}), 401, BOUND),
    ("bound, in an odd way", answer(cnf="x"), 401, BOUND),
    ("type DPoP", answer(token_type="DPoP"), 401, BOUND),
    ("type N_A", answer(token_type="N_A"), 401, BOUND),
    ("type a list", answer(token_type=["Bearer"]), 401, BOUND),
    ("about nobody", answer(sub=None), 401, "the token does not say who it is about in the claim that the principal is taken from"),
    ("about a list", answer(sub=["ada"]), 401, "the token does not say who it is about in the claim that the principal is taken from"),
    ("HTML", reply(b"<h1>Welcome</h1>", content_type="text/html"), 502, BADLY),
    ("JSON called HTML", reply(GOOD, content_type="text/html"), 502, BADLY),
    ("a signed answer (RFC 9701)", reply(b"e30.e30.", content_type="application/token-introspection+jwt"), 502, BADLY),
    ("no content type", {"status": 200, "headers": [], "body": {"text": json.dumps(GOOD)}}, 502, BADLY),
    ("201", reply(GOOD, 201), 502, BADLY),
    ("302", reply(b"", 302, location="https://evil.example/"), 502, BADLY),
    ("400", reply({"error": "invalid_request"}, 400), 502, BADLY),
    ("401: our secret is wrong", reply({"error": "invalid_client"}, 401), 502, BADLY),
    ("429", reply({}, 429), 502, BADLY),
    ("500", reply(GOOD, 500), 502, BADLY),
    ("a list", reply([GOOD]), 502, BADLY),
    ("cut off", reply(json.dumps(GOOD)[:-5].encode()), 502, BADLY),
    ("deep", reply(b'{"active": true, "sub": "ada", "x": ' + b"[" * 500 + b"]" * 500 + b"}"), 502, BADLY),
    ("half a character", reply(b'{"active": true, "sub": "\\ud800"}'), 502, BADLY),
    ("long", answer(x="y" * 25_000), 502, BADLY),
    ("longer than the host reads", HUGE, 502, BADLY),
    ("not HTTP", HostError("does not speak HTTP", code="unavailable"), 502, BADLY),
    ("unreachable", DOWN, 503, AWAY),
    ("silent", SLOW, 503, AWAY),
    ("not granted", HostError("not granted", code="denied"), 503, AWAY),
]  # fmt: skip


@pytest.mark.parametrize(("said", "status", "words"), [pytest.param(*rest, id=name) for name, *rest in ATTACKS])
async def test_an_answer_that_lets_nobody_pass(world: World, said: Any, status: int, words: str) -> None:
    world.answer = said
    with inside(world):
        plugin = made(world)
        for _ in range(3):
            decision = await ask(plugin)
            assert isinstance(decision, Deny) and (decision.status, decision.reason) == (status, words)
        assert len(world.asked) == 1
        assert not [line for line in world.logged if "s3cret" in line or "token=" in line]
        world.answer = answer()
        world.now_s += 5
        assert isinstance(await ask(plugin), Allow)


@pytest.mark.parametrize(
    "bad", [reply({}, 400), reply(b"<h1>Forbidden</h1>", 403, "text/html"), reply({}, 500), answer(more="x" * 25_000), HUGE]
)
async def test_a_token_that_the_provider_chokes_on_keeps_nobody_else_out(world: World, bad: Any) -> None:
    async def choking(request: dict[str, Any]) -> Any:
        if "etc%2Fpasswd" in request["body"]["text"]:
            if isinstance(bad, Exception):
                raise bad
            return bad
        return answer()

    world.answer = choking
    with inside(world):
        plugin = made(world)
        for n in range(20):
            refusal = await ask(plugin, f"../../etc/passwd{n}")
            assert isinstance(refusal, Deny) and refusal.status == 502
            assert isinstance(await ask(plugin, f"good{n}"), Allow)
        assert len(world.logged) == 1
        asked = len(world.asked)
        await ask(plugin, "../../etc/passwd0")
        assert len(world.asked) == asked, "it is not asked about the same again at once"


async def test_long_answers_are_remembered_for_as_many_tokens_as_memory_allows(world: World) -> None:
    world.answer = answer(**{f"c{n}": n for n in range(1500)})
    with inside(world):
        plugin = made(world, cache_entries=10_000)
        for n in range(400):
            assert isinstance(await ask(plugin, f"t{n}"), Allow)
        assert 100 < len(plugin.active) < 300, "each takes some 160 KiB, and 32 MiB is the most"


async def test_what_is_asked(world: World) -> None:
    world.answer = answer()
    with inside(world):
        await ask(made(world, client_id="a b:c", token_type_hint="access_token"), "t+/=")
        await ask(made(world, client_auth="post"), "t2")
    basic, post = world.asked
    assert basic["body"] == {"text": "token=t%2B%2F%3D&token_type_hint=access_token"}
    assert ["authorization", "Basic YStiJTNBYzpzM2NyZXQ="] in basic["headers"], "a+b%3Ac:s3cret"
    assert post["body"] == {"text": "token=t2&client_id=gateway&client_secret=s3cret"}
    assert not [value for name, value in post["headers"] if name == "authorization"]
    assert "t2" not in post["url"]


async def test_an_answer_counts_until_the_token_expires_and_no_longer_than_configured(world: World) -> None:
    with inside(world):
        for exp, asked_after in ((NOW + 30, 30), (NOW + 3000, 60), (None, 60)):
            world.now_s, world.asked, world.answer = NOW, [], answer(exp=exp)
            plugin = made(world)
            await ask(plugin)
            world.now_s += asked_after - 0.001
            await ask(plugin)
            assert len(world.asked) == 1
            world.now_s += 0.002
            await ask(plugin)
            assert len(world.asked) == 2


@pytest.mark.parametrize("said", [reply({"active": False}), reply({}, 500)], ids=["inactive", "a bad answer"])
async def test_a_token_that_was_active_and_is_refused_now_is_not_asked_about_again_and_again(world: World, said: Any) -> None:
    with inside(world):
        plugin = made(world)
        world.answer = answer()
        await ask(plugin)
        world.now_s, world.answer = NOW + 61, said
        for _ in range(5):
            assert isinstance(await ask(plugin), Deny)
        assert len(world.asked) == 2


async def test_callers_with_one_token_wait_for_one_question(world: World) -> None:
    world.answer = answer()
    with inside(world):
        plugin = made(world)
        decisions = await asyncio.gather(*(ask(plugin) for _ in range(50)))
        assert all(isinstance(decision, Allow) for decision in decisions)
        assert len(world.asked) == 1
        world.answer = DOWN
        decisions = await asyncio.gather(*(ask(plugin, "other") for _ in range(50)))
        assert {decision.status for decision in decisions} == {503}
        assert len(world.asked) == 2
        assert plugin._turns == {}


async def test_one_that_gives_up_does_not_take_the_others_with_it(world: World) -> None:
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def slowly(_: Any) -> Any:
        begun.set()
        await may_end.wait()
        return answer()

    world.answer = slowly
    with inside(world):
        plugin = made(world)
        first, second = asyncio.ensure_future(ask(plugin)), asyncio.ensure_future(ask(plugin))
        await begun.wait()
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        may_end.set()
        assert isinstance(await second, Allow)
        assert plugin._turns == {}


async def test_made_up_tokens_neither_grow_memory_nor_drive_out_good_ones(world: World) -> None:
    with inside(world):
        plugin = made(world)
        world.answer = answer()
        await ask(plugin, "good")
        world.answer = reply({"active": False})
        for n in range(1000):
            await ask(plugin, f"made-up-{n}")
        assert (len(plugin.active), len(plugin.refused)) == (1, 100)
        asked = len(world.asked)
        assert isinstance(await ask(plugin, "good"), Allow)
        assert len(world.asked) == asked


async def test_tokens_are_not_kept(world: World) -> None:
    with inside(world):
        plugin = made(world)
        world.answer = answer()
        await ask(plugin, "a-token-that-is-secret")
        kept = repr(vars(plugin)) + repr(plugin.active._entries) + repr(plugin.refused._entries)
        assert "a-token-that-is-secret" not in kept


async def test_two_plugins_share_nothing(world: World) -> None:
    with inside(world):
        one, two = made(world), made(world, audience=["https://billing.example"])
        world.answer = answer()
        assert isinstance(await ask(one), Allow)
        assert isinstance(await ask(two), Deny)
        assert isinstance(await ask(one), Allow)
        assert len(world.asked) == 2
