"""The event stream: who hears what, and what becomes of a subscriber that fails."""

from __future__ import annotations

import pytest

from mockforge_asgi.events import (
    CacheTrouble,
    CallFinished,
    Event,
    EventStream,
    HostCallDenied,
    PluginRefused,
    PluginStopped,
    PluginWarning,
    Quarantined,
    RenderFailed,
)

STOPPED = PluginStopped(plugin="p", digest="d")


def test_subscribers_hear_their_kind_in_order_until_they_end_it() -> None:
    stream, heard = EventStream(), list[Event]()
    end = stream.subscribe(heard.append, PluginStopped)
    assert stream.wants(PluginStopped, "debug") and not stream.wants(CacheTrouble, "error")
    trouble = CacheTrouble(what="w")
    for event in (STOPPED, trouble):
        stream.emit(event)
    end()
    stream.emit(STOPPED)
    assert heard == [STOPPED]


@pytest.mark.parametrize(
    "event",
    [
        CallFinished(plugin="p", op="o", outcome="failed", wall_s=1.0, error="it said s3cret"),
        HostCallDenied(plugin="p", host_call="kv.get", detail="no s3cret"),
        PluginRefused(plugin="p", reason="s3cret\nis wrong"),
        PluginWarning(plugin="p", detail="s3cret is odd"),
        Quarantined(plugin="p", reason="s3cret", for_s=1.0),
        RenderFailed(template="t", reason="line 1: s3cret"),
    ],
)
def test_nobody_hears_a_secret_in_what_is_told_in_free_words(event: Event) -> None:
    stream, heard = EventStream(lambda text: text.replace("s3cret", "[redacted]")), list[Event]()
    stream.subscribe(heard.append)
    stream.emit(event)
    assert "s3cret" in repr(event) and repr(heard) == repr([event]).replace("s3cret", "[redacted]")


def test_one_that_fails_is_dropped_with_a_word_and_the_others_hear_on(caplog: pytest.LogCaptureFixture) -> None:
    def broken(event: Event) -> None:
        raise OSError("disk full")

    stream, heard = EventStream(), list[Event]()
    stream.subscribe(broken)
    stream.subscribe(heard.append)
    for _ in range(2):
        stream.emit(STOPPED)
    assert heard == [STOPPED, STOPPED] and len(stream.broken) == 1
    assert caplog.text.count("OSError: disk full") == 1 and "hears no more" in caplog.text
