"""The command that runs benchmarks: what was measured is kept, whatever comes after it."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from benchmarks import __main__ as command
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
    monkeypatch.setattr(sys, "argv", ["bench", "in_process", "--quick", "--json", str(file)])
    assert command.main() == 0
    assert [json.loads(line)["case"] for line in file.read_text().splitlines()] == ["bare", "pass_through", "static"]
