"""The circuit breaker: what counts as a crash, when a plugin is quarantined, how it comes back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mockforge_asgi.config.objects import BreakerConfig
from mockforge_asgi.errors import LimitExceeded, PluginCrashed, PluginFailed, PluginUnavailable
from mockforge_asgi.events import Event, EventStream, Quarantined, Recovered
from mockforge_asgi.plugins.breaker import UNMADE, Breaker

CRASH = PluginCrashed("p", "response.generate", "its code gave up")
REPORTED = PluginFailed("p", "response.generate", "no such user")


@dataclass
class Course:
    """A breaker on a clock of the test."""

    config: BreakerConfig = field(default_factory=lambda: BreakerConfig(crashes=4, window_s=10.0))
    chance: float = 1.0
    now: float = 100.0
    told: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        events = EventStream()
        events.subscribe(self.told.append)
        self.breaker = Breaker("p", self.config, events, clock=lambda: self.now, chance=lambda: self.chance)

    def call(self, error: BaseException | None = None, times: int = 1, op: str = "response.generate") -> None:
        for _ in range(times):
            is_trial = self.breaker.enter()
            self.breaker.ended(op, is_trial, error)

    def is_out(self) -> bool:
        return self.breaker.is_quarantined

    def quarantines(self) -> list[float]:
        return [event.for_s for event in self.told if isinstance(event, Quarantined)]


def tripped(**config: Any) -> Course:
    course = Course(BreakerConfig(crashes=4, **config))
    course.call(CRASH, 4)
    assert course.is_out()
    return course


def test_crashes_quarantine_a_plugin_that_serves_nobody() -> None:
    course = Course()
    course.call(CRASH, 3)
    assert not course.is_out()
    course.call(CRASH)
    assert course.is_out()
    reason = [event.reason for event in course.told if isinstance(event, Quarantined)]
    assert reason == [
        "it has crashed 4 times within 10 s and served nobody, the last time so: plugin 'p' failed in response.generate: its code gave up"
    ]


@pytest.mark.parametrize("served", [None, REPORTED])
def test_however_many_calls_of_his_crash_a_stranger_cannot_switch_off_what_serves_others(served: BaseException | None) -> None:
    course = Course()
    for _ in range(100):
        course.call(served)
        for _ in range(50):
            course.call(CRASH, 20)
            course.now += 0.15
    assert not course.is_out()


def test_one_that_has_served_is_quarantined_when_it_serves_nobody_for_the_window() -> None:
    course = Course()
    course.call(None, 1000)
    for _ in range(10):
        course.call(CRASH, 4)
        assert not course.is_out()
        course.now += 1
    course.call(CRASH)
    assert course.is_out()


@pytest.mark.parametrize("op", ["response.can_handle", "plugin.health", "data.schema"])
@pytest.mark.parametrize("error", [None, REPORTED])
def test_what_serves_nobody_hides_no_crash(op: str, error: BaseException | None) -> None:
    course = Course()
    for _ in range(4):
        course.call(error, op=op)
        course.call(CRASH)
    assert course.is_out()


def test_crashes_outside_the_window_count_no_more() -> None:
    course = Course()
    course.call(CRASH, 3)
    course.now += 12
    course.call(CRASH, 3)
    assert not course.is_out()
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
    with pytest.raises(PluginUnavailable, match="in quarantine for 1.5 s more: it has crashed 4 times") as caught:
        course.breaker.enter()
    assert caught.value.retry_after_s == 1.5


def test_after_it_one_call_is_let_through_and_ends_it() -> None:
    course = tripped(backoff_s=1.0)
    course.now += 1
    assert course.breaker.enter()
    with pytest.raises(PluginUnavailable, match="being tried"):
        course.breaker.enter()
    course.now += 1
    course.breaker.ended("response.generate", True)
    assert not course.is_out()
    assert [event.after_s for event in course.told if isinstance(event, Recovered)] == [2.0]
    course.call(CRASH, 40)
    assert not course.is_out(), "it has just served somebody"


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
    course.call(op="response.can_handle")
    assert course.is_out()
    course.call()
    assert not course.is_out()


def trial(course: Course, took_s: float) -> float:
    """A trial that crashes after so long; the seconds of rest behind it."""
    is_trial = course.breaker.enter()
    course.now += took_s
    course.breaker.ended("response.generate", is_trial, CRASH)
    with pytest.raises(PluginUnavailable) as caught:
        course.breaker.enter()
    return caught.value.retry_after_s


def test_after_a_crash_in_a_trial_it_rests_nine_times_as_long_as_that_took() -> None:
    course = tripped(max_backoff_s=30.0)
    course.now += 1
    for took_s, rest_s in ((0.01, 0.09), (0.2, 1.8), (0.2, 1.8), (60.0, 30.0)):
        assert trial(course, took_s) == pytest.approx(rest_s)
        course.now += rest_s + 1e-6
    assert course.quarantines() == [1.0], "it is told once"


def test_a_stranger_who_crashes_every_trial_takes_a_tenth_of_the_time_and_the_first_call_that_ends_well_ends_it() -> None:
    course, crashing = tripped(), 0.0
    course.now += 1
    began = course.now
    for _ in range(500):
        crashing += 0.02
        rest_s = trial(course, 0.02)
        course.now += rest_s + 1e-6
    assert crashing / (course.now - began) == pytest.approx(0.1, rel=0.01)
    course.call()
    assert not course.is_out()


@pytest.mark.parametrize(("chance", "for_s"), [(0.0, 2.0), (0.5, 3.0), (1.0, 4.0)])
def test_chance_takes_up_to_half_of_the_wait_for_one_that_cannot_be_made(chance: float, for_s: float) -> None:
    course = Course(BreakerConfig(backoff_s=4.0), chance)
    for _ in range(UNMADE):
        course.breaker.unmade(PluginFailed("p", "plugin.init", "no database"))
    assert course.quarantines() == [for_s]


def test_a_crash_of_a_call_that_began_before_changes_nothing() -> None:
    course = Course()
    late = course.breaker.enter()
    course.call(CRASH, 4)
    course.breaker.ended("response.generate", late, CRASH)
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
    for _ in range(2000):
        course.now += 30
        is_trial = course.breaker.enter()
        course.breaker.unmade(unmade)
        course.breaker.ended("response.generate", is_trial, unmade)
    assert course.quarantines()[:7] == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0], "the trial's own failure is not counted twice"
    assert course.quarantines()[-1] == 30.0
    course.now += 30
    course.breaker.made()
    course.call()
    assert not course.is_out()
    for _ in range(UNMADE):
        course.breaker.unmade(unmade)
    assert course.quarantines()[-1] == 1.0


def test_one_that_is_switched_off_never_quarantines() -> None:
    course = Course(BreakerConfig(enabled=False, crashes=1))
    course.call(CRASH, 100)
    for _ in range(10):
        course.breaker.unmade(CRASH)
    assert not course.is_out() and course.told == []


class BreakerMachine(RuleBasedStateMachine):
    """Calls that overlap and end in any order, instances that can be made or not, and time that passes."""

    def __init__(self) -> None:
        super().__init__()
        self.course = Course(BreakerConfig(crashes=3, window_s=4.0, backoff_s=1.0, max_backoff_s=8.0))
        self.running: list[bool] = []
        """Calls that run: whether each is a trial."""
        self.served_s = float("-inf")

    @rule(seconds=st.sampled_from([0.01, 0.3, 1.0, 5.0, 9.0]))
    def time_passes(self, seconds: float) -> None:
        self.course.now += seconds

    @rule()
    def enter(self) -> None:
        was_out, trials = self.course.is_out(), sum(self.running)
        try:
            is_trial = self.course.breaker.enter()
        except PluginUnavailable as error:
            assert was_out and error.retry_after_s >= 0
            assert trials or error.retry_after_s > 0, "refused without need"
            return
        assert is_trial == was_out and not (is_trial and trials)
        self.running.append(is_trial)

    @precondition(lambda self: self.running)
    @rule(
        pick=st.integers(0, 9),
        error=st.sampled_from([None, None, REPORTED, CRASH, CRASH, CRASH, PluginUnavailable("p", "full"), GeneratorExit()]),
    )
    def end(self, pick: int, error: BaseException | None) -> None:
        is_trial = self.running.pop(pick % len(self.running))
        was_out = self.course.is_out()
        self.course.breaker.ended("response.generate", is_trial, error)
        if error in (None, REPORTED):
            self.served_s = self.course.now
            assert self.course.is_out() == (was_out and not is_trial)
        elif error is not CRASH or was_out:
            assert self.course.is_out() == was_out
        elif self.course.is_out():
            assert self.course.now - self.served_s >= 4.0, "it had served somebody"

    @rule(works=st.booleans())
    def an_instance(self, works: bool) -> None:
        if works:
            self.course.breaker.made()
        else:
            self.course.breaker.unmade(PluginFailed("p", "plugin.init", "no database"))

    @invariant()
    def nothing_lasts_for_ever(self) -> None:
        until_s = self.course.breaker.until_s
        assert until_s is None or until_s - self.course.now <= 8.0 + 1e-6  # sums of 0.3 and the like are not exact
        assert self.course.breaker._is_trying == any(self.running)

    def teardown(self) -> None:
        for is_trial in self.running:
            self.course.breaker.ended("response.generate", is_trial, GeneratorExit())
        self.course.now += 8.0
        self.course.call()
        assert not self.course.is_out()


TestBreaker = BreakerMachine.TestCase
