"""Which callers have failed lately: never forgotten too early, and in bounded memory."""

from __future__ import annotations

from mockforge_asgi.auth import seen
from mockforge_asgi.auth.seen import KnownWaits, SeenFailures, UnderWay


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


def test_so_many_requests_of_a_caller_are_decided_at_once_and_no_more() -> None:
    under_way = UnderWay()
    assert [under_way.enter({caller: 2}) for caller in ("a", "a", "a", "b")] == [True, True, False, True]
    under_way.leave(["a"])
    assert under_way.enter({"a": 2}) and not under_way.enter({"a": 2})


def test_whoever_may_not_enter_under_one_key_does_not_under_the_other() -> None:
    under_way = UnderWay()
    assert under_way.enter({"address": 9, "name": 1}) and not under_way.enter({"address": 9, "name": 1})
    assert [under_way.enter({"address": 2, "other": 9}) for _ in range(2)] == [True, False]
    for name in ("name", "other"):
        under_way.leave(["address", name])
    assert not under_way._counts


def test_a_caller_of_whom_nothing_is_decided_takes_no_memory() -> None:
    under_way = UnderWay()
    for number in range(1000):
        assert under_way.enter({str(number): 1}) and not under_way.enter({str(number): 1})
        under_way.leave([str(number)])
    assert not under_way._counts


def test_a_wait_is_known_until_it_is_over() -> None:
    clock = Clock()
    waits = KnownWaits(clock)
    waits.note("a", 4)
    waits.note("b", 0)
    clock.now += 3
    assert (waits.left_s("a"), waits.left_s("b"), waits.left_s("c")) == (1, 0, 0)
    clock.now += 1
    assert waits.left_s("a") <= 0


def test_so_many_waits_are_known_and_no_more() -> None:
    waits = KnownWaits(Clock())
    for number in range(20_000):
        waits.note(str(number), 4)
    assert len(waits._until_s) <= seen._MAX_WAITS and waits.left_s("19999") > 0
