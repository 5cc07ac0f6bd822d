"""Real servers: answers of the wrapped app that a modifier changes; those that stream go on streaming."""

from __future__ import annotations

import pytest

from tests.servers.test_undisturbed import said
from tests.support.server_processes import Answer, Running

BY_THE_SERVER = {"date", "connection", "keep-alive", "transfer-encoding", "etag", "last-modified"}


def headers(answer: Answer) -> list[tuple[str, str]]:
    return sorted(pair for pair in answer.headers if pair[0] not in BY_THE_SERVER)


def test_a_whole_answer_is_changed_and_measured_anew(wrapped: Running) -> None:
    plain, changed = wrapped.get("/info"), wrapped.get("/changed/info")
    assert changed.body == b"[%b]" % plain.body.replace(b'"/info"', b'"/changed/info"')
    assert changed.header("content-length") == str(len(changed.body)) and changed.header("x-changed") == "whole"


@pytest.mark.parametrize("target", ["/stream", "/file", "/boom"])
def test_any_other_has_its_head_changed_alone(wrapped: Running, target: str) -> None:
    plain, changed = wrapped.get(target), wrapped.get(f"/changed{target}")
    assert (changed.status, changed.body, changed.is_cut) == (plain.status, plain.body, plain.is_cut)
    assert [pair for pair in headers(changed) if pair[0] != "x-changed"] == headers(plain)
    assert changed.header("x-changed") == ("head" if target == "/stream" else changed.header("x-changed"))


def test_an_answer_that_breaks_off_still_does(server: str, wrapped: Running) -> None:
    if server == "daphne":  # it leaves the connection open, changed or not
        assert said(wrapped, "/changed/boom-late")[1] is said(wrapped, "/boom-late")[1] is False
        return
    plain, changed = wrapped.get("/boom-late"), wrapped.get("/changed/boom-late")
    assert (changed.status, changed.body, changed.is_cut) == (plain.status, plain.body, plain.is_cut)


def test_a_head_keeps_its_length_where_the_body_would_stay(wrapped: Running) -> None:
    changed, plain = wrapped.request("HEAD", "/changed/file"), wrapped.request("HEAD", "/file")
    assert (changed.status, changed.body, changed.header("x-changed")) == (200, b"", "head")
    assert changed.header("content-length") == plain.header("content-length")


def test_server_sent_events_flow_and_the_app_hears_of_the_end(wrapped: Running) -> None:
    with wrapped.leaving("/changed/events") as client:
        received = b""
        while received.count(b"data: tick") < 3:
            received += client.recv(4096)
        assert b"x-changed: head" in received.lower()
    assert wrapped.get("/wait/events-left").body == b"happened"


def test_background_tasks_run(wrapped: Running) -> None:
    assert wrapped.get("/changed/background").body == b"started"
    assert wrapped.get("/wait/background").body == b"happened"


def test_bodies_stream_through_in_both_directions(wrapped: Running) -> None:
    parts = [b"%d" % n * 1000 for n in range(50)]
    assert wrapped.request("POST", "/changed/echo/", iter(parts)).body == b"".join(parts)
