"""Keys by URL: when they are fetched, how long they are kept, what happens while the provider is away."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from plugins_builtin.auth_jwt import jwks
from plugins_builtin.auth_jwt.jwks import KeyTimes, RemoteKeys
from plugins_builtin.auth_jwt.keys import KeySet, key_of_jwk
from plugins_builtin.auth_jwt.provider import Unavailable
from plugins_builtin.auth_jwt.tests.tokens import WEAK, ec, numbers, public, rsa
from tests.support.kit_world import DOWN, HUGE, SLOW, World, inside, reply

URL = "https://idp.example/jwks"
ONE = {"keys": [public(rsa())]}
TWO = {"keys": [public(rsa("next")), public(rsa())]}


def remote(world: World, own: KeySet | None = None, allowed: list[str] | None = None, **times: Any) -> RemoteKeys:
    """Keys whose times are those of the world."""
    return RemoteKeys(URL, KeyTimes(**times), allowed, own or KeySet(), clock=lambda: world.now_s)


async def kids(keys: RemoteKeys, kid: str | None, algorithm: str = "RS256") -> list[str | None]:
    return [key.kid for key in await keys.find(algorithm, kid)]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


async def test_keys_are_fetched_once_and_kept(world: World) -> None:
    world.answer, keys = reply(ONE), remote(world)
    with inside(world):
        assert [await kids(keys, "main") for _ in range(5)] == [["main"]] * 5
    assert [(a["method"], a["url"]) for a in world.asked] == [("GET", URL)]


@pytest.mark.parametrize(("control", "age", "kept_s"), [
    ("max-age=600", "", 600), ("public, MAX-AGE = \"900\"", "", 900), ("max-age=600", "500", 100), ("max-age=600", "900", 60),
    ("max-age=1", "", 60), ("max-age=999999", "", 3600), ("no-store", "", 60), ("no-cache, max-age=600", "", 60), ("", "", 300),
    ("max-age=-5", "", 300), ("max-age=x", "", 300), ("s-maxage=7", "", 300), ("max-age=600", "²", 600),
])  # fmt: skip
async def test_keys_are_kept_as_long_as_cache_control_says_within_bounds(world: World, control: str, age: str, kept_s: float) -> None:
    world.answer, keys = reply(ONE, cache_control=control, age=age), remote(world)
    with inside(world):
        await kids(keys, "main")
        world.now_s += kept_s - 1
        await kids(keys, "main")
        assert len(world.asked) == 1
        world.now_s += 1
        assert not keys.is_current(keys.generation)
        await kids(keys, "main")
        assert len(world.asked) == 2


async def test_a_key_that_is_new_is_found_by_one_more_fetch(world: World) -> None:
    world.answer, keys = reply(ONE), remote(world)
    with inside(world):
        await kids(keys, "main")
        generation, world.answer = keys.generation, reply(TWO)
        world.now_s += 10
        assert await kids(keys, "next") == ["next"]
        assert (len(world.asked), keys.generation) == (2, generation + 1)


async def test_a_key_that_is_new_just_after_a_fetch_is_found_at_once(world: World) -> None:
    world.answer, keys = reply(ONE), remote(world)
    with inside(world):
        await kids(keys, "main")
        world.answer = reply(TWO)
        assert await kids(keys, "next") == ["next"]


async def test_made_up_key_names_cause_no_storm(world: World) -> None:
    world.answer, keys = reply(ONE), remote(world)
    with inside(world):
        await kids(keys, "main")
        for second in range(60):
            world.now_s += 1
            assert await asyncio.gather(*(kids(keys, f"made-up-{second}-{n}") for n in range(20))) == [[]] * 20
        assert len(world.asked) == 1 + 6, "one in ten seconds, whatever is asked for"
        assert await kids(keys, "main", "ES256") == []
        assert len(world.asked) == 7, "the name of a known key with another algorithm is not looked for"


async def test_one_fetch_serves_all_that_wait_for_it(world: World) -> None:
    world.answer, keys = reply(ONE), remote(world)
    with inside(world):
        assert await asyncio.gather(*(kids(keys, "main") for _ in range(50))) == [["main"]] * 50
    assert len(world.asked) == 1


async def test_a_fetch_goes_on_when_the_request_that_began_it_is_given_up(world: World) -> None:
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def answer(_: Any) -> Any:
        begun.set()
        await may_end.wait()
        return reply(ONE)

    world.answer, keys = answer, remote(world)
    with inside(world):
        first = asyncio.ensure_future(kids(keys, "main"))
        await begun.wait()
        second = asyncio.ensure_future(kids(keys, "main"))
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        may_end.set()
        assert await second == ["main"]
    assert len(world.asked) == 1


HTML = reply(b"<html>", content_type="text/html")


@pytest.mark.parametrize("failure", [DOWN, SLOW, HUGE, HTML, reply({}, 500)], ids=["down", "slow", "huge", "html", "500"])
async def test_older_keys_serve_on_for_a_while(world: World, failure: Any) -> None:
    world.answer, keys = reply(ONE), remote(world, stale_s=1000)
    with inside(world):
        await kids(keys, "main")
        world.answer = failure
        world.now_s += 300
        for _ in range(100):
            assert await kids(keys, "main") == ["main"]
            world.now_s += 9.9
        assert len(world.asked) < 105
        assert len(world.logged) == len(world.asked) - 1
        assert all("the provider's keys cannot be fetched: " in line and "its last keys serve on" in line for line in world.logged)
        world.now_s += 100
        with pytest.raises(Unavailable):
            await kids(keys, "main")
        world.answer = reply(ONE)
        world.now_s += 10
        assert await kids(keys, "main") == ["main"], "it recovers by itself"


BAD: list[tuple[str, Any, int]] = [
    ("refused", DOWN, 503),
    ("silent", SLOW, 503),
    ("too long", HUGE, 502),
    ("500", reply({}, 500), 502),
    ("redirect", reply(b"", 302, location="https://evil.example"), 502),
    ("404", reply(ONE, 404), 502),
    ("HTML", reply(b"<h1>Welcome</h1>", content_type="text/html"), 502),
    ("cut off", reply(b'{"keys": [{"kty":'), 502),
    ("no object", reply([]), 502),
    ("no list", reply({"keys": {}}), 502),
    ("no keys", reply({"keys": []}), 502),
    ("long", reply(b'{"keys": [' + b" " * 300_000 + b"]}"), 502),
    ("many", reply({"keys": [public(rsa())] * 101}), 502),
    ("deep", reply(b'{"keys": [' + b"[" * 500 + b"]" * 500 + b"]}"), 502),
    ("the same name twice", reply(b'{"keys": [], "keys": []}'), 502),
    ("not UTF-8", reply(b'{"keys": ["\xff"]}'), 502),
    ("only secrets", reply({"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "main", "alg": "HS256"}]}), 502),
    ("only weak keys", reply({"keys": [numbers(WEAK, kid="weak")]}), 502),
]


@pytest.mark.parametrize(("answer", "status"), [pytest.param(answer, status, id=name) for name, answer, status in BAD])
async def test_without_keys_there_is_no_decision(world: World, answer: Any, status: int) -> None:
    world.answer, keys = answer, remote(world)
    with inside(world):
        await keys.prepare()
        for _ in range(3):
            with pytest.raises(Unavailable) as failed:
                await kids(keys, "main")
            assert failed.value.status == status
        assert len(world.asked) == 1, "not with every request"
        assert len(world.logged) == 1 and "its tokens are answered 502 or 503" in world.logged[0]
        world.answer = reply(ONE)
        world.now_s += 10
        assert await kids(keys, "main") == ["main"]


MANY = {"keys": [numbers((1 << 8191) + 2 * n + 1, (1 << 63) + 1, kid=f"k{n}") for n in range(100)]}


@pytest.mark.parametrize(
    "answer", [reply(MANY), reply(b'{"keys": [' + b"{}," * 80_000 + b"{}]}")], ids=["100 keys of 8192 bits", "256 KiB of braces"]
)
async def test_a_large_set_is_not_read_on_the_event_loop(world: World, answer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    read, threads = jwks._read, list[threading.Thread]()

    def noted(*args: Any) -> Any:
        threads.append(threading.current_thread())
        return read(*args)

    monkeypatch.setattr(jwks, "_read", noted)
    world.answer, keys = answer, remote(world)
    with inside(world):
        await keys.prepare()
    assert len(threads) == 1 and threads[0] is not threading.current_thread()


async def test_a_key_that_is_not_known_cannot_be_judged_while_the_provider_is_away(world: World) -> None:
    world.answer, keys = reply(ONE), remote(world)
    with inside(world):
        await kids(keys, "main")
        world.answer = DOWN
        world.now_s += 10
        for _ in range(2):
            with pytest.raises(Unavailable):
                await kids(keys, "next")
        assert await kids(keys, "main") == ["main"]
        assert len(world.asked) == 2


async def test_a_key_that_was_withdrawn_counts_no_more(world: World) -> None:
    world.answer, keys = reply(TWO), remote(world)
    with inside(world):
        assert await kids(keys, "main") == ["main"]
        generation = keys.generation
        world.answer = reply({"keys": [public(rsa("next"))]})
        world.now_s += 300
        assert await kids(keys, "next") == ["next"]
        assert not keys.is_current(generation)
        assert await kids(keys, "main") == []


async def test_the_same_keys_again_change_nothing(world: World) -> None:
    world.answer, keys = reply(TWO), remote(world)
    with inside(world):
        await kids(keys, "main")
        generation = keys.generation
        world.answer = reply({"keys": list(reversed(TWO["keys"]))})
        world.now_s += 300
        await kids(keys, "main")
        assert len(world.asked) == 2 and keys.is_current(generation)


async def test_keys_without_a_name_are_tried_for_every_token(world: World) -> None:
    world.answer, keys = reply({"keys": [public(rsa(None)), public(ec(), kid="curve")]}), remote(world)
    with inside(world):
        assert await kids(keys, "whatever") == [None]
        assert await kids(keys, None) == [None]
        assert await kids(keys, "curve", "ES256") == ["curve"]


async def test_keys_of_the_configuration_need_no_provider(world: World) -> None:
    world.answer = DOWN
    keys = remote(world, KeySet((key_of_jwk(public(rsa("own")), None),)))
    with inside(world):
        assert await kids(keys, "own") == ["own"]
        assert world.asked == []
        with pytest.raises(Unavailable):
            await kids(keys, "main")


async def test_what_cannot_be_used_is_passed_over_and_told_once(world: World) -> None:
    unfit = [{"kty": "x"}, public(rsa("enc"), use="enc"), public(rsa("sign"), key_ops=["sign"]), {"kty": "EC", "crv": "P-256"}, 7]
    mixed = [*unfit, public(rsa())]
    world.answer, keys = reply({"keys": mixed}), remote(world)
    with inside(world):
        assert await kids(keys, None) == ["main"]
        world.now_s += 300
        await kids(keys, "main")
    assert len(world.logged) == 1
    assert all(f"keys[{number}]" in world.logged[0] for number in range(5))


async def test_only_allowed_algorithms_are_looked_for(world: World) -> None:
    world.answer, keys = reply({"keys": [public(rsa(), alg="PS256"), public(ec())]}), remote(world, allowed=["PS256"])
    with inside(world):
        assert await kids(keys, "main", "PS256") == ["main"]
        assert await kids(keys, "main") == []
        assert await kids(keys, "curve", "ES256") == []
