"""When the provider's metadata are asked for, who waits for them, and what serves meanwhile."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from plugins_builtin.auth_oidc.discovery import Discovery
from plugins_builtin.auth_oidc.tokens.provider import Unavailable
from tests.support.kit_world import DOWN, SLOW, World, inside, reply

ISSUER = "https://idp.example"
GOOD = reply({"issuer": ISSUER, **{name: f"{ISSUER}/{name}" for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")}})


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch, answer=GOOD)


def discovery(world: World) -> Discovery:
    """One whose time is the world's."""
    return Discovery(ISSUER, (), plain_http=False, timeout_ms=3000, clock=lambda: world.now_s)


async def statuses(found: Discovery, times: int) -> list[int]:
    """What becomes of so many requests at a time: 200, or why there are no metadata."""
    said = await asyncio.gather(*(found.metadata() for _ in range(times)), return_exceptions=True)
    return [each.status if isinstance(each, Unavailable) else 200 for each in said]


async def test_requests_that_wait_for_a_silent_provider_wait_once(world: World) -> None:
    async def silent(asked: dict[str, Any]) -> Any:
        world.now_s += 3  # longer than it is left alone after that
        return SLOW

    world.answer, found = DOWN, discovery(world)
    with inside(world):
        assert await statuses(found, 1) == [503]
        world.answer = silent
        assert await statuses(found, 30) == [503] * 30
        assert len(world.asked) == 2


async def test_a_request_that_is_given_up_takes_the_metadata_from_nobody(world: World) -> None:
    answered = asyncio.Event()

    async def later(asked: dict[str, Any]) -> Any:
        await answered.wait()
        return GOOD

    world.answer, found = later, discovery(world)
    with inside(world):
        first = asyncio.ensure_future(found.metadata())
        others = asyncio.ensure_future(statuses(found, 3))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.wait([first])
        answered.set()
        assert await others == [200] * 3
        assert len(world.asked) == 1


async def test_a_provider_that_starts_with_this_server_is_asked_again_at_once(world: World) -> None:
    world.answer, found = DOWN, discovery(world)
    with inside(world):
        assert await statuses(found, 1) == [503]
        assert "asked again with the next login" in world.logged[-1]
        world.answer = GOOD
        assert await statuses(found, 1) == [200] and found.is_well


async def test_one_that_stays_away_is_left_alone_for_a_moment(world: World) -> None:
    world.answer, found = DOWN, discovery(world)
    with inside(world):
        assert [await statuses(found, 1) for _ in range(5)] == [[503]] * 5
        assert len(world.asked) == 2
        world.now_s += 2
        await statuses(found, 1)
        assert len(world.asked) == 3


async def test_what_was_said_before_serves_while_the_provider_is_asked_again(world: World) -> None:
    answered, found = asyncio.Event(), discovery(world)

    async def later(asked: dict[str, Any]) -> Any:
        await answered.wait()
        return SLOW

    with inside(world):
        assert await statuses(found, 1) == [200]
        world.answer = later
        world.now_s += 3600
        assert await statuses(found, 3) == [200] * 3
        answered.set()
        while found.is_well:
            await asyncio.sleep(0)
        assert await statuses(found, 3) == [200] * 3 and len(world.asked) == 2
