"""The event stream: who hears what, and what becomes of a subscriber that fails."""

from __future__ import annotations

import pytest

from mockforge_asgi.events import CacheTrouble, Event, EventStream, PluginStopped

STOPPED = PluginStopped(plugin="p", digest="d")


def test_subscribers_hear_their_kind_in_order_until_they_end_it() -> None:
    stream, heard = EventStream(), list[Event]()
    end = stream.subscribe(heard.append, PluginStopped)
    assert stream.wants(PluginStopped) and not stream.wants(CacheTrouble)
    trouble = CacheTrouble(what="w")
    for event in (STOPPED, trouble):
        stream.emit(event)
    end()
    stream.emit(STOPPED)
    assert heard == [STOPPED]


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
