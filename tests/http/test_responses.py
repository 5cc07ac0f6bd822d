"""Answers as they are sent: length, body, framing, refusal of forged headers."""

from __future__ import annotations

import pytest

from mockforge_asgi.http.headers import BadHeader
from mockforge_asgi.http.responses import MockResponse, TemplateResponse
from mockforge_asgi.testing import Conversation


@pytest.mark.parametrize(
    ("status", "head", "length", "body"),
    [
        (200, False, "3", b"abc"),
        (200, True, "3", b""),
        (404, False, "3", b"abc"),
        (204, False, None, b""),
        (205, False, "0", b""),
        (304, False, None, b""),
        (304, True, None, b""),
    ],
)
async def test_length_and_body_fit_status_and_method(status: int, head: bool, length: str | None, body: bytes) -> None:
    talk = Conversation()
    await MockResponse(status, ((b"etag", b"1"),), b"abc").send(talk.send, head=head)
    assert talk.response.status == status and talk.response.body == body
    assert talk.response.header("content-length") == length and talk.response.header("etag") == "1"


async def test_framing_is_ours_whatever_the_answer_says() -> None:
    talk = Conversation()
    await MockResponse(200, ((b"Content-Length", b"99"), (b"transfer-encoding", b"chunked"), (b"connection", b"close")), b"abc").send(
        talk.send
    )
    assert talk.response.headers == (("content-length", "3"),)


async def test_an_answer_sent_twice_shares_no_list_with_its_receivers() -> None:
    response, talk = MockResponse.text("x"), Conversation()
    for _ in range(2):
        await response.send(talk.send)
    talk.sent[0]["headers"].clear()
    assert len(talk.sent[2]["headers"]) == 2


@pytest.mark.parametrize("status", [0, 100, 101, 199, 600, 999, -1])
async def test_a_status_that_ends_nothing_is_never_sent(status: int) -> None:
    talk = Conversation()
    with pytest.raises(ValueError, match=str(status)):
        await MockResponse(status).send(talk.send)
    assert talk.sent == []


async def test_a_forged_header_is_never_sent() -> None:
    talk = Conversation()
    with pytest.raises(BadHeader):
        await MockResponse(200, ((b"x", b"a\r\nset-cookie: s=1"),)).send(talk.send)
    assert talk.sent == []


def test_json_and_text_say_their_type() -> None:
    assert MockResponse.json({"a": "é"}).body == '{"a":"é"}'.encode()
    assert dict(MockResponse.json([], headers={"X-A": "1"}).headers) == {b"content-type": b"application/json", b"x-a": b"1"}
    assert dict(MockResponse.text("é").headers)[b"content-type"] == b"text/plain; charset=utf-8"


def test_headers_are_added_to_a_new_answer() -> None:
    first = MockResponse(200, ((b"x", b"1"),), b"b")
    assert first.adding(((b"x", b"2"),)) == MockResponse(200, ((b"x", b"2"),), b"b") and first.adding(()) is first
    waiting = TemplateResponse(200, (), "t", {"a": 1}).adding(((b"x", b"2"),))
    assert waiting.message == {"type": "mockforge.template", "status": 200, "headers": [(b"x", b"2")], "name": "t", "vars": {"a": 1}}
