"""What C errors mean, in words."""

from __future__ import annotations

import pytest

from mockforge_asgi.wasm.fiber import MAX_RECORDED, Budget, Fiber, HostCallRequest, _last_line
from tests.support.component_guests import TestDoors

BACKTRACE = "error while executing at wasm backtrace:\n    0:     0x43 - <unknown>!evil\n    1:     0x44 - m!f"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("no such thing\n\nCaused by:\n    0: the outer one\n    1: the inner one\n", "the inner one"),
        (f"{BACKTRACE}\n\nCaused by:\n    wasm trap: uninitialized element\n", "wasm trap: uninitialized element"),
        (f"{BACKTRACE}\n", "the guest trapped"),
        ("", "the guest trapped"),
        ("wasm trap: it \x1b[2J said\u202e", "wasm trap: it \\x1b[2J said\\u202e"),
        ("no such thing\n\nCaused by:\n    0: " + "1" * 200_000, "1" * 299 + "…"),
        (" " * 200_000 + "0: far off", "the guest trapped"),
        ("x" * 1000, "x" * 299 + "…"),
    ],
)
def test_the_innermost_cause_is_told_in_one_harmless_line(text: str, told: str) -> None:
    assert _last_line(text) == told


@pytest.mark.parametrize(
    ("calls", "told"),
    [(0, ""), (2, "; its last host call was 'kv.1'"), (MAX_RECORDED, "")],
    ids=["none", "some", "more than are kept"],
)
def test_a_call_over_its_time_is_told_with_its_last_host_call_where_that_is_known(calls: int, told: str) -> None:
    record = [HostCallRequest(f"kv.{n}", b"", lambda answer, error: None) for n in range(calls)]
    fiber = Fiber("guest", "op", Budget(cpu_s=0.05), TestDoors(), None, record)
    assert fiber.over("cpu_ms").message == f"over its limit of cpu_ms=50{told}. Raise limits.cpu_ms or make the call cheaper."
