"""Answers of the wrapped app on their way through modifiers: whole ones, heads of the others, and what goes past untouched."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from mockforge_asgi.config.objects import ResponseFilter
from mockforge_asgi.contract import Json
from mockforge_asgi.middleware import MockForge
from mockforge_asgi.plugins.plugin import Plugin
from mockforge_asgi.testing import Client, Conversation
from mockforge_asgi.types import ASGIApp, Message, Receive, Scope, Send
from tests.support.plain_host import PlainHost, PlainRuntime, plain_plugin

APP = ResponseFilter(app=True)
START: Message = {"type": "http.response.start", "status": 200, "headers": [(b"Content-Type", b"text/plain"), (b"connection", b"close")]}


def sending(*messages: Message) -> ASGIApp:
    """An app that sends just these messages, once its request was read."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        for message in messages:
            await send(message)

    return app


def start(*headers: tuple[bytes, bytes], **more: Any) -> Message:
    return {**START, "headers": [*START["headers"], *headers], **more}


def part(body: bytes, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more}


async def shout(document: Json, request: Json) -> Json:
    """Makes the body loud."""
    about = document["response"]
    body = await request.read_body("response")
    return {"status": about["status"], "headers": [*about["headers"], ["x-seen", str(len(body))]], "body": {"text": body.decode().upper()}}


def stamp(document: Json) -> Json:
    """Changes the head alone."""
    about = document["response"]
    return {"status": 203, "headers": [*about["headers"], ["x-stamp", str(about["body"]["available"])]]}


def modifier(modify: Any = stamp, modifies: ResponseFilter = APP, **facts: Any) -> Plugin:
    return plain_plugin("m", "modifier", {"response.modify": modify}, modifies=modifies, **facts)


def forge(app: ASGIApp, *plugins: Plugin, **config: Any) -> MockForge:
    return MockForge(app, runtime=PlainRuntime({"version": 1, **config}, *(plugins or [modifier()])))


async def sent(app: MockForge, method: str = "GET") -> list[Message]:
    talk = Conversation([{"type": "http.request", "body": b"", "more_body": False}])
    await app(Client(app).scope(method, "/a"), talk.receive, talk.send)
    return talk.sent


@pytest.mark.parametrize(
    "parts", [[part(b"abc")], [part(b"a", True), part(b"bc")], [part(b"a", True), part(b"bc", True), {"type": "http.response.body"}]]
)
async def test_a_whole_answer_is_changed_whole(parts: list[Message]) -> None:
    length = (b"content-length", b"3")
    assert await sent(forge(sending(start(length), *parts), modifier(shout))) == [
        {
            **START,
            "headers": [(b"content-type", b"text/plain"), (b"x-seen", b"3"), (b"content-length", b"3"), (b"connection", b"close")],
        },
        part(b"ABC"),
    ]


async def test_an_answer_of_one_part_is_whole_without_its_length() -> None:
    head, body = await sent(forge(sending(start(), part(b"abc")), modifier(shout)))
    assert (dict(head["headers"])[b"content-length"], body["body"]) == (b"3", b"ABC")


PATHSEND: Message = {"type": "http.response.pathsend", "path": "/etc/hosts"}
TRAILERS: Message = {"type": "http.response.trailers", "headers": [(b"x-sum", b"1")]}
SENT = [(b"content-type", b"text/plain"), (b"x-stamp", b"-1")]


@pytest.mark.parametrize(
    ("first", "rest"),
    [
        (start(), [part(b"a", True), part(b"b")]),
        (start(), [part(b"x" * 2000)]),
        (start((b"content-length", b"2000")), [part(b"x" * 2000)]),
        (start((b"content-length", b"3")), [part(b"x" * 2000, True), part(b"")]),
        (start((b"transfer-encoding", b"chunked")), [part(b"a", True), part(b"")]),
        (start((b"content-length", b"1"), trailers=True), [part(b"a"), TRAILERS]),
        (start((b"content-length", b"9")), [PATHSEND]),
        (start(), [{"type": "http.response.zerocopysend", "file": 3}]),
    ],
)
async def test_an_answer_that_streams_has_its_head_changed_and_its_framing_kept(first: Message, rest: list[Message]) -> None:
    got = await sent(forge(sending(first, *rest), limits={"max_answer_kb": 1}))
    assert got == [{**first, "status": 203, "headers": [*SENT, *first["headers"][1:]]}, *rest]


async def test_server_sent_events_begin_before_their_first_one() -> None:
    talk, may_go_on = Conversation(), asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({**START, "headers": [(b"content-type", b"text/event-stream; charset=utf-8")]})
        assert [m["status"] for m in talk.sent] == [203]
        await send(part(b"data: 1\n\n", True))
        assert len(talk.sent) == 2
        may_go_on.set()

    mounted = forge(app)
    await mounted(Client(mounted).scope("GET", "/a"), talk.receive, talk.send)
    assert may_go_on.is_set()


@pytest.mark.parametrize(
    "modifies",
    [
        ResponseFilter(),
        ResponseFilter(app=True, paths=("/other/**",)),
        ResponseFilter(app=True, methods=frozenset({"POST"})),
        ResponseFilter(app=True, status=frozenset({404})),
        ResponseFilter(app=True, content_types=frozenset({"application/json"})),
    ],
)
async def test_what_nobody_asked_for_is_sent_as_the_app_made_it(modifies: ResponseFilter) -> None:
    messages = [start((b"content-length", b"2")), part(b"a", True), part(b"b")]
    assert await sent(forge(sending(*messages), modifier(shout, modifies))) == messages


async def test_an_answer_left_unchanged_is_sent_with_the_apps_head() -> None:
    messages = [start((b"content-length", b"2")), part(b"a", True), part(b"b")]
    assert await sent(forge(sending(*messages), modifier(lambda document: None))) == [messages[0], part(b"ab")]


async def test_paths_that_no_modifier_is_asked_about_keep_the_servers_own_objects() -> None:
    calls: list[Send] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        calls.append(send)

    mounted = forge(app, modifier(modifies=ResponseFilter(app=True, paths=("/a/**",))))
    await mounted.runtime.ensure()
    for path in ("/a", "/b"):  # the first one learns what is claimed
        talk = Conversation()
        server = talk.send
        await mounted(Client(mounted).scope("GET", path), talk.receive, server)
    assert calls[1] is server and calls[0] is not server


async def test_head_requests_keep_their_length_unless_the_body_would_be_another() -> None:
    app = sending(start((b"content-length", b"3")), part(b""))
    head, body = await sent(forge(app), "HEAD")
    assert dict(head["headers"])[b"content-length"] == b"3" and dict(head["headers"])[b"x-stamp"] == b"-1" and body == part(b"")
    head, _ = await sent(forge(app, modifier(lambda document: {"status": 200, "body": {"text": "longer"}})), "HEAD")
    assert b"content-length" not in dict(head["headers"])


@pytest.mark.parametrize("changed", [{"status": 200, "body": {"text": "x"}}, {"status": 204}])
async def test_a_body_or_a_bodiless_status_for_a_stream_is_the_plugins_failure(changed: Json) -> None:
    messages = [start(), part(b"a", True), part(b"b")]
    assert await sent(forge(sending(*messages), modifier(lambda document: changed, on_failure="skip"))) == messages
    with pytest.raises(OSError, match="modifier"):  # the app is told to stop
        await sent(forge(sending(*messages, part(b"", True)), modifier(lambda document: changed)))


async def test_a_failing_modifier_is_the_answer_and_the_apps_own_is_dropped() -> None:
    refused = await sent(forge(sending(start(), part(b"abc")), modifier(lambda document: {"status": 0})))
    assert [m["type"] for m in refused] == ["http.response.start", "http.response.body"]
    assert refused[0]["status"] == 502 and b"abc" not in refused[1]["body"]


async def test_the_operators_answer_stands_in_for_a_modifier_that_fails() -> None:
    stand_in = {"m": {"use": "./m", "enabled": False, "on_failure": {"status": 503, "text": "later"}}}
    mounted = forge(sending(start(), part(b"abc")), modifier(lambda document: {"status": 0}), plugins=stand_in)
    head, body = await sent(mounted)
    assert (head["status"], body["body"]) == (503, b"later")


async def test_the_requests_body_is_the_apps() -> None:
    async def reads(document: Json, request: Json) -> Json:
        return {"body": {"base64": ""}} if await request.read_body("request") else None

    app = forge(sending(start(), part(b"abc")), modifier(reads))
    assert (await asyncio.wait_for(Client(app).post("/a", body=[b"x"]), 5)).status == 500


async def test_leases_are_given_back_while_the_app_goes_on() -> None:
    plugin = modifier()
    assert isinstance(plugin.host, PlainHost)
    logs = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start())
        await send(part(b"a", True))
        logs.append(list(plugin.host.log))  # type: ignore[attr-defined]  # a PlainHost, as asserted above
        await send(part(b""))

    await sent(forge(app, plugin))
    assert logs == [["response.modify", "release"]]


async def test_the_apps_errors_are_its_own() -> None:
    async def parts() -> AsyncIterator[bytes]:
        yield b"first"
        raise ValueError("late")

    def stream(request: Request) -> Response:
        return StreamingResponse(parts())

    def whole(request: Request) -> Response:
        raise ValueError("early")

    client = Client(forge(Starlette(routes=[Route("/late", stream), Route("/early", whole)])))
    for path in ("/late", "/early"):
        with pytest.raises(ValueError, match=path[1:]):
            await client.get(path)


async def test_auths_headers_are_on_changed_and_refused_answers_alike() -> None:
    allow = {"allow": {"principal": {"id": "x"}, "set_headers": [["x-auth", "1"]]}}
    auth = plain_plugin("key", "auth", {"auth.authenticate": lambda document: allow})
    app = Starlette(routes=[Route("/a", lambda request: PlainTextResponse("abc"))])
    for plugin, status in ((modifier(shout), 200), (modifier(lambda document: {"status": 0}), 502)):
        answer = await Client(forge(app, plugin, auth, protect=[{"path": "/**", "auth": ["key"]}])).get("/a")
        assert (answer.status, answer.header("x-auth")) == (status, "1")


async def test_restricted_headers_stay_whatever_a_modifier_without_a_grant_says() -> None:
    app = sending(start((b"set-cookie", b"s=1"), (b"content-security-policy", b"x"), (b"etag", b"1")), part(b"abc"))
    head, _ = await sent(forge(app, modifier(lambda document: {"status": 200, "headers": [["set-cookie", "s=2"], ["x-a", "1"]]})))
    kept = [pair for pair in head["headers"] if pair[0] not in (b"content-length", b"connection")]
    assert kept == [(b"set-cookie", b"s=1"), (b"content-security-policy", b"x"), (b"x-a", b"1")]


@pytest.mark.parametrize("body", [b"x", b""])
async def test_what_is_held_of_an_answer_is_its_body_and_not_its_messages(body: bytes) -> None:
    """Of an app that sends byte by byte, or nothing again and again."""
    count, held = 20_000, 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal held
        await send(start((b"content-length", str(count).encode())))
        tracemalloc.start()
        for _ in range(count):
            await send(part(body, True))
        held = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        await send(part(b""))

    messages = await sent(forge(app))
    assert held < 4 * count
    assert messages[1] == part(body * count)


@pytest.mark.parametrize("headers", [[], [["content-encoding", "br"]]])
async def test_a_new_body_is_not_said_to_be_coded_as_the_one_before(headers: Json) -> None:
    plugin = modifier(lambda document: {"status": 200, "headers": headers, "body": {"text": "new"}})
    plugin.rights = replace(plugin.rights, response_headers=frozenset())  # what is not shown is kept
    app = sending(start((b"Content-Encoding", b"gzip"), (b"repr-digest", b"sha-256=:x:"), (b"x-a", b"1")), part(b"packed"))
    response = await Client(forge(app, plugin)).get("/a")
    assert (response.text, response.header("content-encoding"), response.header("x-a")) == ("new", "br" if headers else None, "1")
    assert response.header("repr-digest") is None


async def test_what_is_said_of_a_body_stays_with_it() -> None:
    plugin = modifier()
    plugin.rights = replace(plugin.rights, response_headers=frozenset())
    response = await Client(forge(sending(start((b"Content-Encoding", b"gzip")), part(b"packed")), plugin)).get("/a")
    assert (response.body, response.header("content-encoding"), response.header("x-stamp")) == (b"packed", "gzip", "6")
