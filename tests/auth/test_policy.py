"""Which refusals are guesses where several plugins guard one path, and what a success makes forgotten."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from mockforge_asgi.auth.middleware import AuthMiddleware
from mockforge_asgi.config.objects import ProtectRule
from mockforge_asgi.contract import Decision, Deny, Reply
from mockforge_asgi.errors import ClientDisconnected, RequestRejected
from mockforge_asgi.http.exchange import Exchange
from mockforge_asgi.http.request_document import EVERYTHING, RequestView
from mockforge_asgi.state.memory import MemoryStore
from mockforge_asgi.testing import Client, Conversation
from mockforge_plugin.values import Response
from tests.auth.test_backoff import API_KEY, AUTHORIZATION, FEW, Clocked, Stand, basic, by_password, passed
from tests.support.auth_plugins import Decider, allow, by_key

SESSION = RequestView(headers=frozenset({"authorization"}), cookies=frozenset({"session"}))
QUERY = RequestView(headers=frozenset({"authorization"}), query=frozenset({"token"}))


async def by_session(exchange: Exchange) -> Decision:
    """Allows whoever has Mallory's session or token, beside any `Authorization` that is no bearer token."""
    is_hers = exchange.snapshot.header("cookie") == "theme=dark; session=hers" or exchange.snapshot.query == (("token", "hers"),)
    return allow("mallory") if is_hers else None


async def guesses(stand: Stand, url: str = "/", **headers: str) -> list[int]:
    """What six guesses of Ada's password are answered."""
    client = Client(stand.app, client="192.0.2.1")
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return [(await client.get(url, headers={"authorization": basic("ada", f"guess {i}"), **told})).status for i in range(6)]


@pytest.mark.parametrize("first", [Deny(400, "two keys"), Deny(403, "not from there"), Reply(Response(302))])
async def test_a_guess_behind_another_refusal_is_counted(first: Decision) -> None:
    stand = Stand(mode="any", other=Decider(first, view=API_KEY), password=Decider(by_password, view=AUTHORIZATION))
    status = first.response.status if isinstance(first, Reply) else first.status if isinstance(first, Deny) else 0
    assert await guesses(stand) == [status] * 3 + [429] * 3


async def test_a_guess_behind_another_refusal_and_beside_right_credentials_is_counted() -> None:
    deciders: dict[str, Any] = {
        "other": Decider(Deny(400, "two keys"), view=RequestView(headers=frozenset({"x-other"}))),
        "password": Decider(by_password, view=AUTHORIZATION),
        "key": Decider(by_key, view=API_KEY),
    }
    assert await guesses(Stand(mode="any", **deciders), x_api_key="k1") == [200] * 3 + [429] * 3


@pytest.mark.parametrize("error", [RequestRejected(413, "the body is too long"), ClientDisconnected("gone"), asyncio.CancelledError()])
async def test_a_guess_is_counted_whatever_ends_the_request_before_others_have_decided(error: BaseException) -> None:
    async def ends(exchange: Exchange) -> Decision:
        raise error

    stand = Stand(mode="any", password=Decider(by_password, view=AUTHORIZATION), hook=Decider(ends, view=API_KEY))
    for _ in range(3):
        with suppress(asyncio.CancelledError):
            talk = Conversation()
            scope = Client(stand.app, client="192.0.2.1").scope("GET", "/", [("authorization", basic("ada"))])
            await stand.app(scope, talk.receive, talk.send)
    assert (await stand.get(basic("ada", "right"))).status == 429


@pytest.mark.parametrize("view", [SESSION, QUERY])
async def test_a_guess_beside_a_session_whose_plugin_reads_the_same_header_is_counted(view: RequestView) -> None:
    stand = Stand(mode="any", password=Decider(by_password, view=AUTHORIZATION), session=Decider(by_session, view=view))
    assert await guesses(stand, "/?token=hers" if view is QUERY else "/", cookie="theme=dark; session=hers") == [200] * 3 + [429] * 3


@pytest.mark.parametrize("view", [AUTHORIZATION, SESSION, EVERYTHING])
async def test_a_password_that_another_directory_accepts_is_no_guess(view: RequestView) -> None:
    stand = Stand(mode="any", one=Decider(Deny(401, "not of mine"), view=AUTHORIZATION), other=Decider(by_password, view=view))
    assert await stand.statuses(*[basic("ada", "right")] * 8) == [200] * 8
    assert stand.store.asked == 0


async def test_a_password_that_is_right_beside_a_session_is_no_guess() -> None:
    stand = Stand(mode="any", one=Decider(Deny(401, "not of mine"), view=AUTHORIZATION), other=Decider(by_password, view=SESSION))
    assert [(await stand.get(basic("ada", "right"), cookie="session=hers")).status for _ in range(8)] == [200] * 8


@pytest.mark.parametrize("view", [API_KEY, RequestView(headers=frozenset({"x-api-key"}), query=None)])
@pytest.mark.parametrize("mode", ["first", "any", "optional"])
async def test_the_success_of_other_credentials_forgets_no_failures_of_a_name(mode: str, view: RequestView) -> None:
    stand = Stand(mode=mode, key=Decider(by_key, view=view), password=Decider(by_password, view=AUTHORIZATION))
    assert [(await stand.get(basic("ada", f"guess {i}"))).status for i in range(2)] == [401] * 2
    assert (await stand.get(basic("ada"), x_api_key="k1")).status == 200
    assert [(await stand.get(basic("ada", f"guess {i}"))).status for i in range(2)] == [401, 429]


async def test_the_success_of_a_session_forgets_no_failures_of_a_name() -> None:
    session, password = Decider(by_session, view=SESSION, priority=1), Decider(by_password, view=AUTHORIZATION)
    stand = Stand(session=session, password=password)
    assert [(await stand.get(basic("ada", f"guess {i}"))).status for i in range(2)] == [401] * 2
    assert (await stand.get(basic("ada"), cookie="theme=dark; session=hers")).status == 200
    assert [(await stand.get(basic("ada", f"guess {i}"))).status for i in range(2)] == [401, 429]


async def test_a_middleware_within_another_counts_by_its_own_plugins() -> None:
    stand = Stand(mode="any", outer=Decider(Deny(401, "no"), view=API_KEY), pass_=Decider(by_password, view=AUTHORIZATION))
    inside = Clocked(
        {"inner": Decider(Deny(401, "no"), view=API_KEY), "door": Decider(by_password, view=AUTHORIZATION)}, MemoryStore(clock=stand.clock)
    )
    inner = AuthMiddleware(passed, runtime=inside, rules=[ProtectRule("/**", ("inner", "door"), "any", backoff=FEW)])
    app = AuthMiddleware(inner, runtime=stand.runtime, rules=stand.rules)
    answer = await Client(app, client="192.0.2.9").get("/", headers={"authorization": basic("ada", "right")})
    assert (answer.status, answer.body) == (200, b"app")
