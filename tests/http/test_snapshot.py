"""The snapshot of a request's head."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from mockforge_asgi.http.snapshot import RequestSnapshot


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
