"""Request documents: what each view shows."""

from __future__ import annotations

import asyncio
from base64 import b64decode, b64encode
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockforge_asgi.http.request_document import (
    EVERYTHING,
    INLINE_BODY_BYTES,
    Consumed,
    RequestView,
    base64_text,
    long_body_document,
    request_document,
    response_document,
)
from mockforge_asgi.http.responses import MockResponse
from mockforge_asgi.http.snapshot import RequestSnapshot
from mockforge_plugin.values import Principal

HEADERS = [
    (b"host", b"api.test:8000"),
    (b"x-api-key", b"k1"),
    (b"accept", b"a"),
    (b"accept", b"b"),
    (b"cookie", b"session=s1; theme=dark"),
    (b"authorization", b"Bearer t"),
]


def snapshot(**over: Any) -> RequestSnapshot:
    scope = {
        "type": "http", "method": "GET", "scheme": "http", "path": "/hello/Ada", "raw_path": b"/hello/Ada", "headers": HEADERS,
        "query_string": b"key=k&q=1&q=2&blank=", "client": ("127.0.0.1", 5000),
    }  # fmt: skip
    return RequestSnapshot({**scope, **over})


def document(of: RequestSnapshot, view: RequestView, **found: Any) -> Any:
    return orjson.loads(request_document(of, view, **found))


def names(*allowed: str) -> frozenset[str]:
    return frozenset(allowed)


@given(st.lists(st.builds(RequestView, st.frozensets(st.sampled_from(["a", "b"])), body=st.booleans(), client=st.booleans()), max_size=6))
def test_views_have_the_same_key_where_they_are_equal_and_nowhere_else(views: list[RequestView]) -> None:
    assert all((one.key == other.key) == (one == other) for one in views for other in views)


def test_the_canonical_document_has_every_field() -> None:
    view = RequestView(headers=names("x-api-key"), client=True)
    assert document(snapshot(query_string=b""), view, route="/hello/{name}", path_params={"name": "Ada"}) == {
        "method": "GET", "scheme": "http", "host": "api.test:8000", "path": "/hello/Ada", "raw_path": "/hello/Ada", "query": [],
        "headers": [["x-api-key", "k1"]], "client": "127.0.0.1", "route": "/hello/{name}", "path_params": {"name": "Ada"},
        "principal": None, "body": {"available": 0},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("view", "consumed", "headers"),
    [
        (RequestView(), Consumed(), []),
        (RequestView(headers=names("accept")), Consumed(), [["accept", "a"], ["accept", "b"]]),
        (RequestView(headers=names("x-api-key")), Consumed(names("x-api-key")), []),
        (RequestView(cookies=names("theme")), Consumed(), [["cookie", "theme=dark"]]),
        (RequestView(cookies=names("other")), Consumed(), []),
        (RequestView(cookies=None), Consumed(), [["cookie", "session=s1; theme=dark"]]),
        (RequestView(headers=names("cookie")), Consumed(), [["cookie", "session=s1; theme=dark"]]),
        (RequestView(headers=names("cookie")), Consumed(cookies=names("session")), [["cookie", "theme=dark"]]),
        (RequestView(cookies=names("theme")), Consumed(names("cookie")), []),
    ],
)
def test_headers_and_cookies_show_as_far_as_granted_and_not_consumed(
    view: RequestView, consumed: Consumed, headers: list[list[str]]
) -> None:
    assert document(snapshot(), view, consumed=consumed)["headers"] == headers


@pytest.mark.parametrize("view", [RequestView(cookies=None), RequestView(cookies=names("__Host-id", "b"))])
@pytest.mark.parametrize("blank", [b"\xa0", b"\x85", b"\x1f"])
def test_cookies_that_only_look_like_one_of_this_host_are_left_out(blank: bytes, view: RequestView) -> None:
    # browsers let neighbouring hosts set them, since for them the name does not begin with __Host-
    line = blank + b"__Host-id=eve;" + b"__Host-id" + blank + b"=eve; \t__Host-id=ada\t ;b=1"
    shown = document(snapshot(headers=[(b"cookie", line)]), view)["headers"]
    assert shown == [["cookie", "__Host-id=ada; b=1"]]
    hidden = Consumed(cookies=names("__Host-id", "b"))
    assert document(snapshot(headers=[(b"cookie", line)]), view, consumed=hidden)["headers"] == []


def test_everything_is_everything_but_the_credentials() -> None:
    shown = document(snapshot(), EVERYTHING, consumed=Consumed(names("authorization", "cookie"), names(), names("key")))
    assert [name for name, _ in shown["headers"]] == ["host", "x-api-key", "accept", "accept"]
    assert shown["query"] == [["q", "1"], ["q", "2"], ["blank", ""]]


def test_query_names_are_an_allow_list() -> None:
    assert document(snapshot(), RequestView())["query"] == []
    assert document(snapshot(), RequestView(query=names("q")))["query"] == [["q", "1"], ["q", "2"]]


@pytest.mark.parametrize(
    ("sent", "consumed", "told"),
    [
        (b"a=%41&&b=+&b", Consumed(), "a=%41&&b=+&b"),
        (b"", Consumed(), ""),
        (b"\xff=%ff", Consumed(), "\xff=%ff"),
        (b"a=1&key=k", Consumed(query=names("other")), "a=1&key=k"),
        (b"a=1&k%65y=k", Consumed(query=names("key")), None),
    ],
)
def test_the_query_as_sent_is_there_where_all_of_it_is(sent: bytes, consumed: Consumed, told: str | None) -> None:
    assert document(snapshot(query_string=sent), EVERYTHING, consumed=consumed).get("query_string") == told
    assert "query_string" not in document(snapshot(query_string=sent), RequestView(query=names("a")))


def test_principal_and_client_need_their_permission() -> None:
    shown = document(snapshot(), RequestView(), principal=Principal("demo"))
    assert (shown["principal"], shown["client"]) == (None, None)
    shown = document(snapshot(), RequestView(principal=True), principal=Principal("demo", ("reader",)))
    assert shown["principal"] == {"id": "demo", "roles": ["reader"], "groups": [], "name": None, "email": None, "attributes": {}}


def test_claims_are_shown_with_the_principal_alone() -> None:
    told: dict[str, Any] = {"principal": Principal("demo"), "claims": {"scope": "read"}}
    assert document(snapshot(), RequestView(principal=True), **told)["claims"] == {"scope": "read"}
    assert "claims" not in document(snapshot(), RequestView(), **told)
    assert "claims" not in document(snapshot(), RequestView(principal=True), **{**told, "claims": {}})
    assert "claims" not in document(snapshot(), RequestView(principal=True), claims={"scope": "read"})


@pytest.mark.parametrize(
    ("body", "length", "shown"),
    [
        (b"", 0, {"available": 0}),
        (None, 7, {"available": 7}),
        (None, None, {"available": -1}),
        (b"caf\xc3\xa9", 5, {"text": "café"}),
        (b"\xff", 1, {"base64": "/w=="}),
        (b"x" * (INLINE_BODY_BYTES + 1), INLINE_BODY_BYTES + 1, {"available": INLINE_BODY_BYTES + 1}),
    ],
)
def test_a_body_is_shown_or_available(body: bytes | None, length: int | None, shown: object) -> None:
    assert document(snapshot(), RequestView(body=True), body=body, body_length=length)["body"] == shown
    assert document(snapshot(), RequestView(), body=body, body_length=length)["body"] == {"available": 0}


def test_an_answer_shows_its_length_only() -> None:
    response = MockResponse(200, ((b"etag", b"1"), (b"x", b"\xe9")), b"abc")
    assert response_document(response) == {"status": 200, "headers": [("etag", "1"), ("x", "é")], "body": {"available": 3}}
    assert response_document(response, names("etag"))["headers"] == [("etag", "1")]


TOKENS = st.text(alphabet="abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=8)


@given(
    st.text(max_size=20),
    st.binary(max_size=30),
    st.lists(st.tuples(TOKENS, st.binary(max_size=12)), max_size=5),
    st.lists(TOKENS, max_size=4),
    st.lists(TOKENS, max_size=2),
)
def test_any_request_becomes_json_and_shows_nothing_else(
    path: str, query: bytes, headers: list[tuple[str, bytes]], granted: list[str], consumed: list[str]
) -> None:
    pairs = [(name.encode(), value) for name, value in headers]
    shown = document(
        snapshot(path="/" + path, raw_path=None, query_string=query, headers=pairs),
        RequestView(headers=frozenset(granted), query=frozenset(granted)),
        consumed=Consumed(frozenset(consumed), names(), frozenset(consumed)),
    )
    assert orjson.loads(orjson.dumps(shown))["method"] == "GET"
    allowed = set(granted) - set(consumed)
    assert {name for name, _ in shown["headers"]} <= allowed
    assert {name for name, _ in shown["query"]} <= allowed


MIB = 1 << 20


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "text"),
        ("é€😀".encode() * 1000, "text"),
        (b"a" * 4 * MIB, "text"),
        (b"{}\n" * 60_000, "text"),
        (b"\x01" * 1000, "text"),
        (b"\x01" * 4 * MIB, "base64"),
        (b"\n" * 4 * MIB, "base64"),
        (b'"' * 4 * MIB, "base64"),
        (b"\\" * 4 * MIB, "base64"),
        (b"\xff", "base64"),
        (b"a" * 4 * MIB + b"\xff", "base64"),
    ],
)
async def test_a_long_body_is_text_where_that_is_quickly_written(body: bytes, kind: str) -> None:
    document = await long_body_document(body)
    assert list(document) == [kind]
    assert b64decode(document["base64"]) == body if kind == "base64" else document["text"].encode() == body
    assert len(orjson.dumps(document)) < len(body) * 4 / 3 + 5 * 200_000 + 100


@pytest.mark.parametrize("size", [0, 1, 2, 192 * 1024 - 1, 192 * 1024, 192 * 1024 + 1, MIB + 1])
async def test_base64_that_is_made_in_steps_is_that_of_the_whole(size: int) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(others())
    assert await base64_text(data[:size]) == b64encode(data[:size]).decode()
    beside.cancel()
    assert turns >= max(0, size - 1) // (192 * 1024)
