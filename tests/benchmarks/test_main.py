"""The command that runs benchmarks: what was measured is kept, whatever comes after it."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from benchmarks import __main__ as command
from benchmarks import in_process
from benchmarks.figures import Figure


async def breaks(quick: bool) -> AsyncIterator[Figure]:
    """One figure, then a failure, as when a tool is not installed."""
    yield Figure(bench="breaks", case="first", value=1.0, unit="us")
    raise RuntimeError("wrk is not installed")


def test_figures_before_a_failure_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "figures.json"
    monkeypatch.setattr(command, "runner", lambda name: breaks)
    monkeypatch.setattr(sys, "argv", ["bench", "calls", "--json", str(file)])
    with pytest.raises(RuntimeError, match="wrk is not installed"):
        command.main()
    assert [json.loads(line)["case"] for line in file.read_text().splitlines()] == ["first"]


def test_a_benchmark_runs_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "figures.json"
    monkeypatch.setattr(in_process, "CASES", {"bare": 500, "pass_through": 500, "static": 500})
    monkeypatch.setattr(sys, "argv", ["bench", "in_process", "--quick", "--json", str(file)])
    assert command.main() == 0
    cases = [json.loads(line)["case"] for line in file.read_text().splitlines()]
    assert cases == [f"{name}{suffix}" for suffix in ("", "/cpu", "/calls") for name in ("bare", "pass_through", "static")]


async def beside(quick: bool, peers: bool = False) -> AsyncIterator[Figure]:
    """A benchmark that knows other servers, and no other commit."""
    yield Figure(bench="beside", case="peers" if peers else "alone", value=1.0, unit="us")


def test_options_reach_those_that_know_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "figures.json"
    monkeypatch.setattr(command, "runner", lambda name: beside)
    monkeypatch.setattr(sys, "argv", ["bench", "calls", "--peers", "--against", "HEAD", "--json", str(file)])
    assert command.main() == 0
    assert [json.loads(line)["case"] for line in file.read_text().splitlines()] == ["peers"]
