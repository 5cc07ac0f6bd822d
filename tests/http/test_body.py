"""RequestBody: bounded and timed bodies, replay, departure."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import Callable
from typing import Any, NoReturn

import pytest

from mockforge_asgi.errors import ClientDisconnected, HostCallError, RequestRejected
from mockforge_asgi.http.body import BodyLimits, RequestBody
from mockforge_asgi.testing import Conversation
from mockforge_asgi.types import Message, Receive


def scope(*headers: tuple[bytes, bytes], version: str = "1.1", kind: str = "http") -> dict[str, Any]:
    return {"type": kind, "headers": list(headers), "http_version": version}


CHUNKED = scope((b"transfer-encoding", b"chunked"))
EMPTY = (b"content-length", b"0")


def part(body: bytes | None = None, more: bool = False) -> Message:
    message: Message = {"type": "http.request", "more_body": more}
    return message if body is None else {**message, "body": body}


@pytest.mark.parametrize(
    ("sent", "length"),
    [
        (scope(), 0),
        (scope((b"content-length", b"5")), 5),
        (scope((b"content-length", b"x")), None),
        (CHUNKED, None),
        (scope(version="2"), None),
        (scope(kind="websocket"), 0),
        (scope(EMPTY), 0),
        (scope(EMPTY, EMPTY), 0),
        (scope(version="1.0"), 0),
        (scope((b"content-length", b"5"), version="2"), 5),
    ],
)
async def test_the_length_is_what_the_head_tells(sent: dict[str, Any], length: int | None) -> None:
    assert RequestBody(sent, Conversation().receive).length == length


@pytest.mark.parametrize(
    "sent",
    [
        scope(EMPTY, (b"transfer-encoding", b"chunked")),
        scope((b"transfer-encoding", b"chunked"), EMPTY),
        scope((b"content-length", b"9"), (b"transfer-encoding", b"Chunked")),
        scope(EMPTY, (b"transfer-encoding", b"gzip, chunked")),
        scope(EMPTY, (b"transfer-encoding", b"identity")),
        scope(EMPTY, (b"transfer-encoding", b"")),
        scope(EMPTY, (b"transfer-encoding", b"chunked"), version="1.0"),
        scope(EMPTY, (b"content-length", b"5")),
        scope((b"content-length", b"5"), EMPTY),
        scope((b"content-length", b"0, 5")),
        scope((b"content-length", b"")),
        scope((b"content-length", b"-0")),
        scope(EMPTY, version="2"),
        scope(EMPTY, version="3"),
    ],
)
async def test_a_head_that_leaves_the_length_in_doubt_hides_no_body(sent: dict[str, Any]) -> None:
    request_body = RequestBody(sent, Conversation([part(b"hid", True), part(b"den")]).receive)
    assert (request_body.length, request_body.body_now) == (None, None)
    assert await request_body.body() == b"hidden"


async def test_a_body_that_is_known_to_be_empty_is_not_waited_for() -> None:
    talk = Conversation([part(b"")])
    assert await RequestBody(scope(), talk.receive).body() == b""
    assert talk.received == 0


async def test_a_body_is_joined_and_replayed_as_one_message() -> None:
    messages = [part(b"ab", True), part(None, True), part(b"", True), part(b"c"), {"type": "http.disconnect"}]
    request_body = RequestBody(CHUNKED, Conversation(messages).receive)
    assert [await request_body.body(), await request_body.body()] == [b"abc", b"abc"]
    assert request_body.length == 3
    replay = request_body.replay()
    assert [await replay() for _ in range(2)] == [part(b"abc"), {"type": "http.disconnect"}]


def endless(*messages: Message) -> tuple[Receive, Callable[[], int]]:
    """A `receive` that has the last message at hand again and again, and how often it was asked."""
    asked = 0

    async def receive() -> Message:
        nonlocal asked
        asked += 1
        return dict(messages[min(asked, len(messages)) - 1])

    return receive, lambda: asked


PARTS = 20_000


@pytest.mark.parametrize("body", [b"x", b"", b"xy"])
@pytest.mark.parametrize("reader", ["body", "preview", "cancelled"])
async def test_what_is_held_is_the_body_and_not_its_messages(body: bytes, reader: str) -> None:
    talk = Conversation(part(body, True) for _ in range(PARTS))
    request_body = RequestBody(CHUNKED, talk.receive)
    tracemalloc.start()
    try:
        if reader == "preview":
            talk.leave()
            look = request_body.preview()
            await look()
            await look()
        else:
            reading = asyncio.ensure_future(request_body.body())
            while talk.received < PARTS:
                await asyncio.sleep(0)
            if reader == "cancelled":
                reading.cancel()
            else:
                talk.leave()
            await asyncio.wait([reading])
            reading.cancelled() or reading.exception()
        now = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert now < 4 * PARTS
    assert await request_body.replay()() == part(body * PARTS, True)


async def test_endless_empty_messages_end_with_the_time() -> None:
    receive, _ = endless(part(b"a", True), part(b"", True))
    with pytest.raises(RequestRejected) as refused:
        await RequestBody(CHUNKED, receive, BodyLimits(timeout_s=0.001)).body()
    assert refused.value.status == 408


async def test_messages_after_a_whole_body_are_not_collected() -> None:
    receive, asked = endless(part(b"a"))
    request_body = RequestBody(CHUNKED, receive)
    assert await request_body.body() == b"a"
    request_body.watch(lambda: None)
    for _ in range(10):
        await asyncio.sleep(0)
    assert asked() == 2 and not request_body.gone
    assert await request_body.replay()() == part(b"a")


async def test_a_preview_ends_with_a_body_that_is_whole() -> None:
    receive, asked = endless(part(b"a"))
    request_body = RequestBody(CHUNKED, receive)
    look = request_body.preview()
    assert [(await look())["type"], (await look())["type"]] == ["http.request", "http.disconnect"]
    assert asked() == 2 and await request_body.body() == b"a"


async def test_a_body_that_was_replayed_unread_can_still_be_told() -> None:
    talk = Conversation([part(b"a", True), part(b"b")])
    request_body = RequestBody(CHUNKED, talk.receive)
    look = request_body.preview()
    talk.leave()
    assert [(await look())["type"], (await look())["type"]] == ["http.request", "http.disconnect"]
    replay = request_body.replay()
    assert await replay() == part(b"ab")
    request_body.is_lent = False
    assert await request_body.body() == b"ab" and await replay() == {"type": "http.disconnect"}


async def test_replay_is_the_servers_own_receive_when_nothing_was_read() -> None:
    talk = Conversation([part(b"x")])
    request_body = RequestBody(CHUNKED, receive := talk.receive)
    assert request_body.replay() is receive


async def test_an_announced_length_over_the_limit_is_refused_unread() -> None:
    talk = Conversation([part(b"x" * 11)])
    with pytest.raises(RequestRejected) as refused:
        await RequestBody(scope((b"content-length", b"11")), talk.receive, BodyLimits(10)).body()
    assert refused.value.status == 413 and talk.received == 0


async def test_a_body_that_grows_over_the_limit_is_refused_and_stays_refused() -> None:
    talk = Conversation([part(b"123456", True), part(b"123456", True), part(b"x")])
    request_body = RequestBody(CHUNKED, talk.receive, BodyLimits(10))
    for _ in range(2):
        with pytest.raises(RequestRejected) as refused:
            await request_body.body()
        assert refused.value.status == 413
    assert talk.received == 2


async def test_a_body_of_just_the_limit_is_taken() -> None:
    assert await RequestBody(CHUNKED, Conversation([part(b"x" * 10)]).receive, BodyLimits(10)).body() == b"x" * 10


async def test_a_body_that_does_not_come_in_time_is_refused() -> None:
    with pytest.raises(RequestRejected) as refused:
        await RequestBody(CHUNKED, Conversation([part(b"x", True)]).receive, BodyLimits(timeout_s=0.001)).body()
    assert refused.value.status == 408


async def test_a_client_that_leaves_within_its_body_has_left() -> None:
    request_body = RequestBody(CHUNKED, Conversation([part(b"x", True), {"type": "http.disconnect"}]).receive)
    with pytest.raises(ClientDisconnected):
        await request_body.body()
    assert request_body.gone


async def test_two_readers_share_one_reading() -> None:
    talk = Conversation([part(b"a", True), part(b"b")])
    request_body = RequestBody(CHUNKED, talk.receive)
    assert list(await asyncio.gather(request_body.body(), request_body.body())) == [b"ab", b"ab"]


async def test_a_reader_that_is_cancelled_loses_nothing() -> None:
    queue: asyncio.Queue[Message] = asyncio.Queue()
    request_body = RequestBody(CHUNKED, queue.get)
    queue.put_nowait(part(b"a", True))
    reader = asyncio.ensure_future(request_body.body())
    await asyncio.sleep(0)
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    queue.put_nowait(part(b"b"))
    assert await request_body.body() == b"ab"


async def test_a_departure_is_heard_and_still_replayed() -> None:
    talk, heard = Conversation([part(b"")]), asyncio.Event()
    request_body = RequestBody(scope(), talk.receive)
    request_body.watch(heard.set)
    talk.leave()
    await heard.wait()
    assert request_body.gone
    replay = request_body.replay()
    assert [(await replay())["type"] for _ in range(2)] == ["http.request", "http.disconnect"]


async def test_nobody_listens_before_the_body_is_whole() -> None:
    talk, heard = Conversation([part(b"a")]), asyncio.Event()
    request_body = RequestBody(CHUNKED, talk.receive)
    request_body.watch(heard.set)
    await asyncio.sleep(0)
    assert talk.received == 0
    assert await request_body.body() == b"a"
    talk.leave()
    await heard.wait()


async def test_a_watch_that_ended_leaves_the_pending_message_to_the_next_reader() -> None:
    queue: asyncio.Queue[Message] = asyncio.Queue()
    request_body = RequestBody(scope(), queue.get)
    request_body.watch(lambda: None)
    await asyncio.sleep(0)
    request_body.unwatch()
    reader = asyncio.ensure_future(request_body.replay()())
    await asyncio.sleep(0)
    queue.put_nowait(part(b""))
    queue.put_nowait({"type": "http.disconnect"})
    assert await reader == part(b"")
    assert await request_body.replay()() == {"type": "http.disconnect"}


async def test_a_closed_intake_leaves_no_task_behind() -> None:
    request_body = RequestBody(scope(), Conversation().receive)
    request_body.watch(lambda: None)
    await asyncio.sleep(0)
    request_body.close()
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_length_longer_than_any_is_not_believed() -> None:
    assert RequestBody(scope((b"content-length", b"9" * 5000)), Conversation().receive).length is None


async def test_what_was_lent_is_not_read_any_more() -> None:
    talk = Conversation([part(b"x")])
    request_body = RequestBody(CHUNKED, talk.receive)
    request_body.replay()
    with pytest.raises(HostCallError, match="wrapped app"):
        await request_body.body()
    request_body.watch(lambda: None)
    await asyncio.sleep(0)
    assert talk.received == 0


async def test_a_reader_of_the_replay_that_is_cancelled_loses_nothing() -> None:
    queue: asyncio.Queue[Message] = asyncio.Queue()
    request_body = RequestBody(scope(), queue.get)
    request_body.watch(lambda: None)
    await asyncio.sleep(0)
    request_body.unwatch()
    replay = request_body.replay()
    reader = asyncio.ensure_future(replay())
    await asyncio.sleep(0)
    queue.put_nowait(part(b"x"))
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    assert await replay() == part(b"x")


async def test_a_preview_shows_an_empty_body_and_the_leaving_and_takes_nothing() -> None:
    talk = Conversation([part(b"a", True), part(b"b")])
    request_body = RequestBody(CHUNKED, talk.receive)
    look = request_body.preview()
    assert await look() == part(b"") and talk.received == 0
    talk.leave()
    assert (await look())["type"] == "http.disconnect" and request_body.gone
    assert await request_body.body() == b"ab"
    replay = request_body.replay()
    assert [await replay() for _ in range(2)] == [part(b"ab"), {"type": "http.disconnect"}]


async def test_a_preview_holds_no_more_than_a_body_may_have() -> None:
    talk = Conversation([part(b"123456", True)] * 5)
    look = RequestBody(CHUNKED, talk.receive, BodyLimits(10)).preview()
    await look()
    assert (await look())["type"] == "http.disconnect" and talk.received == 2


async def test_a_body_that_is_there_is_read_without_lock_and_time_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(_: object) -> NoReturn:
        raise AssertionError("nothing is waited for")

    monkeypatch.setattr(asyncio, "timeout", never)
    message = {"type": "http.request", "body": b"abc", "more_body": False}

    async def receive() -> Message:
        return message

    assert await RequestBody(scope((b"content-length", b"3")), receive).body() == b"abc"


async def test_readers_at_once_get_the_same_body_when_its_first_message_is_late() -> None:
    came = asyncio.Event()
    asked = 0

    async def receive() -> Message:
        nonlocal asked
        asked += 1
        await came.wait()
        return {"type": "http.request", "body": b"abc", "more_body": False}

    body = RequestBody(scope((b"content-length", b"3")), receive)
    reading = [asyncio.ensure_future(body.body()) for _ in range(3)]
    await asyncio.sleep(0)
    came.set()
    assert await asyncio.gather(*reading) == [b"abc"] * 3
    assert asked == 1
