"""Processor time of processes that other processes start: a server with its workers, from `/proc`."""

from __future__ import annotations

import os
from pathlib import Path

_TICKS_S = os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int, proc: Path = Path("/proc")) -> float:
    """Seconds of processor time, user and system, that the process and all below it have used, ended children included."""
    parents, used = {}, {}
    for entry in proc.iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it has ended meanwhile
            parents[int(entry.name)] = int(fields[1])
            used[int(entry.name)] = sum(map(int, fields[11:15]))  # utime, stime, cutime, cstime: proc(5)
    if pid not in used:
        raise RuntimeError(f"process {pid} has ended")
    return sum(ticks for each, ticks in used.items() if pid in _line(each, parents)) / _TICKS_S


def _line(pid: int, parents: dict[int, int]) -> list[int]:
    """The process and those it descends from."""
    line = [pid]
    while (parent := parents.get(line[-1], 0)) and parent not in line:
        line.append(parent)
    return line
