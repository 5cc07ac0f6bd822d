"""Exchange: documents, body, leases, answers of one request."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mockforge_asgi.errors import ClientDisconnected, ConfigError, HostCallError
from mockforge_asgi.exact_json import loads
from mockforge_asgi.http.exchange import SCOPE_KEY, Exchange
from mockforge_asgi.http.request_document import Consumed, RequestView
from mockforge_asgi.http.responses import MockResponse, TemplateResponse
from mockforge_asgi.testing import Conversation
from mockforge_asgi.types import Message
from mockforge_plugin.values import Principal
from tests.support.python_calls import python_calls

VIEW = RequestView(headers=frozenset({"x-key", "accept"}), body=True, principal=True)


KEY, BARE = RequestView(headers=frozenset({"x-key"})), RequestView()


def exchange(talk: Conversation | None = None, **over: Any) -> Exchange:
    talk = talk or Conversation()
    scope = {"type": "http", "method": "GET", "path": "/a", "headers": [(b"x-key", b"k"), (b"accept", b"x")], **over}
    return Exchange(scope, talk.receive, talk.send)


def test_documents_are_made_once_per_view() -> None:
    one = exchange()
    assert one.document(VIEW) is one.document(RequestView(headers=frozenset({"accept", "x-key"}), body=True, principal=True))
    assert one.document(VIEW) is not one.document(RequestView())


def test_two_documents_and_a_fingerprint_take_few_calls() -> None:
    headers = [(b"x-%d" % n, b"1") for n in range(30)]
    ones = [exchange(headers=[(b"host", b"h"), (b"x-key", b"k"), *headers], raw_path=b"/a") for _ in range(2)]
    made = iter(ones)

    def work() -> None:
        one = next(made)
        one.document(KEY)
        one.consume(Consumed(frozenset({"x-key"})))
        one.document(BARE)
        assert one.fingerprint_now

    called = python_calls(work)
    assert len(called) <= 20, called


def test_documents_follow_what_is_found_out() -> None:
    one = exchange()
    before = loads(one.document(VIEW))
    one.matched("/{x}", {"x": "a"})
    one.allowed(Principal("demo"), {"n": 1})
    one.consume(Consumed(frozenset({"x-key"})))
    after = loads(one.document(VIEW))
    assert (before["route"], before["principal"], len(before["headers"])) == (None, None, 2)
    assert (after["route"], after["path_params"], after["principal"]["id"]) == ("/{x}", {"x": "a"}, "demo")
    assert [name for name, _ in after["headers"]] == ["accept"]


async def test_a_body_shows_in_documents_once_it_was_read() -> None:
    talk = Conversation([{"type": "http.request", "body": b"hi", "more_body": False}])
    one = exchange(talk, method="POST", headers=[(b"content-length", b"2")])
    assert loads(one.document(VIEW))["body"] == {"available": 2}
    assert await one.read_body("request") == b"hi"
    assert loads(one.document(VIEW))["body"] == {"text": "hi"}


async def test_a_door_asks_for_the_requests_body_only() -> None:
    with pytest.raises(HostCallError):
        await exchange().read_body("response")


async def test_the_fingerprint_leaves_consumed_credentials_out() -> None:
    one, two = exchange(), exchange(headers=[(b"x-key", b"other"), (b"accept", b"x")])
    for each in (one, two):
        each.consume(Consumed(frozenset({"x-key"})))
    assert await one.fingerprint() == await two.fingerprint() == await one.fingerprint()


async def test_an_answer_carries_auths_headers_and_heeds_head() -> None:
    talk = Conversation()
    one = exchange(talk, method="HEAD")
    one.allowed(Principal("demo"), {}, ((b"set-cookie", b"s=1"),))
    await one.respond(MockResponse.text("abc"))
    assert talk.response.body == b"" and talk.response.header("content-length") == "3" and talk.response.header("set-cookie") == "s=1"


async def test_an_answer_to_be_rendered_goes_to_the_templates_around_us() -> None:
    talk = Conversation()
    await exchange(talk, extensions={"mockforge.template": {}}).respond(TemplateResponse(200, (), "t"))
    assert talk.sent[0]["type"] == "mockforge.template"
    with pytest.raises(ConfigError, match="TemplateMiddleware"):
        await exchange().respond(TemplateResponse(200, (), "t"))


class Thing:
    released = 0

    def release(self) -> None:
        self.released += 1


def test_a_lease_is_made_once_and_released_once() -> None:
    one = exchange()
    thing = one.lease("a", Thing)
    assert one.lease("a", Thing) is thing and one.lease("b", Thing) is not thing
    one.release()
    one.close()
    assert thing.released == 1


async def test_watches_nest_and_the_outermost_counts() -> None:
    talk = Conversation()
    one = exchange(talk)
    talk.leave()
    with pytest.raises(ClientDisconnected):
        with one.watched():
            with one.watched():
                pass
            await asyncio.Event().wait()


async def test_a_websocket_is_not_watched() -> None:
    talk = Conversation([{"type": "websocket.connect"}])
    with exchange(talk, type="websocket").watched():
        await asyncio.sleep(0)
    assert talk.received == 0


def test_pieces_mounted_inside_one_another_share_the_exchange() -> None:
    talk, inner = Conversation(), Conversation()
    outer, is_new = Exchange.of({"type": "http", "path": "/", "headers": []}, talk.receive, talk.send)
    scope = {**outer.scope, SCOPE_KEY: outer}
    again, is_new_too = Exchange.of(scope, talk.receive, inner.send)
    assert again is outer and (is_new, is_new_too) == (True, False) and again.send == inner.send and again.scope is scope


async def test_a_piece_further_in_sees_what_the_request_has_become() -> None:
    talk = Conversation([{"type": "http.request", "body": b"ab", "more_body": False}])
    scope = {"type": "http", "method": "POST", "path": "/api/a", "headers": [(b"content-length", b"2")]}
    outer, _ = Exchange.of(scope, talk.receive, talk.send)
    outer.matched_route = False
    assert await outer.fingerprint() and loads(outer.document(VIEW))["path"] == "/api/a"
    replay = outer.request_body.replay()

    async def louder() -> Message:
        message = await replay()
        return {**message, "body": message["body"].upper()}

    inner, is_new = Exchange.of({**scope, "root_path": "/api", SCOPE_KEY: outer}, louder, talk.send)
    assert inner is outer and not is_new and inner.matched_route is None
    assert loads(inner.document(VIEW))["path"] == "/a"
    assert await inner.body() == b"AB"


async def test_a_piece_further_in_reads_what_the_outer_one_only_passed_on() -> None:
    talk = Conversation([{"type": "http.request", "body": b"ab", "more_body": False}])
    scope = {"type": "http", "method": "POST", "path": "/a", "headers": [(b"content-length", b"2")]}
    outer, _ = Exchange.of(scope, talk.receive, talk.send)
    inner, _ = Exchange.of({**scope, SCOPE_KEY: outer}, outer.request_body.replay(), talk.send)
    assert await inner.body() == b"ab"
