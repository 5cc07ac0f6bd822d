"""The circuit breaker: what counts as a crash, when a plugin is quarantined, how it comes back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from mockforge_asgi.config.objects import BreakerConfig
from mockforge_asgi.errors import LimitExceeded, PluginCrashed, PluginFailed, PluginUnavailable
from mockforge_asgi.events import Event, EventStream, Quarantined, Recovered
from mockforge_asgi.plugins.breaker import UNMADE, Breaker

CRASH = PluginCrashed("p", "response.generate", "its code gave up")
REPORTED = PluginFailed("p", "response.generate", "no such user")


@dataclass
class Course:
    """A breaker on a clock of the test."""

    config: BreakerConfig = field(default_factory=lambda: BreakerConfig(crashes=4, share=0.5, window_s=10.0))
    chance: float = 1.0
    now: float = 100.0
    told: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        events = EventStream()
        events.subscribe(self.told.append)
        self.breaker = Breaker("p", self.config, events, clock=lambda: self.now, chance=lambda: self.chance)

    def call(self, error: BaseException | None = None, times: int = 1) -> None:
        for _ in range(times):
            is_trial = self.breaker.enter()
            if error is not None:
                self.breaker.failed(error, is_trial)
            else:
                self.breaker.passed(is_trial)

    def is_out(self) -> bool:
        return self.breaker.is_quarantined

    def quarantines(self) -> list[float]:
        return [event.for_s for event in self.told if isinstance(event, Quarantined)]


def tripped(**config: Any) -> Course:
    course = Course(BreakerConfig(crashes=4, **config))
    course.call(CRASH, 4)
    assert course.is_out()
    return course


def test_crashes_that_are_the_greater_part_of_the_calls_quarantine_a_plugin() -> None:
    course = Course()
    course.call(None, 3)
    course.call(CRASH, 3)
    assert not course.is_out()
    course.call(CRASH)
    assert course.is_out()
    reason = [event.reason for event in course.told if isinstance(event, Quarantined)]
    assert reason == [
        "4 of its last 7 calls within 10 s crashed, the last one so: plugin 'p' failed in response.generate: its code gave up"
    ]


def test_one_caller_cannot_switch_off_a_plugin_that_serves_the_others() -> None:
    course = Course()
    for _ in range(500):
        course.call(None, 5)
        course.call(CRASH, 4)
        course.now += 0.05
    course.call(CRASH, 40)
    assert not course.is_out()


def test_calls_and_crashes_outside_the_window_count_no_more() -> None:
    course = Course()
    course.call(CRASH, 3)
    course.now += 12
    course.call(CRASH, 3)
    assert not course.is_out()
    course = Course()
    course.call(None, 1000)
    for _ in range(9):
        course.now += 1
        course.call(CRASH)
    assert not course.is_out()
    course.now += 2
    course.call(CRASH)
    assert course.is_out()


def test_a_rate_of_crashes_below_the_fewest_is_borne_for_ever() -> None:
    course = Course()
    for _ in range(200):
        course.call(CRASH)
        course.now += 4
    assert not course.is_out()


@pytest.mark.parametrize(
    ("error", "counts"),
    [
        (CRASH, True),
        (LimitExceeded("p", "response.generate", "cpu_ms", 50), True),
        (PluginFailed("p", "plugin.init", "no database"), True),
        (REPORTED, False),
        (PluginFailed("p", "response.generate", "not JSON", code="invalid_output"), False),
        (PluginUnavailable("p", "the pool is full"), False),
        (TimeoutError(), False),
    ],
)
def test_what_is_a_crash(error: Exception, counts: bool) -> None:
    course = Course()
    course.call(error, 50 if not counts else 4)
    assert course.is_out() == counts


@pytest.mark.parametrize("error", [PluginUnavailable("p", "the pool is full"), GeneratorExit()])
def test_calls_that_never_ran_or_still_run_hide_no_crash(error: BaseException) -> None:
    course = Course()
    for _ in range(500):
        course.breaker.enter()
    course.call(error, 500)
    course.call(CRASH, 4)
    assert course.is_out()


def test_in_quarantine_calls_are_refused_at_once_with_the_time_that_is_left() -> None:
    course = tripped(backoff_s=2.0)
    course.now += 0.5
    with pytest.raises(PluginUnavailable, match="in quarantine for 1.5 s more: 4 of its last 4 calls") as caught:
        course.breaker.enter()
    assert caught.value.retry_after_s == 1.5


def test_after_it_one_call_is_let_through_and_ends_it() -> None:
    course = tripped(backoff_s=1.0)
    course.now += 1
    assert course.breaker.enter()
    with pytest.raises(PluginUnavailable, match="being tried"):
        course.breaker.enter()
    course.now += 1
    course.breaker.passed(True)
    assert not course.is_out()
    assert [event.after_s for event in course.told if isinstance(event, Recovered)] == [2.0]
    course.call(CRASH, 3)
    assert not course.is_out(), "what was counted before is forgotten"


def test_a_plugin_that_reports_a_failure_in_its_trial_works() -> None:
    course = tripped()
    course.now += 1
    course.call(REPORTED)
    assert not course.is_out()


@pytest.mark.parametrize("error", [PluginUnavailable("p", "no instance came free"), GeneratorExit(), KeyboardInterrupt()])
def test_a_trial_without_a_result_leaves_it_to_the_next_call(error: BaseException) -> None:
    course = tripped()
    course.now += 1
    course.call(error)
    assert course.is_out()
    course.call()
    assert not course.is_out()


def test_each_crash_in_a_trial_doubles_the_quarantine_up_to_its_bound() -> None:
    course = tripped(backoff_s=1.0, max_backoff_s=5.0)
    for _ in range(4):
        course.now += 5
        course.call(CRASH)
    assert course.quarantines() == [1.0, 2.0, 4.0, 5.0, 5.0]


def test_back_off_goes_on_where_it_was_for_one_that_crashes_again_soon() -> None:
    course = tripped(backoff_s=1.0, max_backoff_s=30.0)
    course.now += 1
    course.call()
    course.call(CRASH, 4)
    assert course.quarantines() == [1.0, 2.0]
    course.now += 2
    course.call()
    course.now += 31
    course.call(CRASH, 4)
    assert course.quarantines() == [1.0, 2.0, 1.0]


@pytest.mark.parametrize(("chance", "for_s"), [(0.0, 2.0), (0.5, 3.0), (1.0, 4.0)])
def test_chance_takes_up_to_half_of_it(chance: float, for_s: float) -> None:
    course = Course(BreakerConfig(crashes=1, backoff_s=4.0), chance)
    course.call(CRASH)
    assert course.quarantines() == [for_s]


def test_back_off_stays_a_number_however_long_it_goes_on() -> None:
    course = tripped(backoff_s=1.0, max_backoff_s=5.0)
    for _ in range(2000):
        course.now += 5
        course.call(CRASH)
    assert course.quarantines()[-1] == 5.0


def test_a_crash_of_a_call_that_began_before_changes_nothing() -> None:
    course = Course()
    late = course.breaker.enter()
    course.call(CRASH, 4)
    course.breaker.failed(CRASH, late)
    assert len(course.quarantines()) == 1


def test_no_instance_can_be_made() -> None:
    course, refused = Course(), list[PluginUnavailable]()

    def refuse(refusal: Callable[[], PluginUnavailable]) -> None:
        refused.append(refusal())

    course.breaker.refuse_waiting = refuse
    unmade = PluginFailed("p", "plugin.init", "no database")
    for _ in range(UNMADE - 1):
        course.breaker.unmade(unmade)
    course.breaker.made()
    for _ in range(UNMADE - 1):
        course.breaker.unmade(unmade)
    assert not course.is_out()
    course.breaker.unmade(unmade)
    assert course.is_out()
    assert "no instance of it can be made: plugin 'p' failed in plugin.init: no database" in str(refused[0])
    course.now += 1
    is_trial = course.breaker.enter()
    course.breaker.unmade(unmade)
    course.breaker.failed(unmade, is_trial)
    assert course.quarantines() == [1.0, 2.0], "the trial's own failure is not counted twice"
    course.now += 2
    course.breaker.made()
    course.call()
    assert not course.is_out()


def test_one_that_is_switched_off_never_quarantines() -> None:
    course = Course(BreakerConfig(enabled=False, crashes=1))
    course.call(CRASH, 100)
    for _ in range(10):
        course.breaker.unmade(CRASH)
    assert not course.is_out() and course.told == []
