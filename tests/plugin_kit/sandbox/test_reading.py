"""Requests read from the host's text are what reading the whole text gives."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockforge_asgi.contract.codec import around
from mockforge_asgi.http.request_document import EVERYTHING, request_document
from mockforge_asgi.http.snapshot import RequestSnapshot
from mockforge_plugin import Principal, Request
from mockforge_plugin.sandbox.reading import FIRST, SentRequest, read

_PIECES = ('"', "\\", ":", ",", "[", "]", "{", "}", "é", "\n", *FIRST, *(f'"{name}":' for name in FIRST), '"fingerprint":"x"', "a")
TEXTS = st.lists(st.sampled_from(_PIECES), max_size=6).map("".join) | st.text(max_size=8)
BYTES = TEXTS.map(lambda text: text.encode("latin-1", "ignore"))
NAMES = st.sampled_from(["x-key", "host", "cookie", "headers", "path_params", "query"])
VALUES = st.none() | st.booleans() | st.integers() | TEXTS
OBJECTS = st.dictionaries(
    TEXTS | st.sampled_from(FIRST), VALUES | st.dictionaries(TEXTS | st.sampled_from(FIRST), VALUES, max_size=3), max_size=3
)
MEMBERS = (
    "method", "scheme", "host", "path", "raw_path", "query", "query_string", "headers", "cookies", "client", "route", "path_params",
    "principal", "claims", "body", "url", "fingerprint",
)  # fmt: skip


@st.composite
def documents(draw: st.DrawFn) -> bytes:
    """Request documents, as the host writes them."""
    snapshot = RequestSnapshot({
        "type": "http", "method": draw(st.sampled_from(["GET", "POST", '"headers":'])), "scheme": "http", "path": draw(TEXTS),
        "raw_path": draw(BYTES), "headers": [(name.encode(), value) for name, value in draw(st.lists(st.tuples(NAMES, BYTES), max_size=4))],
        "query_string": draw(BYTES), "client": (draw(TEXTS), 5000),
    })  # fmt: skip
    principal = Principal(draw(TEXTS), tuple(draw(st.lists(TEXTS, max_size=2))), attributes=draw(OBJECTS))
    params = draw(st.dictionaries(TEXTS | st.sampled_from([*FIRST, "principal", "body"]), TEXTS | st.integers(), max_size=3))
    return request_document(
        snapshot, EVERYTHING, route=draw(st.none() | TEXTS), path_params=params, principal=principal, claims=draw(OBJECTS),
        body=draw(BYTES), body_length=None,
    )  # fmt: skip


def seen(request: Request, names: Sequence[str] = MEMBERS) -> list[Any]:
    """Its members in that order, and two of its headers."""
    return [*(getattr(request, name) for name in names), request.header("X-Key"), request.header("query", "none")]


@given(documents(), st.permutations(MEMBERS))
def test_what_is_looked_at_is_what_the_document_has(document: bytes, names: list[str]) -> None:
    sent = read("auth.authenticate", document.decode())
    assert isinstance(sent, SentRequest)
    assert seen(sent, names) == seen(Request.from_document(json.loads(document)), names)


@given(documents(), OBJECTS, st.sampled_from(["response.can_handle", "response.generate", "response.modify", "endpoint.call"]))
def test_the_member_beside_a_request_is_read_too(document: bytes, response: dict[str, Any], op: str) -> None:
    name = {"response.modify": "response", "endpoint.call": "endpoint"}.get(op, "fingerprint")
    beside = {"status": 200, "headers": [["x", json.dumps(response)]], "body": {"available": 0}} if name == "response" else '"a":'
    found = read(op, around("request", document, {name: beside}).decode())
    fingerprint = beside if name == "fingerprint" else ""
    assert isinstance(found["request"], SentRequest) and found[name] == beside
    assert seen(found["request"]) == seen(Request.from_document(json.loads(document), str(fingerprint)))


@given(
    st.dictionaries(st.sampled_from([*FIRST, "request", "fingerprint", "a"]), VALUES),
    st.sampled_from(["auth.authenticate", "response.generate", "x"]),
)
def test_any_other_document_is_read_whole(document: dict[str, Any], op: str) -> None:
    for text in (json.dumps(document), json.dumps(document, separators=(",", ":"))):
        if not text.startswith('{"method":"') or op != "auth.authenticate":
            assert read(op, text) == document


def test_the_host_writes_the_members_in_their_order() -> None:
    scope = {"type": "http", "method": "GET", "path": "/", "raw_path": b"/", "headers": [], "query_string": b""}
    assert tuple(json.loads(request_document(RequestSnapshot(scope), EVERYTHING)))[: len(FIRST)] == FIRST


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda request: pickle.loads(pickle.dumps(request))])
def test_a_copy_is_a_plain_request(again: Any) -> None:
    scope = {"type": "http", "method": "GET", "path": "/a", "raw_path": b"/a", "headers": [(b"x-key", b"k")], "query_string": b"q=1"}
    document = request_document(RequestSnapshot(scope), EVERYTHING)
    made = again(SentRequest(document.decode(), 0, "f"))
    assert type(made) is Request and seen(made) == seen(Request.from_document(json.loads(document), "f"))


def test_what_was_changed_stays_so() -> None:
    scope = {"type": "http", "method": "GET", "path": "/a", "raw_path": b"/a", "headers": [], "query_string": b""}
    sent = SentRequest(request_document(RequestSnapshot(scope), EVERYTHING, path_params={"a": "1"}).decode(), 0, "")
    sent.path_params["b"] = 2
    assert (sent.principal, sent.path_params) == (None, {"a": "1", "b": 2})
