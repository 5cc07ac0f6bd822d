"""Which callers have failed lately: never forgotten too early, and in bounded memory."""

from __future__ import annotations

from mockforge_asgi.auth import seen
from mockforge_asgi.auth.seen import SeenFailures


class Clock:
    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


def test_nobody_has_failed_at_first() -> None:
    failures = SeenFailures(10)
    assert not failures.is_any and "a" not in failures


def test_a_caller_is_known_for_as_long_as_was_said_and_at_most_twice_that() -> None:
    clock = Clock()
    failures = SeenFailures(10, clock)
    failures.add("first")
    for _ in range(9):
        clock.now += 1
        assert "first" in failures
    failures.add("late")
    clock.now += 9.9
    assert "late" in failures
    clock.now += 20
    assert "late" not in failures and not failures.is_any


def test_a_caller_that_fails_again_is_known_on() -> None:
    clock = Clock()
    failures = SeenFailures(10, clock)
    for _ in range(20):
        failures.add("again")
        clock.now += 7
        assert "again" in failures


def test_a_million_callers_take_no_more_memory_than_one() -> None:
    failures = SeenFailures(10, Clock())
    for number in range(1_000_000):
        failures.add(str(number))
    assert failures._new is not None and len(failures._new) == seen._SLOTS and "7" in failures
