"""A request as code in this process sees it: what the document of the same view says, and nothing else."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockforge_asgi.errors import RequestRejected
from mockforge_asgi.exact_json import loads
from mockforge_asgi.http.exchange import Exchange
from mockforge_asgi.http.request_document import EVERYTHING, INLINE_BODY_BYTES, Consumed, RequestView
from mockforge_asgi.plugins.native.request import NativeRequest
from mockforge_asgi.testing import Conversation
from mockforge_plugin import Principal, Request
from tests.support.python_calls import python_calls

NAMES = ["x-key", "cookie", "accept", "content-type", "content-encoding", "authorization", "X-Key", "é", "K"]
VALUES = ["1", "", "a=1; b=2", "c=3;c=4; d", "text/plain", "é"]
COOKIES = ["a", "b", "c", "d"]


def exchange(headers: Any = (), body: bytes = b"", **over: Any) -> Exchange:
    talk = Conversation([{"type": "http.request", "body": body}])
    sent = [*headers, *([(b"content-length", str(len(body)).encode())] if body else [])]
    return Exchange({"type": "http", "method": "GET", "path": "/a", "headers": sent, **over}, talk.receive, talk.send)


def seen(request: Request) -> dict[str, Any]:
    """All that a plugin can ask of it."""
    asked = [*NAMES, *(name.upper() for name in NAMES), "host", "\u212aey"]
    return {
        "method": request.method, "scheme": request.scheme, "host": request.host, "path": request.path, "raw_path": request.raw_path,
        "url": request.url, "query_string": request.query_string, "query": tuple(request.query),
        "headers": tuple(request.headers), "cookies": request.cookies,
        "client": request.client, "route": request.route, "path_params": request.path_params, "claims": request.claims,
        "principal": request.principal,
        "body": request.body, "fingerprint": request.fingerprint, "text": repr(request),
        "named": [(request.header(name), request.header(name, "none"), request.headers.get(name), request.header_values(name),
                   request.headers.all(name)) for name in asked],
    }  # fmt: skip


def by_document(one: Exchange, view: RequestView, fingerprint: str = "") -> Request:
    return Request.from_document(loads(one.document(view)), fingerprint)


def some(names: list[str]) -> st.SearchStrategy[frozenset[str] | None]:
    return st.none() | st.frozensets(st.sampled_from(names), max_size=3)


@given(
    view=st.builds(RequestView, some(["x-key", "cookie", "accept", "content-encoding", "é"]), some(COOKIES), some(["q", "r"]),
                   st.booleans(), st.booleans(), st.booleans()),
    hidden=st.builds(Consumed, *(st.frozensets(st.sampled_from(names), max_size=2) for names in (["x-key", "cookie"], COOKIES, ["q"]))),
    headers=st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(VALUES)), max_size=5),
    query=st.sampled_from([b"", b"q=1&r=2&q=&s", b"%ff=%00&q=%C3%A9"]),
    body=st.sampled_from([b"", b"text", b"\xff", b"x" * (INLINE_BODY_BYTES + 1)]),
    is_read=st.booleans(),
    principal=st.none() | st.just(Principal("ada", ("r",), ("g",), "Ada", None, {"a": {"b": 1}})),
    more=st.sampled_from([{}, {"client": ("1.2.3.4", 5)}, {"server": ("h", 1)}, {"type": "websocket"},
                          {"raw_path": b"/a%2Fb", "root_path": "/r"},
                          {"path": "/\udcff"}]),
)  # fmt: skip
async def test_it_is_what_the_document_says(
    view: RequestView,
    hidden: Consumed,
    headers: list[tuple[str, str]],
    query: bytes,
    body: bytes,
    is_read: bool,
    principal: Principal | None,
    more: dict[str, Any],
) -> None:
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    one = exchange(raw, body, query_string=query, **more)
    one.matched("/{a}/{b}", {"a": "x", "b": 2})
    if principal is not None:
        one.allowed(principal, {"a": ["b"]}, (), hidden)
    else:
        one.consume(hidden)
    if is_read and one.is_http:
        await one.body()
    assert seen(NativeRequest(one, view)) == seen(by_document(one, view))
    for again in (copy.copy(NativeRequest(one, view)), pickle.loads(pickle.dumps(NativeRequest(one, view)))):
        assert type(again) is Request and seen(again) == seen(by_document(one, view))
    if one.is_http:
        raw_body = await one.raw_body()
        before = NativeRequest(one, view, raw_body)
        expected = by_document(one, view, await one.fingerprint())
        assert seen(before) == seen(NativeRequest(one, view, raw_body)) == seen(expected)


async def test_what_changes_later_is_not_seen() -> None:
    """A plugin may keep a request: other steps of the pipeline go on with theirs."""
    one = exchange([(b"x-key", b"k")], b"body")
    kept, expected = NativeRequest(one, EVERYTHING), seen(by_document(one, EVERYTHING))
    one.matched("/{a}", {"a": "x"})
    one.allowed(Principal("ada"), {}, (), Consumed(frozenset({"x-key"})))
    await one.body()
    assert seen(kept) == expected


@pytest.mark.parametrize("view", [EVERYTHING, RequestView(), RequestView(headers=frozenset({"a"})), RequestView(cookies=frozenset({"a"}))])
@pytest.mark.parametrize(
    "over",
    [
        {"headers": [(b"a", b"1")] * 1001},
        {"headers": [(b"Cookie", b"a=1;" * 1001)]},
        {"headers": [(b"cookie", b"a=1")], "query_string": b"a&" * 1001},
        {"headers": [(b"a", b"1")] * 999, "query_string": b"a&" * 998},
    ],
)
def test_too_many_fields_are_refused_before_the_plugin_is_asked(view: RequestView, over: dict[str, Any]) -> None:
    def outcome(make: Any) -> object:
        try:
            make()
        except RequestRejected as error:
            return error.status, error.reason
        return None

    one = exchange(**over)
    assert outcome(lambda: NativeRequest(one, view)) == outcome(lambda: one.document(view))


def test_a_header_takes_two_calls() -> None:
    one, view = exchange([(b"x-%d" % n, b"1") for n in range(30)]), RequestView(headers=frozenset({"x-7"}))
    called = python_calls(lambda: NativeRequest(one, view).header("X-7"))
    assert len(called) <= 3, called
