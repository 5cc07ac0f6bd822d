"""What a plugin asks for is read strictly."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockforge_asgi.errors import HostCallError
from mockforge_asgi.security.egress.request import read_spec, read_url


@pytest.mark.parametrize(
    ("url", "canonical"),
    [
        ("http://example.com", "http://example.com/"), ("HTTPS://Example.com:443/a?b=c#d", "https://example.com/a?b=c"),
        ("http://example.com:8080", "http://example.com:8080/"), ("http://example.com:", "http://example.com/"),
        ("https://example.com:80/", "https://example.com:80/"), ("http://[::1]:81/x", "http://[::1]:81/x"), ("http://example.com?q",
        "http://example.com/?q"),
        ("http://example.com/é/%2F?é=1", "http://example.com/%C3%A9/%2F?%C3%A9=1"), ("http://example.com./", "http://example.com/"),
    ],
)  # fmt: skip
def test_a_url_is_written_canonically(url: str, canonical: str) -> None:
    assert read_url(url).url == canonical


@pytest.mark.parametrize(
    "url",
    ["", "/path", "example.com", "ftp://example.com/", "file:///etc/passwd", "gopher://x/", "http:example.com", "http:///x", "http://",
     "http://user@host/",
     "http://user:pw@host/", "http://host:99999/", "http://host:0/", "http://host:80a/", "http://a\r\nb/", "http://host/\r\nX: y",
     "http://host/\n",
     "http://host/ b", "http://host\\@evil/", "http://host/\x00", "http://host/\x85", "http://[::1", "http://::1/", "http://127.1/",
     "http://0x7f.1/",
     "http://2130706433/", "http://host/\ud800", "http://[fe80::1%25eth0]/", "http://ho st/", "http://" + "a" * 9000],
)  # fmt: skip
def test_an_odd_url_is_refused(url: str) -> None:
    with pytest.raises(HostCallError) as caught:
        read_url(url)
    assert caught.value.code == "invalid_input"


@pytest.mark.parametrize("method", ["", "get", "GET /", "G\r\nT", "CONNECT", "TRACE", "A" * 30, 5, None])
def test_an_odd_method_is_refused(method: object) -> None:
    with pytest.raises(HostCallError, match="method"):
        read_spec({"method": method, "url": "http://h/"}, max_body_bytes=10)


@pytest.mark.parametrize(
    "headers",
    [[["a", "b\r\nc: d"]], [["a\r\nb", "c"]], [["a", "b\0"]], [["a:", "b"]], [["", "b"]], [["a", "€"]], [["Host", "evil"]],
     [["Transfer-Encoding", "chunked"]],
     [["Connection", "x"]], [["proxy-authorization", "x"]], [["a"]], ["ab"], "ab", [["a", 1]], [["a", "b"]] * 65, [["a",
      "b" * 20_000]], 5],
)  # fmt: skip
def test_odd_headers_are_refused(headers: object) -> None:
    with pytest.raises(HostCallError, match="header"):
        read_spec({"method": "GET", "url": "http://h/", "headers": headers}, max_body_bytes=10)


@pytest.mark.parametrize(
    "body", [5, "text", {}, {"text": 5}, {"base64": "?"}, {"base64": "é"}, {"text": "a", "base64": "YQ=="}, {"text": "\ud800"}]
)
def test_an_odd_body_is_refused(body: object) -> None:
    with pytest.raises(HostCallError, match="body"):
        read_spec({"method": "POST", "url": "http://h/", "body": body}, max_body_bytes=10)


def test_a_body_over_its_limit_is_refused() -> None:
    with pytest.raises(HostCallError) as caught:
        read_spec({"method": "POST", "url": "http://h/", "body": {"text": "x" * 11}}, max_body_bytes=10)
    assert caught.value.code == "limit"


def test_a_whole_request_is_read() -> None:
    payload = {
        "method": "PUT",
        "url": "http://h/",
        "headers": {"X-A": " b "},
        "body": {"base64": "AAE="},
        "timeout_ms": 250,
        "follow_redirects": True,
    }
    spec = read_spec(payload, max_body_bytes=10)
    assert (spec.method, spec.headers, spec.body, spec.timeout_s, spec.follow_redirects) == ("PUT", (("x-a", "b"),), b"\0\1", 0.25, True)


def test_what_the_host_sets_itself_is_left_out_quietly() -> None:
    spec = read_spec({"url": "http://h/", "headers": [["Accept-Encoding", "br"], ["Content-Length", "9"]]}, max_body_bytes=10)
    assert spec.headers == ()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(("method", "url", "headers", "body", "timeout_ms", "follow_redirects"), JSON)))
def test_whatever_is_asked_gives_a_request_or_a_door_error(payload: dict[str, Any]) -> None:
    try:
        read_spec(payload, max_body_bytes=100)
    except HostCallError as error:
        assert error.code in ("invalid_input", "limit")


@given(st.text())
def test_a_url_that_is_accepted_has_no_white_space_or_user(url: str) -> None:
    try:
        target = read_url("http://" + url)
    except HostCallError:
        return
    assert target.url.isascii()
    assert not set(target.url) & set(" \r\n\t\\@") - set(target.path)
    assert read_url(target.url).url == target.url


@given(
    st.sampled_from(["", "/", "//", "http:", "http://", "http://[", "?", "#", "\\", "..", "@", "]:80"]).flatmap(
        lambda start: st.text(alphabet="a/:[]@?#.%\\ \r\n\u2100é1", max_size=12).map(lambda rest: start + rest)
    )
)
def test_wherever_a_server_redirects_to_is_a_place_or_a_door_error(location: str) -> None:
    try:
        target = read_url("http://good.example/a").join(location)
    except HostCallError:
        return
    assert target.scheme in ("http", "https") and target.host and "@" not in target.authority


def test_a_redirect_to_half_an_address_is_no_fault_of_ours() -> None:
    with pytest.raises(HostCallError, match="no URL"):
        read_url("http://good.example/a").join("http://[::1/")
