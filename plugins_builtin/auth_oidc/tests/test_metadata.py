"""The provider's metadata: what of them is not believed, when they are asked for, who waits for them, and what serves meanwhile."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from plugins_builtin.auth_oidc.discovery import Discovery
from plugins_builtin.auth_oidc.tokens.provider import Unavailable
from tests.support.kit_world import DOWN, SLOW, World, inside, reply

ISSUER = "https://idp.example"
SAID = {"issuer": ISSUER, **{name: f"{ISSUER}/{name}" for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")}}
GOOD = reply(SAID)


def published(**changes: Any) -> dict[str, Any]:
    """An answer that says something else; None leaves a member out."""
    return reply({name: value for name, value in {**SAID, **changes}.items() if value is not None})


BAD: dict[str, tuple[Any, str]] = {
    "another issuer": (published(issuer="https://evil.example"), "another issuer"),
    "no issuer": (published(issuer=None), "another issuer"),
    "the issuer with a final slash": (published(issuer=f"{ISSUER}/"), "another issuer"),
    "the issuer in capitals": (published(issuer=ISSUER.upper()), "another issuer"),
    "a list of issuers": (published(issuer=[ISSUER]), "another issuer"),
    "PKCE by plain alone": (published(code_challenge_methods_supported=["plain"]), "PKCE by S256"),
    "PKCE not at all": (published(code_challenge_methods_supported=[]), "PKCE by S256"),
    "PKCE as a text": (published(code_challenge_methods_supported="S256"), "PKCE by S256"),
    "tokens elsewhere": (published(token_endpoint="https://evil.example/token"), "`endpoint_origins`"),
    "tokens at another port": (published(token_endpoint="https://idp.example:9/token"), "`endpoint_origins`"),
    "keys elsewhere": (published(jwks_uri="https://evil.example/jwks"), "`endpoint_origins`"),
    "tokens over plain http": (published(token_endpoint="http://idp.example/token"), "plain http"),
    "tokens at a file": (published(token_endpoint="file:///etc/passwd"), "is not an address"),
    "logins by a script": (published(authorization_endpoint="javascript:alert(1)"), "is not an address"),
    "logins over plain http": (published(authorization_endpoint="http://idp.example/"), "plain http"),
    "logins at an address with a line break": (published(authorization_endpoint="https://idp.example/\r\nset-cookie: x"), "is no address"),
    "logouts by a script": (published(end_session_endpoint="javascript:alert(1)"), "is not an address"),
    "no token endpoint": (published(token_endpoint=None), "token_endpoint is missing"),
    "no keys": (published(jwks_uri=None), "jwks_uri is missing"),
    "65 KiB": (published(more="x" * 65_536), "longer than 65536 bytes"),
    "2,000 levels": (reply(b'{"issuer":' + b"[" * 2000 + b"]" * 2000 + b"}"), "refused"),
    "a name twice": (reply(b'{"issuer":"https://evil.example","issuer":"%s"}' % ISSUER.encode()), "refused"),
    "a list": (reply([]), "refused"),
    "cut off": (reply(b'{"issuer": "http'), "refused"),
    "HTML": (reply(b"<h1>Welcome</h1>", content_type="text/html"), "not application/json"),
    "404": (reply({}, 404), "it answered 404"),
}


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


@pytest.mark.parametrize("name", BAD)
async def test_what_is_not_believed_is_told_to_the_operator_alone(world: World, name: str) -> None:
    world.answer, why = BAD[name]
    found = discovery(world)
    with inside(world):
        with pytest.raises(Unavailable) as caught:
            await found.metadata()
        assert caught.value.status == 502 and why in caught.value.why and why not in caught.value.words
        assert why in world.logged[-1] and not found.is_well
        world.answer = GOOD
        assert await statuses(found, 1) == [502], "it is left alone for a moment"
        world.now_s += 2
        assert await statuses(found, 1) == [200]


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
