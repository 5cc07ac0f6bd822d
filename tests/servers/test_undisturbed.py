"""Real servers: what the wrapped app does under `MockForge` is what it does without."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from websockets.sync.client import connect

from tests.support.server_processes import HAS_LIFESPAN, Answer, Running

VOLATILE = {"date", "etag", "last-modified", "connection", "keep-alive"}


def comparable(answer: Answer) -> tuple[int, list[tuple[str, str]], bytes, bool]:
    return answer.status, sorted(h for h in answer.headers if h[0] not in VOLATILE), answer.body, answer.is_cut


@pytest.mark.parametrize(
    "target",
    ["/stream", "/file", "/trailers/", "/pathsend/", "/info?a=1&a=2", "/a%2Fb", "/boom", "/boom-late", "/%C3%A9"],
)
def test_answers_are_the_same(server: str, bare: Running, wrapped: Running, target: str) -> None:
    if server == "daphne" and target == "/boom-late":  # it leaves the connection open: its client would wait for ever
        assert said(wrapped, target) == said(bare, target)
    else:
        assert comparable(wrapped.get(target)) == comparable(bare.get(target))


def said(running: Running, target: str) -> tuple[list[bytes], bool]:
    """What is said until the server ends or falls silent for a second, but for its dates; and whether it ended."""
    received = b""
    with running.leaving(target) as client:
        client.settimeout(1)
        try:
            while data := client.recv(4096):
                received += data
        except TimeoutError:
            return _undated(received), False
    return _undated(received), True


def _undated(received: bytes) -> list[bytes]:
    assert b"first" in received
    return [line for line in received.split(b"\r\n") if not line.lower().startswith(b"date:")]


def chunks() -> Iterator[bytes]:
    for n in range(50):
        yield b"%d" % n * 1000


def test_request_bodies_stream_through(bare: Running, wrapped: Running) -> None:
    """On a path that is claimed, too, however large they are, as long as no plugin asks for them."""
    whole = b"".join(chunks())
    for server in (bare, wrapped):
        for path in ("/echo/claimed", "/upload/unclaimed"):
            assert server.request("POST", path, chunks()).body == whole
    assert wrapped.get("/echo").body == b"only GET"


def test_background_tasks_run(wrapped: Running) -> None:
    assert wrapped.get("/background").body == b"started"
    assert wrapped.get("/wait/background").body == b"happened"


def test_server_sent_events_flow_and_the_app_hears_of_the_end(wrapped: Running) -> None:
    with wrapped.leaving("/events") as client:
        received = b""
        while received.count(b"data: tick") < 3:
            received += client.recv(4096)
    assert wrapped.get("/wait/events-left").body == b"happened"


def test_websockets_flow(wrapped: Running) -> None:
    with connect(f"ws://127.0.0.1:{wrapped.port}/ws", subprotocols=["echo"]) as client:  # type: ignore[list-item]
        assert client.subprotocol == "echo"
        for text in ("one", "two"):
            client.send(text)
            assert client.recv() == f"/ws {text}"
    assert wrapped.get("/wait/socket-closed").body == b"happened"


def test_the_state_of_the_lifespan_reaches_requests(server: str, bare: Running, wrapped: Running) -> None:
    assert wrapped.get("/info").body == bare.get("/info").body
    assert (b'"db":"open"' in wrapped.get("/info").body) == (server in HAS_LIFESPAN)


def test_errors_of_the_app_reach_the_server(wrapped: Running) -> None:
    assert wrapped.get("/boom").status == 500
    assert wrapped.get("/info").status == 200
