"""Usual results of plugins in this process: whatever their methods give, it means what it means by way of JSON."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockforge_asgi.contract.results import ResultReader
from mockforge_asgi.contract.usual import UNUSUAL, UsualResults
from mockforge_plugin import (
    Allow,
    Body,
    Deny,
    Principal,
    Reply,
    Response,
)
from tests.support.native_results import OPS, OUTPUT_BYTES, PLACES, RANDOM, VALUES, WARM, Both, Make, Says, exchange, says


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as made:
        yield made


@pytest.fixture(scope="module", params=[OUTPUT_BYTES, 6000])
def both(request: pytest.FixtureRequest, runner: asyncio.Runner) -> Iterator[Both]:
    made = runner.run(Both.of(Says(lambda: WARM), request.param))
    runner.run(made.outcomes(OPS["generate"]))  # names of headers are known by then
    yield made
    runner.run(made.host.close())


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("place", PLACES)
def test_a_result_means_the_same_as_a_value_and_as_json(op: str, place: str, both: Both, runner: asyncio.Runner) -> None:
    for make in VALUES:
        says(both, lambda make=make: PLACES[place](make()))  # type: ignore[misc]
        by_value, by_json = runner.run(both.outcomes(OPS[op]))
        assert by_value == by_json


@pytest.mark.parametrize("op", OPS)
@given(place=st.sampled_from(list(PLACES)), make=RANDOM)
def test_so_does_any_other(op: str, place: str, make: Make, both: Both, runner: asyncio.Runner) -> None:
    says(both, lambda: PLACES[place](make()))
    by_value, by_json = runner.run(both.outcomes(OPS[op]))
    assert by_value == by_json


@pytest.mark.parametrize("place", [place for place in PLACES if PLACES[place](None).__class__ is Allow])
def test_an_allow_that_comes_again_means_the_same_each_time(place: str, both: Both, runner: asyncio.Runner) -> None:
    for make in VALUES:
        if not hasattr(type(value := make()), "__next__"):  # items that come once
            kept = PLACES[place](value)
            for again in (kept, kept, kept, copy.copy(kept)):
                says(both, lambda again=again: again)  # type: ignore[misc]
                by_value, by_json = runner.run(both.outcomes(OPS["authenticate"]))
                assert by_value == by_json


@given(changes=st.lists(st.tuples(st.sampled_from(["a", "b"]), RANDOM), max_size=6), of=st.sampled_from(["claims", "attributes", "both"]))
def test_an_allow_that_is_changed_means_what_it_then_says(
    changes: list[tuple[str, Make]], of: str, both: Both, runner: asyncio.Runner
) -> None:
    claims, attributes = dict[str, Any](), dict[str, Any]()
    kept = Allow(Principal("ada", attributes=attributes), claims)
    says(both, lambda: kept)
    alike: list[tuple[str, Make]] = [("a", lambda: 1), ("a", lambda: True), ("a", lambda: 1.0)]
    for name, make in [*changes, *alike]:
        for changed in (claims, attributes):
            if of == "both" or changed is (claims if of == "claims" else attributes):
                changed[name] = make()
        for _ in range(2):
            by_value, by_json = runner.run(both.outcomes(OPS["authenticate"]))
            assert by_value == by_json


async def test_an_allow_that_comes_again_is_read_by_each_plugin_for_itself() -> None:
    kept = Allow(Principal("ada" * 50))
    both, other = await Both.of(Says(lambda: kept)), await Both.of(Says(lambda: kept), 150)
    for each in (both, both, other, both, other, other, both):
        by_value, by_json = await each.outcomes(OPS["authenticate"])
        assert by_value == by_json and isinstance(by_value[0][0], type)
    for each in (both, other):
        await each.host.close()


def test_an_allow_that_comes_again_is_read_once() -> None:
    usual = UsualResults(ResultReader("native", frozenset()), 1 << 20)
    kept = Allow(Principal("ada", ("r",), attributes={"a": 1}), {"b": [2]})
    assert usual.decision(kept) == usual.decision(kept) and usual.decision(kept) is usual.decision(kept)
    before = usual.decision(kept)
    kept.claims["b"].append(3)
    assert usual.decision(kept).claims == {"b": [2, 3]} and before.claims == {"b": [2]}


USUAL: dict[str, list[Any]] = {
    "authenticate": [None, Allow(Principal("ada")), Allow(Principal("ada", ("r",), cast(Any, ["g"]), "Ada", "a@b", {"a": 1}),
                           {"scope": "a b"},
                           WARM.headers),
                     Deny(), Deny(403, "no", "Basic realm=x"), Reply(Response(200, WARM.headers, b"hello"))],
    "can_handle": [True, False],
    "generate": [None, {"a": [1, 2]}, [1], "text", "é", Response(200, WARM.headers, b"b"), Response(body=cast(Any, "b")),
                 Response.render("t", {"a": [1]}), Response(body=b"x" * 20_000)],
    "modify": [None, Response(200, WARM.headers, b"b"), Response(200, WARM.headers, Body(None, 3))],
    "give": [None, True, 1, 0.5, "x", "é", [1, (2,)], {"a": {"b": []}}],
    "served": [{"a": 1}, "text", Response(200)],
}  # fmt: skip


@pytest.mark.parametrize(("op", "value"), [(op, value) for op, values in USUAL.items() for value in values])
def test_usual_results_are_never_json(op: str, value: Any) -> None:
    reader = ResultReader("native", frozenset({"set-cookie"}))
    reader.headers("op", [list(pair) for pair in WARM.headers])
    usual = UsualResults(reader, 1 << 20)
    reads = {"authenticate": usual.decision, "can_handle": usual.flag, "generate": usual.generated, "modify": usual.modified}
    assert {**reads, "give": usual.data, "served": usual.response}[op](value) is not UNUSUAL


async def test_nothing_that_a_plugin_keeps_is_anybodys_else() -> None:
    """Changing it later, or what was made of it, changes nothing for others."""
    claims, attributes, variables = {"a": [1], "b": 2}, {"x": {"y": 1}}, {"rows": [1]}
    kept = Allow(Principal("ada", cast(Any, ["r"]), (), None, None, attributes), claims)
    both = await Both.of(Says(lambda: kept))
    for plugin in (both.values, both.documents):
        found = await plugin.authenticate(exchange())
        assert isinstance(found, Allow) and found == replace(kept, principal=replace(kept.principal, roles=("r",)))
        found.claims["a"].append("changed")
        found.principal.attributes["x"]["y"] = "changed"
        found.claims["c"] = found.principal.attributes["z"] = 3  # type: ignore[index]
        assert (claims, attributes) == ({"a": [1], "b": 2}, {"x": {"y": 1}})
    found = await both.values.authenticate(exchange())
    assert isinstance(found, Allow)
    claims["b"] = attributes["x"]["y"] = "changed"  # type: ignore[assignment]
    kept.principal.roles.append("admin")  # type: ignore[attr-defined]
    assert (found.claims["b"], found.principal.attributes, found.principal.roles) == (2, {"x": {"y": 1}}, ("r",))
    says(both, lambda: Response.render("t", variables))
    rendered = await both.values.generate(exchange())
    variables["rows"].append(2)
    assert rendered is not None and rendered.vars == {"rows": [1]}  # type: ignore[union-attr]
    says(both, lambda: variables)
    given = await both.values.call_function(None, "give", [], {})
    given["rows"].append(3)
    assert variables == {"rows": [1, 2]}
    await both.host.close()
