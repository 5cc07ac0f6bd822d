"""The fingerprint: what counts and what does not."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import pytest

from mockforge_asgi.http.fingerprint import fingerprint
from mockforge_asgi.http.snapshot import RequestSnapshot


def of(
    body: bytes = b"",
    *,
    method: str = "GET",
    path: str = "/a",
    query: bytes = b"",
    headers: Sequence[tuple[bytes, bytes]] = (),
    **more: Any,
) -> str:
    scope = {"type": "http", "method": method, "path": path, "query_string": query, "headers": headers}
    return fingerprint(RequestSnapshot(scope), body, **more)


def test_it_is_the_documented_canonical_form() -> None:
    body = hashlib.sha256(b"{}").hexdigest()
    text = f'["mockforge/1","POST","/é",[["a","1"],["b","2"]],[["accept","x"]],"{body}"]'
    made = of(b"{}", method="POST", path="/é", query=b"b=2&a=1", headers=[(b"Accept", b"x"), (b"host", b"h")])
    assert made == hashlib.sha256(text.encode()).hexdigest()


def test_a_slash_that_is_data_makes_another_path() -> None:
    scope = {"type": "http", "method": "GET", "path": "/a/b", "raw_path": b"/a%2Fb", "headers": []}
    assert fingerprint(RequestSnapshot(scope)) != of(path="/a/b") == fingerprint(RequestSnapshot({**scope, "raw_path": b"/a/b"}))


@pytest.mark.parametrize(
    "header",
    """Authorization Cookie Date Traceparent X-Request-Id User-Agent Host X-Forwarded-For Sec-Fetch-Mode If-None-Match Content-Length
    X-Api-Key CF-Ray""".split(),
)
def test_volatile_and_secret_headers_do_not_count(header: str) -> None:
    assert of(headers=[(header.encode(), b"1")]) == of()


@pytest.mark.parametrize("header", ["Accept", "Content-Type", "X-Tenant", "Range", "Prefer"])
def test_other_headers_count(header: str) -> None:
    assert of(headers=[(header.encode(), b"1")]) != of()


def test_what_carried_credentials_in_this_request_does_not_count() -> None:
    made = of(query=b"key=1&q=2", headers=[(b"x-token", b"t")], secret_headers={"x-token"}, secret_query={"key"})
    assert made == of(query=b"q=2")


def test_order_of_query_and_headers_does_not_count_but_repeats_do() -> None:
    assert of(query=b"a=1&b=2") == of(query=b"b=2&a=1") != of(query=b"a=1&a=1&b=2")
    assert of(headers=[(b"x-a", b"1"), (b"x-b", b"2")]) == of(headers=[(b"x-b", b"2"), (b"x-a", b"1")])


def test_method_path_and_body_count() -> None:
    assert len({of(), of(method="PUT"), of(path="/b"), of(b"x"), of(b"y")}) == 5
