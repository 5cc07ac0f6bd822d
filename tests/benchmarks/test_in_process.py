"""Requests in the process: measured in processes that take turns, held against another commit of the same run."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import in_process
from benchmarks.in_process import CASES, Driver, driver, figures, measure
from benchmarks.revision import HERE, Revision


async def test_a_driver_measures_time_processor_time_and_calls() -> None:
    seen = await measure([HERE], names=["bare", "sandboxed_chain"], rounds=1, turns=2, share=100)
    assert {name: {what: len(values) for what, values in each.items()} for name, each in seen.items()} == {
        name: {"us": 2, "cpu_us": 2, "python_calls": 1} for name in ("bare", "sandboxed_chain")
    }
    assert seen["bare"]["python_calls"] == [3]
    assert seen["sandboxed_chain"]["python_calls"][0] > 20


async def test_a_driver_that_ends_is_told(tmp_path: Path) -> None:
    async with driver(HERE, tmp_path) as started:
        with pytest.raises(RuntimeError, match="the driver of this tree ended"):
            await started.ask(case="no_such_case", calls=1)


async def test_a_driver_of_another_package_is_refused(tmp_path: Path) -> None:
    async with driver(HERE, tmp_path) as started:
        assert isinstance(started, Driver)
    elsewhere = Revision("abc1234", tmp_path)
    (tmp_path / "benchmarks").symlink_to(HERE.folder / "benchmarks")
    with pytest.raises(RuntimeError, match=r"the driver of abc1234 would measure .*mockforge_asgi"):
        async with driver(elsewhere, tmp_path):
            pass


def test_ratios_are_to_another_case_and_to_the_other_commit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(in_process, "CASES", {name: CASES[name] for name in ("bare", "static")})
    other = Revision("abc1234", tmp_path)
    values = {"bare": 1.0, "bare@abc1234": 2.0, "static": 4.0, "static@abc1234": 16.0}
    seen = {name: {"us": [value, value], "cpu_us": [value], "python_calls": [value]} for name, value in values.items()}
    ratios = {(f.case, f.against): f.ratio for f in figures(seen, other) if f.against}
    assert ratios == {
        ("static", "bare"): 4.0,
        ("static/cpu", "bare/cpu"): 4.0,
        ("static/calls", "bare/calls"): 4.0,
        ("bare", "bare@abc1234"): 0.5,
        ("static", "static@abc1234"): 0.25,
        ("bare/cpu", "bare@abc1234/cpu"): 0.5,
        ("static/cpu", "static@abc1234/cpu"): 0.25,
        ("bare/calls", "bare@abc1234/calls"): 0.5,
        ("static/calls", "static@abc1234/calls"): 0.25,
    }
    assert [f.case for f in figures(seen, None) if f.unit == "calls"] == [f"{name}/calls" for name in values]
