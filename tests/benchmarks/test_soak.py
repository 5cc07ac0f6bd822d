"""The soak: a short one in a process of its own holds no more at its end than at its begin, and one that leaks is found out."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from benchmarks.conditions import ROOT
from benchmarks.soak import PooledInstance, faults

WHOLE = [PooledInstance(n, 100.0, 15, 5, 0, 96.0, 60_000) for n in range(1, 9)]


def test_calls_reloads_and_crashes_leave_nothing_behind() -> None:
    work = ["--calls", "400", "--reloads", "60", "--crashes", "60", "--rounds", "6"]
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.soak", *work], cwd=ROOT, capture_output=True, text=True, timeout=240, check=False
    )
    assert ran.returncode == 0, ran.stderr
    *rounds, last = (json.loads(line) for line in ran.stdout.splitlines())
    done = last["done"]
    assert (done["loaded"], done["stopped"]) == (62, 62)
    assert done["calls"] >= 400 and done["crashes"] >= 60 and done["cancelled"] > 0
    assert len(rounds) == 6 and all(each["children"] == 0 and each["instances_mb"] <= 2 * 8 * 64 for each in rounds)


@pytest.mark.parametrize(
    ("last", "words"),
    [
        ({"rss_mb": 109.0}, "resident memory grew from 100.0 to 109.0 MiB, by more than 8.0"),
        ({"descriptors": 16}, "descriptors: 15 became 16"),
        ({"threads": 6}, "threads: 5 became 6"),
        ({"children": 1}, "children: 0 became 1"),
        ({"objects": 62_000}, "Python objects: 60000 became 62000"),
    ],
)
def test_what_grows_is_named(last: dict[str, Any], words: str) -> None:
    assert list(faults(WHOLE)) == []
    assert list(faults([*WHOLE[:-2], *(replace(each, **last) for each in WHOLE[-2:])])) == [words]
