"""The snapshot of a request's head."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest

from mockforge_asgi import MockForge
from mockforge_asgi.errors import RequestRejected
from mockforge_asgi.http.paths import ENCODED_SLASH
from mockforge_asgi.http.request_document import EVERYTHING, request_document
from mockforge_asgi.http.snapshot import MAX_FIELDS, RequestSnapshot
from mockforge_asgi.testing import Client


def snapshot(**over: Any) -> RequestSnapshot:
    return RequestSnapshot({"type": "http", "method": "GET", "path": "/", "headers": [], **over})


def test_the_path_is_below_the_root_path() -> None:
    assert snapshot(path="/api/a", root_path="/api").path == "/a"


def test_headers_are_lower_case_ordered_and_latin_1() -> None:
    shot = snapshot(headers=[(b"X-A", b"\xe9"), (b"x-b", b"1"), (b"X-A", b"2")])
    assert shot.headers == (("x-a", "é"), ("x-b", "1"), ("x-a", "2"))
    assert shot.header("x-a") == "é" and shot.header("x-c") is None and shot.header("x-c", "d") == "d"


def test_later_changes_to_the_scope_do_not_show() -> None:
    headers = [(b"a", b"1")]
    shot = snapshot(headers=headers)
    headers.append((b"b", b"2"))
    assert shot.headers == (("a", "1"),)


@pytest.mark.parametrize(
    ("query", "pairs"),
    [
        (b"", ()),
        (b"a=1&b=&a=2", (("a", "1"), ("b", ""), ("a", "2"))),
        (b"q=a+b%20c%26", (("q", "a b c&"),)),
        (b"flag", (("flag", ""),)),
        (b"x=%ff", (("x", "\ufffd"),)),
        (b"\xff=1", (("ÿ", "1"),)),
    ],
)
def test_query_pairs_keep_order_repeats_and_blanks(query: bytes, pairs: tuple[tuple[str, str], ...]) -> None:
    assert snapshot(query_string=query).query == pairs


@pytest.mark.parametrize(
    ("over", "host"),
    [
        ({"headers": [(b"host", b"a.test")]}, "a.test"),
        ({"server": ("127.0.0.1", 8000)}, "127.0.0.1:8000"),
        ({"server": ("/run/app.sock", None)}, ""),
        ({}, ""),
    ],
)
def test_the_host_is_the_header_or_the_servers_address(over: dict[str, Any], host: str) -> None:
    assert snapshot(**over).host == host


@pytest.mark.parametrize(
    ("over", "raw"),
    [
        ({"path": "/a b", "raw_path": b"/a%20b"}, "/a%20b"),
        ({"path": "/a b", "raw_path": b"/a%20b?q=1"}, "/a%20b"),
        ({"path": "/a é"}, "/a%20%C3%A9"),
        ({"path": "/a", "raw_path": None}, "/a"),
    ],
)
def test_the_raw_path_is_the_servers_or_made_again(over: dict[str, Any], raw: str) -> None:
    assert snapshot(**over).raw_path == raw


def test_the_client_is_an_address_without_its_port() -> None:
    assert snapshot(client=["10.0.0.1", "5000"]).client == "10.0.0.1"
    assert snapshot(client=None).client is None and snapshot().client is None


def test_a_path_with_lone_surrogates_can_still_be_written_as_json() -> None:
    shot = snapshot(path="/\udcff")
    assert orjson.dumps([shot.path, shot.raw_path])


def test_a_websocket_handshake_is_a_get() -> None:
    assert RequestSnapshot({"type": "websocket", "path": "/", "scheme": "ws", "headers": []}).method == "GET"


MANY: dict[str, dict[str, Any]] = {
    "fields of a query": {"query_string": b"&".join([b"a"] * (MAX_FIELDS + 1))},
    "empty fields of a query": {"query_string": b"&" * MAX_FIELDS},
    "headers": {"headers": [(b"a", b"b")] * (MAX_FIELDS + 1)},
    "cookies": {"headers": [(b"cookie", b"a;" * (MAX_FIELDS + 1))]},
}


@pytest.mark.parametrize("over", MANY.values(), ids=MANY)
def test_more_fields_than_are_read_are_refused_for_whoever_looks(over: dict[str, Any]) -> None:
    shot = snapshot(**over)
    with pytest.raises(RequestRejected, match="the most that are read is 1,000"):
        request_document(shot, replace(EVERYTHING, headers=frozenset({"a"})))
    with pytest.raises(RequestRejected, match="the most that are read is 1,000"):
        _ = shot.query, shot.headers, request_document(shot, replace(EVERYTHING, headers=frozenset()))


def test_as_many_fields_as_may_be_are_read() -> None:
    shot = snapshot(query_string=b"&".join([b"a=1"] * MAX_FIELDS), headers=[(b"a", b"b")] * MAX_FIELDS)
    assert len(shot.query) == len(shot.headers) == MAX_FIELDS


async def test_a_client_that_sends_too_many_fields_is_told_where_somebody_reads_them() -> None:
    routes = [
        {"match": {"path": "/q", "query": {"a": "1"}}, "response": {"text": "x"}},
        {"match": {"path": "/h", "headers": {"a": "1"}}, "response": {"text": "x"}},
        {"match": {"path": "/plain"}, "response": {"text": "plain"}},
    ]
    many = {"headers": [("a", "b")] * (MAX_FIELDS + 1)}
    async with Client(MockForge(config={"version": 1, "routes": routes})) as client:
        assert [(await client.get(path + "?" + "a&" * MAX_FIELDS)).status for path in ("/q", "/plain")] == [400, 200]
        assert [(await client.get(path, **many)).status for path in ("/h", "/plain")] == [431, 200]


@pytest.mark.parametrize(
    ("path", "raw", "root", "expected"),
    [
        ("/p/a/b/issues", b"/p/a%2Fb/issues", "", "/p/a~b/issues"),
        ("/p/a/b/issues", b"/p/a%2fb/issues?x=%2F", "", "/p/a~b/issues"),
        ("/m/p/a/b", b"/m/p/a%2Fb", "/m", "/p/a~b"),
        ("/m/p/a/b", b"/p/a%2Fb", "/m", "/p/a~b"),
        ("/p/é/b", b"/p/%C3%A9%2Fb", "", "/p/é~b"),
        ("/p/\ufffd/b", b"/p/%ff%2Fb", "", "/p/\ufffd~b"),
        ("/a/b", b"/a/b", "", "/a/b"),
        ("/a%2Fb", b"/a%252Fb", "", "/a%2Fb"),
        ("/a/b", None, "", "/a/b"),
        ("/a/b", b"/other%2Fpath", "", "/a/b"),
        ("/a/b", b"%2Fb", "", "/a/b"),
        ("", b"/m%2Fx", "/m", ""),
    ],
)
def test_an_encoded_slash_is_told_from_a_divider(path: str, raw: bytes | None, root: str, expected: str) -> None:
    shot = snapshot(path=path, raw_path=raw, root_path=root)
    assert shot.match_path == expected.replace("~", ENCODED_SLASH)
    assert ENCODED_SLASH not in shot.path and (shot.match_path is shot.path or ENCODED_SLASH in shot.match_path)
