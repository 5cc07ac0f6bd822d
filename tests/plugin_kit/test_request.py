"""Requests and answers as authors see them."""

from __future__ import annotations

import asyncio

import pytest

from mockforge_plugin import Answer, Headers, Principal, Query, Request, Response
from mockforge_plugin.context import entered
from tests.support.memory_host_calls import HostCalls
from tests.support.native_kit_harness import DirectContext


def test_a_request_made_by_hand_reads_as_one_from_the_host() -> None:
    request = Request(
        "POST",
        "/a/b",
        headers={"X-Key": "1", "Cookie": "a=1; b=2"},
        query=[("x", "1"), ("x", "2")],
        body="ü",
        principal=Principal("ada"),
        path_params={"id": "7"},
    )
    assert (request.method, request.path, request.header("x-KEY"), request.cookies) == ("POST", "/a/b", "1", {"a": "1", "b": "2"})
    assert (request.query.get("x"), request.query.all("x"), request.path_params) == ("1", ["1", "2"], {"id": "7"})
    assert request.principal == Principal("ada")
    assert request.read().result() == request.read_raw().result() == "ü".encode()
    assert request.query_string == "x=1&x=2"
    assert request.text().result() == "ü"


def test_the_values_of_a_header_keep_their_order() -> None:
    request = Request(headers=[("X-Key", "1"), ("accept", "*/*"), ("x-key", "2")])
    assert (request.header_values("X-KEY"), request.header_values("x-ke")) == (["1", "2"], [])


def test_headers_ignore_case_and_keep_order() -> None:
    headers = Headers([("A", "1"), ("b", "2"), ("a", "3")])
    assert (headers.get("a"), headers.all("A"), headers.get("c", "-"), headers[1]) == ("1", ["1", "3"], "-", ("b", "2"))


def test_query_names_are_exact() -> None:
    assert Query([("A", "1")]).get("a") is None


@pytest.mark.parametrize(("offset", "length", "part"), [(0, None, b"0123456789"), (2, 3, b"234"), (8, 9, b"89"), (20, 5, b""), (0, 0, b"")])
def test_a_body_at_the_host_is_read_in_chunks(offset: int, length: int | None, part: bytes) -> None:
    doors = HostCalls(request_body=b"0123456789", chunk=4)
    request = Request.from_document({"method": "GET", "path": "/", "headers": [], "body": {"available": 10}})
    with entered(DirectContext(doors)):
        assert request.read(offset=offset, length=length).result() == part


def test_a_body_of_unknown_length_is_asked_for() -> None:
    request = Request.from_document({"method": "GET", "path": "/", "headers": [], "body": {"available": -1}})
    with entered(DirectContext(HostCalls(request_body=b"x"))):
        assert request.read().result() == b"x"


def test_a_body_that_came_along_asks_nobody() -> None:
    request = Request.from_document({"method": "GET", "path": "/", "headers": [], "body": {"base64": "AP8="}})
    assert asyncio.run(_await(request.read())) == b"\x00\xff"


async def _await(call: object) -> object:
    return await call  # type: ignore[misc]  # a HostCall of anything


@pytest.mark.parametrize("line", ["", "novalue", "a", ";;;", "a=1;=2; b"])
def test_odd_cookie_lines_are_survived(line: str) -> None:
    assert set(Request(headers={"cookie": line}).cookies) <= {"a", ""}


def test_a_form_is_pairs() -> None:
    assert Request(body="a=%C3%BC&b=+&a=2").form().result() == (("a", "ü"), ("b", " "), ("a", "2"))


ANSWER = Answer({"status": 200, "headers": [["server", "x"], ["content-type", "text/plain"]], "body": {"available": 4}})


def test_an_answer_is_replaced_in_parts() -> None:
    assert ANSWER.replace(status=404) == Response(404, ANSWER.headers, ANSWER.body)
    assert ANSWER.replace(body="ü").body == "ü".encode()
    assert ANSWER.with_headers({"Server": None, "x-a": "1"}).headers == (("content-type", "text/plain"), ("x-a", "1"))


def test_claims_are_those_of_the_document() -> None:
    assert Request.from_document({"method": "GET", "path": "/", "headers": [], "claims": {"scope": "read"}}).claims == {"scope": "read"}
    assert Request("GET", "/").claims == {}
