"""Composition of decisions: a table of every mode."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from itertools import chain, product

import pytest

from mockforge_asgi.auth.composition import MODES, NO_DECISION, composition
from mockforge_asgi.contract import Allow, Decision, Deny, Principal, Reply
from mockforge_asgi.errors import LimitExceeded, PluginFailed, PluginUnavailable, RequestRejected
from mockforge_asgi.http.exchange import Exchange
from mockforge_asgi.testing import Conversation
from mockforge_plugin.values import Response
from tests.support.auth_plugins import Decider

A, B = Allow(Principal("a", ("r1",)), {"n": 1}), Allow(Principal("b", ("r2",)), {"n": 2, "m": 3})
D, E = Deny(401, "wrong key"), Deny(403, "not you")
R = Reply(Response(302))
FAILS = PluginFailed("p", "auth.authenticate", "boom")
SLOW = LimitExceeded("p", "auth.authenticate", "timeout_ms", 200)
FULL = PluginUnavailable("p", "its pool is full", retry_after_s=3)
Said = Decision | Exception


def exchange() -> Exchange:
    talk = Conversation()
    return Exchange({"type": "http", "method": "GET", "path": "/", "headers": []}, talk.receive, talk.send)


@pytest.mark.parametrize(
    ("mode", "said", "decision", "asked"),
    [
        ("first", [A, D], A, 1),
        ("first", [D, A], D, 1),
        ("first", [None, A], A, 2),
        ("first", [None, D], D, 2),
        ("first", [R, A], R, 1),
        ("first", [None, None], NO_DECISION, 2),
        ("first", [], NO_DECISION, 0),
        ("first", [A, FAILS], A, 1),
        ("any", [A, D], A, 1),
        ("any", [D, A], A, 2),
        ("any", [None, A], A, 2),
        ("any", [D, E], D, 2),
        ("any", [None, E], E, 2),
        ("any", [R, E], R, 2),
        ("any", [D, R], D, 2),
        ("any", [None, None], NO_DECISION, 2),
        ("any", [], NO_DECISION, 0),
        ("any", [FAILS, A], A, 2),
        ("any", [FULL, None, A], A, 3),
        ("all", [A], A, 1),
        ("all", [A, D], D, 2),
        ("all", [D, A], D, 1),
        ("all", [A, None], NO_DECISION, 2),
        ("all", [A, R], R, 2),
        ("all", [], NO_DECISION, 0),
        ("optional", [None, None], None, 2),
        ("optional", [], None, 0),
        ("optional", [None, D], D, 2),
        ("optional", [D, A], D, 1),
        ("optional", [A, D], A, 1),
        ("optional", [R], R, 1),
    ],
)
async def test_decisions_compose(mode: str, said: list[Said], decision: Decision, asked: int) -> None:
    plugins = [Decider(s) for s in said]
    assert await composition(mode, plugins)(exchange()) == decision
    assert sum(len(p.asked) for p in plugins) == asked


SAID: Mapping[str, Said] = {"A": A, "B": B, "D": D, "E": E, "R": R, "-": None, "F": FAILS}


def designed(mode: str, said: Sequence[str]) -> Said:
    """The decision in the words of the design; raises PluginUnavailable where a plugin that is needed fails."""
    if mode == "any":
        if set(said) & set("AB"):
            return next(SAID[s] for s in said if s in "AB")
        if "F" in said:
            raise PluginUnavailable("p", "failed")
        return next((SAID[s] for s in said if s != "-"), NO_DECISION)
    for s in said:
        if s == "F":
            raise PluginUnavailable("p", "failed")
        if mode == "all" and s not in "AB":
            return SAID[s] or NO_DECISION
        if mode != "all" and s != "-":
            return SAID[s]
    return None if mode == "optional" else NO_DECISION


@pytest.mark.parametrize("mode", ["first", "any", "all", "optional"])
async def test_whatever_plugins_say_the_decision_is_the_designed_one(mode: str) -> None:
    request = exchange()
    for said in chain.from_iterable(product(SAID, repeat=n) for n in range(4)):
        plugins = [Decider(SAID[s]) for s in said]
        try:
            expected = designed(mode, said)
        except PluginUnavailable:
            with pytest.raises(PluginUnavailable):
                await composition(mode, plugins)(request)
            continue
        decision = await composition(mode, plugins)(request)
        if mode == "all" and said and set(said) <= set("AB"):
            assert isinstance(decision, Allow) and decision.principal.id == said[0].lower(), said
        else:
            assert decision == expected, said


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("first", [FAILS, A]),
        ("first", [None, SLOW]),
        ("any", [FAILS, D]),
        ("any", [D, FAILS]),
        ("any", [None, FULL]),
        ("all", [A, FAILS]),
        ("all", [FULL, A]),
        ("optional", [FAILS]),
        ("optional", [None, SLOW, A]),
    ],
)
async def test_a_plugin_that_fails_lets_nobody_pass(mode: str, said: list[Said]) -> None:
    with pytest.raises(PluginUnavailable):
        await composition(mode, [Decider(s) for s in said])(exchange())


@pytest.mark.parametrize("said", [A, D, E, R, None, Deny(503, "not now"), FAILS, FULL])
@pytest.mark.parametrize("mode", MODES)
async def test_one_plugin_is_asked_in_a_shorter_way_with_the_same_outcome(mode: str, said: Said) -> None:
    async def outcome(ask: Callable[[Exchange], Awaitable[Decision]]) -> tuple[object, ...]:
        one = exchange()
        one.trace = []
        try:
            decision: object = await ask(one)
        except PluginUnavailable as error:
            decision = str(error)
        return decision, one.allowed_by, one.answered_by, one.wrong_by, [(step.asked, step.outcome, step.why) for step in one.trace]

    assert await outcome(composition(mode, [Decider(said)])) == await outcome(partial(MODES[mode], [Decider(said)]))


async def test_a_full_pool_keeps_its_retry_after() -> None:
    with pytest.raises(PluginUnavailable) as full:
        await composition("first", [Decider(FULL)])(exchange())
    assert full.value.retry_after_s == 3


async def test_a_refused_body_is_no_failure_of_a_plugin() -> None:
    with pytest.raises(RequestRejected):
        await composition("any", [Decider(RequestRejected(413, "too large")), Decider(A)])(exchange())


async def test_all_gives_the_first_principal_with_roles_and_claims_of_all() -> None:
    decision = await composition("all", [Decider(A), Decider(B)])(exchange())
    assert decision == Allow(Principal("a", ("r1", "r2")), {"n": 1, "m": 3})
