"""Figures: what one is, how many runs become one, and how they are written.

Cases of one benchmark are measured in turns (a, b, c, a, b, c, ...), so that a busy neighbour hits all of them alike; the
value is the median of the turns.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TextIO

from benchmarks.conditions import machine


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of output. `ratio` is value ÷ value of the case named in `against`."""

    bench: str
    case: str
    value: float
    unit: str
    p99: float | None = None
    ratio: float | None = None
    against: str | None = None
    conditions: Mapping[str, object] = field(default_factory=dict)

    def line(self) -> str:
        """The figure as a JSON line, with the machine's conditions."""
        values = {name: getattr(self, name) for name in ("bench", "case", "value", "unit", "p99", "ratio", "against")}
        rounded = {k: float(f"{v:.4g}") if isinstance(v, float) else v for k, v in values.items()}
        return json.dumps({**rounded, "conditions": {**machine(), **self.conditions}}, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Turn:
    """What one turn of one case gave."""

    value: float
    p99: float | None = None


def summary(turns: Sequence[Turn]) -> Turn:
    """The medians of the turns."""
    tails = [t.p99 for t in turns if t.p99 is not None]
    return Turn(statistics.median(t.value for t in turns), statistics.median(tails) if tails else None)


def percentile(sorted_values: Sequence[float], share: float) -> float:
    """The value below which that share of the values lies."""
    return sorted_values[min(len(sorted_values) - 1, int(share * len(sorted_values)))]


def compare(figures: Iterable[Figure], against: Mapping[str, str]) -> list[Figure]:
    """The figures with their ratios; `against` names the other case for a case."""
    listed = list(figures)
    values = {f.case: f.value for f in listed}
    return [
        replace(f, ratio=f.value / values[other], against=other)
        if (other := against.get(f.case)) in values and values[other] and other is not None
        else f
        for f in listed
    ]


def chosen(cases: Iterable[str], only: Iterable[str] | None) -> list[str]:
    """Those cases that are wanted, all if nothing is said. Raises: ValueError for one that there is not."""
    listed = list(cases)
    if unknown := sorted(set(only or ()) - set(listed)):
        raise ValueError(f"no such case: {', '.join(unknown)}; there are {', '.join(listed)}")
    return [case for case in listed if only is None or case in only]


def show(figure: Figure, out: TextIO = sys.stderr) -> None:
    """A figure for a reader."""
    tail = f"  p99 {figure.p99:,.4g}" if figure.p99 is not None else ""
    ratio = f"  {figure.ratio:.2f}x {figure.against}" if figure.ratio is not None else ""
    print(f"{figure.bench:12} {figure.case:34} {figure.value:>12,.4g} {figure.unit:11}{tail}{ratio}", file=out, flush=True)
