"""Meter: what counts as a rendering's own time."""

from __future__ import annotations

import time

import pytest

from mockforge_asgi.templates.bounds.meter import Meter, OverLimit, TemplateLimits


def test_a_thread_that_is_kept_waiting_uses_up_none_of_its_time() -> None:
    meter = Meter(TemplateLimits(time_ms=20))
    for _ in range(10):
        meter.deadline = time.perf_counter() - 1  # as after a second in which other processes had the processor
        meter.check_time()
    began = time.thread_time()
    with pytest.raises(OverLimit, match="time_ms"):
        while time.thread_time() - began < 10:
            meter.check_time()
