"""What one rendering may use up, and the meter that counts it.

The meter of the current rendering is a context variable: generated template code and filters have no other way to reach it. Time spent
waiting for plugins and data does not count; their own limits bound it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from contextvars import ContextVar
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

if TYPE_CHECKING:
    from jinja2.runtime import Macro

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateLimits:
    """Bounds of templates and of each rendering."""

    output_bytes: int = 4 * 1024 * 1024
    """The longest response, and the longest text made on the way to it, in characters."""
    made_bytes: int = 64 * 1024 * 1024
    """How much text one rendering may make in all, in characters, whether it is kept or not."""
    steps: int = 100_000
    """Loop rounds, calls and filters of one rendering, all together."""
    values: int = 200_000
    """The most values that one list or mapping made by a template may hold, those inside it included; ten times that for all of them."""
    integer_bits: int = 256
    """The largest integer that arithmetic may give."""
    depth: int = 32
    """How deep macros, includes and recursive loops may nest."""
    time_ms: int = 200
    """How long a rendering may compute. It holds the event loop, so this is kept small."""


DEFAULT_LIMITS: Final = TemplateLimits()
SLICE_S: Final = 0.001
"""How long a rendering computes before others get their turn, where it can be interrupted: between two pieces of its text."""
COMPARED_PER_STEP: Final = 1000
"""How many characters may be compared for one step, where that is not bounded by the text's length."""


MAX_AT_ONCE: Final = 10_000
"""How many values a filter goes through: it holds the event loop meanwhile, some five milliseconds."""
HOLDERS: Final = (dict, list, tuple, set, frozenset, Mapping)
"""Types whose values hold others. (A union written in place is made anew each time.)"""
SCALARS: Final = frozenset([bool, float, int, type(None)])
"""Types whose values are looked at in no time."""


class OverLimit(Exception):
    """A rendering used up one of its limits; `limit` is its name."""

    def __init__(self, limit: str, most: float, what: str) -> None:
        self.limit = limit
        super().__init__(f"{what}; the limit {limit} is {most:,}")


class Meter:
    """What belongs to one rendering: what it has used up, the generator that it draws random values from, the macros that it defined.

    Whoever is on the path of every expression (filters, calls, `~`) may count in the attributes itself instead of through a method.
    """

    __slots__ = (
        "clock",
        "computed_s",
        "deadline",
        "depth",
        "limits",
        "macros",
        "random",
        "seen",
        "size",
        "steps_left",
        "text_left",
        "until",
        "values_left",
    )

    def __init__(self, limits: TemplateLimits, clock: Callable[[], float] = time.perf_counter, random: Random | None = None) -> None:
        self.limits, self.clock, self.random = limits, clock, random
        self.steps_left = limits.steps
        self.text_left = limits.made_bytes
        self.values_left = 10 * limits.values
        self.depth = self.size = 0
        """How deep macros nest at the moment; how long the text is so far."""
        self.macros: list[Macro] | None = None
        self.seen = self.until = clock()
        """What the clock said when it was last looked at; when others get their turn."""
        is_wall = clock is time.perf_counter
        self.deadline = self.seen + limits.time_ms / (2000 if is_wall else 1000)
        self.computed_s: float | None = None if is_wall else 0.0
        """What the thread had computed when half of the time was up; what comes after is measured by the thread's own clock."""

    def step(self) -> None:
        """Count a filter or a call, and look at the clock. Raises OverLimit."""
        self.steps_left -= 1
        if self.steps_left < 0:
            self.spend(0)
        self.seen = self.clock()
        if self.seen > self.deadline:
            self.check_time()

    def spend(self, steps: int) -> None:
        """Count steps; look at the clock once in 256 of them. Raises OverLimit."""
        before = self.steps_left
        self.steps_left -= steps
        if self.steps_left < 0:
            raise OverLimit("steps", self.limits.steps, "the template takes too many loop rounds, calls and filters")
        if before >> 8 != self.steps_left >> 8:
            self.check_time()

    def check_time(self) -> None:
        """Raises OverLimit when the time is up."""
        self.seen = self.clock()
        if self.seen > self.deadline and self._left_s() <= 0:
            raise OverLimit("time_ms", self.limits.time_ms, "the template computes too long")

    def _left_s(self) -> float:
        """What is left of the second half. The wall clock is cheap to read, but runs on while other processes have the processor."""
        if self.clock is not time.perf_counter:
            return 0
        left_s = self.limits.time_ms / 2000
        if self.computed_s is None:
            self.computed_s = time.thread_time()
        else:
            left_s -= time.thread_time() - self.computed_s
        self.deadline = self.seen + left_s
        return left_s

    def begin_slice(self) -> None:
        """Others have just had their turn."""
        self.until = self.clock() + SLICE_S

    def check_text(self, length: int) -> None:
        """Count a text of that length, before it is made where that is possible. Raises OverLimit."""
        if length > self.limits.output_bytes:
            raise OverLimit("output_bytes", self.limits.output_bytes, "the template makes a text that is too long")
        self.text_left -= length
        if self.text_left < 0:
            raise OverLimit("made_bytes", self.limits.made_bytes, "the template makes too much text")

    def check_length(self, length: int) -> None:
        """Count a list or mapping of that length, before it is made. Raises OverLimit."""
        self.values_left -= length
        if length > self.limits.values or self.values_left < 0:
            raise OverLimit("values", self.limits.values, "the template makes lists or mappings that are too long")

    def check_made(self, value: T) -> T:
        """The value, counted by its type. Raises OverLimit."""
        if isinstance(value, str):
            self.check_text(len(value))
        elif isinstance(value, list | tuple | dict):
            self.check_length(len(value))
            self.check_values(value)
        return value

    def check_values(self, value: object) -> int:
        """The characters of all text in it. Raises OverLimit for a list or mapping that holds too much, however its parts are shared."""
        left, text = self.limits.values, 0
        stack: list[Any] = [value] if isinstance(value, HOLDERS) else []
        if isinstance(value, str):
            text = len(value)
        while stack:
            held = stack.pop()
            left -= len(held)
            if left < 0:
                raise OverLimit("values", self.limits.values, "the template makes a list or mapping that holds too much")
            for item in (*held, *held.values()) if type(held) is dict or isinstance(held, Mapping) else held:
                kind = type(item)
                if kind in SCALARS:
                    continue
                if kind is str:
                    text += len(item)
                elif kind is dict or kind is list:  # as nearly all are
                    stack.append(item)
                elif isinstance(item, str):
                    text += len(item)
                elif isinstance(item, HOLDERS):
                    stack.append(item)
        self.check_time()
        return text

    def enter(self) -> None:
        """One level deeper. Raises OverLimit."""
        self.depth += 1
        if self.depth > self.limits.depth:
            raise OverLimit("depth", self.limits.depth, "macros, includes or recursive loops nest too deep")

    def leave(self) -> None:
        """One level back."""
        self.depth -= 1

    def rounds(self, items: Iterable[T]) -> Iterable[T]:
        """The items of a loop, counted: at once where their number is known, else one by one."""
        if isinstance(items, Sized):
            self.spend(len(items) + 1)
            return items
        return self._each(items)

    def at_once(self, items: Iterable[T]) -> Iterable[T]:
        """The items of a filter, which goes through them without a pause: counted, and not too many. Raises OverLimit."""
        if isinstance(items, Sized) and len(items) > MAX_AT_ONCE:
            raise OverLimit("values", MAX_AT_ONCE, "a filter goes through too many values at once")
        return self.timed(items)

    def _each(self, items: Iterable[T]) -> Iterator[T]:
        for item in items:
            self.spend(1)
            yield item

    def timed(self, items: Iterable[T]) -> Iterable[T]:
        """The same, with a look at the clock before each: a round may be long without taking a step."""
        counted = self.rounds(items)
        return _Timed(self, counted) if isinstance(counted, Sized) else self._clocked(counted)

    def _clocked(self, items: Iterable[T]) -> Iterator[T]:
        clock = self.clock
        for item in items:
            if clock() > self.deadline:
                self.check_time()
            yield item

    def waited(self, since: float) -> None:
        """Give back the time since then: it was spent waiting for others."""
        self.seen = self.clock()
        self.give_back(self.seen - since)

    def give_back(self, time_s: float) -> None:
        """Do not count that much time."""
        self.deadline += time_s
        if self.computed_s is not None:
            self.computed_s += time_s

    def close(self) -> None:
        """The rendering is over: what its macros hold is let go, for a macro and the variables it can see hold each other."""
        for macro in self.macros or ():
            macro._func = _ended
        self.macros = None


def _ended(*args: object) -> str:
    raise RuntimeError("the rendering is over")


class _Timed(Generic[T]):
    """Items whose number is known, as `loop.length` wants it."""

    __slots__ = ("_items", "_meter")

    def __init__(self, meter: Meter, items: Iterable[T]) -> None:
        self._meter, self._items = meter, items

    def __iter__(self) -> Iterator[T]:
        return self._meter._clocked(self._items)

    def __len__(self) -> int:
        return len(self._items)  # type: ignore[arg-type]  # `timed` puts only sized ones here


METER: ContextVar[Meter | None] = ContextVar("mockforge_template_meter", default=None)
"""The meter of the current rendering. `METER.get() or meter()` where a call must be saved."""


def meter() -> Meter:
    """The meter of the current rendering; without one (when a template is compiled) nothing is counted, and nothing may grow."""
    return METER.get() or Meter(DEFAULT_LIMITS)
