"""The soak of authenticated requests: a tenth of it leaves nothing behind, and right credentials pass again after every failure."""

from __future__ import annotations

import json
import subprocess
import sys

from benchmarks.conditions import ROOT
from benchmarks.soak import PooledInstance
from benchmarks.soak_auth import growth


def test_authenticated_requests_leave_nothing_behind_while_those_who_are_asked_fail() -> None:
    work = ["--requests", "5000", "--rounds", "4"]
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.soak_auth", *work], cwd=ROOT, capture_output=True, text=True, timeout=400, check=False
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    *rounds, last = (json.loads(line) for line in ran.stdout.splitlines())
    statuses = last["done"]["statuses"]
    assert len(rounds) == 4 and last["done"]["restarts"] == 4
    assert sum(statuses.values()) > 5000 and statuses["200"] > 2500
    assert all(statuses.get(status, 0) > 50 for status in ("401", "502", "503")), "failures were among them"


def test_a_few_pooled_connections_are_no_growth_and_more_of_them_are() -> None:
    held = [PooledInstance(n, 100.0, 20, 5, 2, 0.0, 60_000) for n in range(1, 6)]
    for more, words in ((8, []), (9, ["descriptors: 20 became 29"])):
        assert list(growth([*held, PooledInstance(6, 100.0, 20 + more, 5, 2, 0.0, 60_000)])) == words
    assert list(growth([*held, PooledInstance(6, 100.0, 20, 6, 2, 0.0, 60_000)])) == ["threads: 5 became 6"]
