"""Whole requests: what the turns of wrk and the server's processor time come to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import service
from benchmarks.cases import Case
from benchmarks.figures import Figure
from benchmarks.load import Load
from benchmarks.servers import Server
from benchmarks.service import CASES, Measured, figures, warmed


def seen(name: str, cost_us: float) -> Measured:
    """A case with three turns, of which one was disturbed."""
    made = Measured(name, Case("bare", "/"), Server("http://127.0.0.1:1", 1))
    for factor in (1.0, 9.0, 1.0):
        made.keep(Load(1000.0 / factor, 2.0 * factor, 5.0 * factor, 0, 1000), cost_us * factor)
    return made


def rows(*measured: Measured) -> list[Figure]:
    """Their figures."""
    return list(figures(measured, {"tool": "wrk"}))


def test_costs_are_medians_against_starlette_and_against_the_bare_app() -> None:
    made = rows(seen("bare", 20.0), seen("starlette", 40.0), seen("sandboxed_chain", 100.0))
    costs = {f.case: (f.value, f.unit, f.ratio, f.against) for f in made if f.case.startswith("cpu")}
    assert costs == {
        "cpu/bare": (20.0, "us", 0.5, "cpu/starlette"),
        "cpu/starlette": (40.0, "us", None, None),
        "cpu/sandboxed_chain": (100.0, "us", 2.5, "cpu/starlette"),
        "cpu_to_bare/starlette": (40.0, "us", 2.0, "cpu/bare"),
        "cpu_to_bare/sandboxed_chain": (100.0, "us", 5.0, "cpu/bare"),
    }


def test_the_tail_stands_beside_the_median() -> None:
    latency = next(f for f in rows(seen("bare", 20.0)) if f.case == "latency/bare")
    assert (latency.value, latency.p99, latency.unit, latency.conditions["p99_to_median"]) == (2.0, 5.0, "ms", 2.5)


def test_another_commit_s_cases_are_what_ours_are_held_against() -> None:
    made = rows(seen("static", 30.0), seen("static@abc1234", 40.0))
    assert [(f.case, f.ratio) for f in made if f.against == "cpu/static@abc1234"] == [("cpu/static", 0.75)]
    assert [(f.case, f.ratio) for f in made if f.against == "wrk/static@abc1234"] == [("wrk/static", 1.0)]


def test_every_case_that_is_asked_for_is_measured() -> None:
    wanted = {"bare", "starlette", "wrapped", "static", "templated", "native_chain", "sandboxed_chain", "python_chain", "quickstart"}
    assert wanted | {"quickstart_dev"} <= set(CASES)


class Warming(Measured):
    """A peer whose costs are told beforehand."""

    costs: Iterator[float]
    turns = 0

    async def turn(self, n: int, seconds: float, folder: Path) -> tuple[Load, float]:
        """One turn."""
        self.turns += 1
        return Load(100.0, 1.0, 1.0, 0, 100), next(self.costs)


async def test_a_peer_is_warm_when_it_has_answered_much_and_two_turns_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    peer = Warming("wiremock", Case("", "/"), Server("http://127.0.0.1:1", 1), warm_requests=400)
    peer.costs = iter([100.0, 99.0, 98.0, 80.0, 60.0, 50.0, 49.0, 1.0])
    await warmed(peer, 1.0, tmp_path)
    assert peer.turns == 7
    monkeypatch.setattr(service, "_MOST_WARMING", 6)
    peer.costs = iter([64.0, 32.0, 16.0, 8.0, 4.0, 2.0])
    with pytest.raises(RuntimeError, match="wiremock does not become even"):
        await warmed(peer, 1.0, tmp_path)
