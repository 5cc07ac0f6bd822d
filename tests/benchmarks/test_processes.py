"""Processor time of a server and of all that it started."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.processes import cpu_s


def stat(proc: Path, pid: int, parent: int, ticks: tuple[int, int, int, int], name: str = "server") -> None:
    """A process as proc(5) shows it."""
    (proc / str(pid)).mkdir()
    fields = ["S", str(parent), *["0"] * 9, *map(str, ticks), *["0"] * 30]
    (proc / str(pid) / "stat").write_text(f"{pid} ({name}) {' '.join(fields)}\n")


def test_children_and_theirs_count_and_others_do_not(tmp_path: Path) -> None:
    stat(tmp_path, 1, 0, (5000, 0, 0, 0))
    stat(tmp_path, 10, 1, (100, 20, 3, 4))
    stat(tmp_path, 11, 10, (1000, 0, 0, 0), name="worker ) 1 (")
    stat(tmp_path, 12, 11, (10_000, 0, 0, 0))
    stat(tmp_path, 13, 1, (7, 7, 7, 7))
    (tmp_path / "uptime").write_text("1 1")
    assert cpu_s(10, tmp_path) == 11_127 / os.sysconf("SC_CLK_TCK")


def test_a_process_that_has_ended_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="process 10 has ended"):
        cpu_s(10, tmp_path)


def test_this_process_has_used_some() -> None:
    assert cpu_s(os.getpid()) > 0
