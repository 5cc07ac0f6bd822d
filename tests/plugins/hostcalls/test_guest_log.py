"""Guests' lines are bounded in length and number."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockforge_asgi.errors import HostCallError
from mockforge_asgi.events import LEVEL_NUMBERS, EventStream, GuestLogged, Level
from mockforge_asgi.plugins.hostcalls.guest_log import BURST, LINES_PER_S, MAX_CHARS, GuestLog, escaped
from mockforge_asgi.security.redaction import Redactor
from mockforge_asgi.security.secrets import Secrets


def listening() -> tuple[GuestLog, list[GuestLogged], list[float]]:
    events, told, now = EventStream(), list[GuestLogged](), [0.0]
    events.subscribe(lambda event: told.append(event) if isinstance(event, GuestLogged) else None)
    return GuestLog("guest", events, lambda: now[0]), told, now


def test_a_long_line_is_cut_and_says_so() -> None:
    log, told, _ = listening()
    log.write({"level": "info", "message": "x" * 100_000})
    assert told[0].message == "x" * MAX_CHARS + " ... (100000 characters in all)"


def test_a_secret_is_taken_out_before_anybody_hears_it() -> None:
    events, told = EventStream(Redactor(Secrets({"key": "s3cret-number-1"}))), list[GuestLogged]()
    events.subscribe(lambda event: told.append(event) if isinstance(event, GuestLogged) else None)
    log = GuestLog("guest", events)
    log.write({"level": "info", "message": "the key is s3cret-number-1!"})
    log.write({"level": "info", "message": "x" * (MAX_CHARS - 9) + "s3cret-number-1"})
    assert told[0].message == "the key is [redacted]!" and "s3c" not in told[1].message


@pytest.mark.parametrize("heard", ["debug", "info", "warning", "error"])
def test_no_work_is_done_for_lines_that_nobody_hears(heard: Level) -> None:
    """Neither below the level that somebody listens to, nor beyond the rate; and what is heard is cut first."""
    told, redacted = list[GuestLogged](), list[str]()
    levels = ("debug", "info", "warning", "error")

    def redact(text: str) -> str:
        redacted.append(text)
        return text

    events = EventStream(redact)
    events.subscribe(
        lambda event: told.append(event) if isinstance(event, GuestLogged) else None,
        hears=lambda number: number >= LEVEL_NUMBERS[heard],
    )
    log = GuestLog("guest", events, lambda: 0.0)
    for level in levels:
        log.write({"level": level, "message": "x" * 1_000_000})
    assert [event.level for event in told] == list(levels[levels.index(heard) :])
    for _ in range(1000):
        log.write({"level": "error", "message": "x" * 1_000_000})
    assert len(redacted) == len(told) == BURST and max(map(len, redacted)) == MAX_CHARS


def test_too_many_lines_are_left_out_and_counted() -> None:
    log, told, now = listening()
    for n in range(1000):
        log.write({"level": "info", "message": str(n)})
    assert len(told) == BURST
    now[0] += 1.0
    log.write({"level": "info", "message": "again"})
    assert [line.message[:20] for line in told[-2:]] == ["(800 lines left out:", "again"]
    for n in range(1000):
        log.write({"level": "info", "message": str(n)})
    assert len(told) == BURST + 1 + LINES_PER_S


@pytest.mark.parametrize(
    "payload", [{}, {"message": 5}, {"message": "x", "level": "loud"}, {"message": "x", "level": 5}, {"message": None}]
)
def test_what_is_no_line_is_refused(payload: dict[str, object]) -> None:
    log, _, _ = listening()
    with pytest.raises(HostCallError):
        log.write(payload)


@given(st.text())
def test_an_escaped_text_is_one_printable_line(text: str) -> None:
    shown = escaped(text)
    assert len(shown.splitlines()) <= 1
    assert shown.encode() or not text
    assert not any(ord(c) < 32 and c != "\t" for c in shown)


def test_signs_that_are_written_out_make_a_line_no_longer() -> None:
    log, told, _ = listening()
    log.write({"level": "info", "message": "\0" * MAX_CHARS})
    assert told[0].message == ("\\u0000" * MAX_CHARS)[:MAX_CHARS]


@pytest.mark.parametrize("sign", ["\x00", "\x1b", "\x7f", "\x9b", "\u061c", "\u200b", "\u202e", "\u2069", "\ufeff", "\ud800", "\udfff"])
def test_what_cannot_be_printed_is_written_out(sign: str) -> None:
    assert escaped(f"a{sign}b") == f"a\\u{ord(sign):04x}b"
    assert escaped("a\r\nb\tc") == "a\\r\\nb\tc"
