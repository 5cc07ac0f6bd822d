"""Failed attempts of one caller, as one cell of the shared state: counted, forgotten little by little, and how long to wait."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import ClassVar

from mockforge_asgi.http.backoff import Allowance
from mockforge_asgi.state.operations import Cell, Step


@dataclass(frozen=True, slots=True)
class Waits:
    """How long the caller still has to wait, and how many failures it has. Changes nothing."""

    key: str
    allowance: Allowance
    writes: ClassVar[bool] = False

    def step(self, cell: Cell | None, now: float) -> Step:
        """See Operation: `[seconds, count]`."""
        count, until = _counted(cell, self.allowance, now)
        return cell, [max(0.0, until - now), count]


@dataclass(frozen=True, slots=True)
class Fail:
    """One failure more. It lengthens the delay, also of a caller that has to wait already: its attempt was under way by then."""

    key: str
    allowance: Allowance
    writes: ClassVar[bool] = True

    def step(self, cell: Cell | None, now: float) -> Step:
        """See Operation: `[seconds, count, count before]`."""
        before, until = _counted(cell, self.allowance, now)
        count = min(before + 1, self.allowance.most)
        wait_s = self.allowance.wait_s(count)
        until = max(until, now + wait_s)
        ends = until + self.allowance.forget_s * count / self.allowance.attempts
        return Cell(json.dumps([count, until, now]).encode(), ends), [max(0.0, until - now), count, before]


def _counted(cell: Cell | None, allowance: Allowance, now: float) -> tuple[float, float]:
    """(failures that are not forgotten, until when to wait). Time spent waiting forgets nothing."""
    if cell is None:
        return 0.0, now
    count, until, last = json.loads(cell.data)
    return allowance.left_of(count, now - max(until, last)), until
