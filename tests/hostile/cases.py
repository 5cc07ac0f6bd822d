"""What a row of the table is. The rows stand in `core_cases.py`, `answer_cases.py`, `component_cases.py` and `python_cases.py`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, ParamSpec

CPU_MS, TIMEOUT_MS = 20, 20_000
SETUP = "2 s of processor time, 5 s in all"
FAREWELL = "0.5 s of processor time, 1 s in all"
Step = Literal["load", "call", "stop"]
P = ParamSpec("P")


class Later:
    """A module that is built when it is asked for: building all of them would hold up every run of the tests."""

    def __init__(self, build: Callable[[], bytes]) -> None:
        self._build = build

    @cached_property
    def code(self) -> bytes:
        """The module."""
        return self._build()


def later(build: Callable[P, bytes]) -> Callable[P, Later]:
    """The same function, run when its result is asked for."""
    return lambda *args, **kwargs: Later(lambda: build(*args, **kwargs))


@dataclass(frozen=True, slots=True)
class Case:
    """A hostile guest, what it may use, and how it ends.

    `ends` is the class of the error, or what the call gives instead of one: `null` or `an answer`. `words` is a regular expression that
    the error's message holds.
    """

    what: str
    source: Later | bytes | str
    ends: str
    words: str = ""
    step: Step = "call"
    runtime: str = "extism"
    budget: str = ""
    limits: Mapping[str, int] = field(default_factory=dict)
    asks: Mapping[str, Any] = field(default_factory=dict)
    """Permissions in its manifest, all granted."""
    manifest: Mapping[str, Any] = field(default_factory=dict)
    """What else its manifest says."""
    many: bool = True
    """Also run twenty at once."""
    is_costly: bool = False
    """Compiling it may take much."""

    @property
    def code(self) -> bytes | str:
        """Its code: a module, or Python source."""
        return self.source.code if isinstance(self.source, Later) else self.source

    @property
    def all_limits(self) -> dict[str, int]:
        """The limits of its manifest."""
        memory = {"extism": 16, "component": 32, "python": 64}[self.runtime]
        return {"cpu_ms": CPU_MS, "timeout_ms": TIMEOUT_MS, "memory_mb": memory, "output_kb": 64, **self.limits}

    @property
    def more(self) -> dict[str, Any]:
        """The rest of its manifest."""
        return {"permissions": dict(self.asks), **self.manifest}

    @property
    def limits_of_many(self) -> dict[str, int]:
        """The limits when twenty run at once: who computes without end is ended sooner, and nobody for the wait."""
        is_endless = "cpu_ms" in self.words and "cpu_ms" not in self.limits
        return {**self.all_limits, "timeout_ms": 30_000, **({"cpu_ms": 5} if is_endless else {})}

    @property
    def id(self) -> str:
        """Its name in the tests' output."""
        return f"{self.runtime}: {self.what}"

    @property
    def row(self) -> str:
        """Its row in the documentation."""
        budget = self.budget or (SETUP if "timeout_ms" in self.words else "–")
        ends = self.ends if self.ends in ("null", "an answer") else f"`{self.ends}`"
        words = re.sub(r"[\\()]|=\d*", "", self.words).replace("|", " / ")
        return f"| {self.what} | {self.runtime} | {budget} | {ends}{': ' + words if words else ''} |"
