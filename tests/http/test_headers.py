"""Headers: forged ones refused, ours left out, restricted ones under grants."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockforge_asgi.http.headers import OURS, BadHeader, GuestHeaders, _known, is_restricted, wire_header, wire_headers, with_headers
from mockforge_asgi.types import Headers


def twice(headers: GuestHeaders, items: list[list[str]]) -> tuple[Headers, list[str]]:
    """What is read of them when their names are new, which is what is read when they are known."""
    first = headers.read(items)
    assert headers.read(items) == first
    return first


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x", "a\r\nset-cookie: b=1"),
        ("x", "a\nb"),
        ("x", "a\rb"),
        ("x", "a\0b"),
        ("x", "a\x7fb"),
        ("x\r\ny", "a"),
        ("x y", "a"),
        ("x:", "a"),
        ("", "a"),
        ("naïve", "a"),
        ("x", "snow ☃"),
        (b"x\n", b"a"),
    ],
)
def test_bytes_that_forge_headers_are_refused(name: str | bytes, value: str | bytes) -> None:
    with pytest.raises(BadHeader):
        wire_header(name, value)


def test_names_are_lowered_and_values_trimmed() -> None:
    assert wire_header("X-Thing", "  a\tb ") == (b"x-thing", b"a\tb")
    assert wire_header("x", "Zoë") == (b"x", b"Zo\xeb")


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("/caf\u00e9", b"/caf%C3%A9"),
        ("/\u65e5\u672c?q=\u8a9e#\U0001f600", b"/%E6%97%A5%E6%9C%AC?q=%E8%AA%9E#%F0%9F%98%80"),
        ("/caf%C3%A9/%2F%zz", b"/caf%C3%A9/%2F%zz"),
        ("/caf%C3%A9/\u00e9", b"/caf%C3%A9/%C3%A9"),
        ("https://a.example:8443/x;v=1?b=c&d=[1]#e!$'()*+,~", b"https://a.example:8443/x;v=1?b=c&d=[1]#e!$'()*+,~"),
        (" /a b ", b"/a%20b"),
        ('/<"{|}^`\\>', b"/%3C%22%7B%7C%7D%5E%60%5C%3E"),
        ("https://b\u00fccher.example/", b"https://b%C3%BCcher.example/"),
        ("", b""),
    ],
)
@pytest.mark.parametrize("name", ["Location", "content-location"])
def test_an_address_has_only_characters_of_a_uri(name: str, value: str, sent: bytes) -> None:
    assert wire_header(name, value) == (name.lower().encode(), sent)


@pytest.mark.parametrize("value", ["/a\r\nset-cookie: b=1", "/\u00e9\n", "/\ud800", "/a\x7f\u00e9"])
def test_an_address_that_forges_headers_is_refused(value: str) -> None:
    with pytest.raises(BadHeader):
        wire_header("location", value)


def test_an_address_that_comes_as_bytes_is_the_apps_own() -> None:
    assert wire_header(b"location", b"/caf\xe9 x") == (b"location", b"/caf\xe9 x")


def test_framing_and_hop_by_hop_headers_are_left_out() -> None:
    assert wire_headers([(name.decode().title(), "1") for name in OURS] + [("x", "1")]) == ((b"x", b"1"),)


@pytest.mark.parametrize(
    "name",
    ["Set-Cookie", "Strict-Transport-Security", "Access-Control-Allow-Origin", "Content-Security-Policy", "Clear-Site-Data",
     "Service-Worker-Allowed", "X-Accel-Redirect", "Alt-Svc",
     "X-LiteSpeed-Location", "X-Reproxy-URL", "X-Reproxy-File", "X-Sendfile2", "Accept-CH", "Use-As-Dictionary", "Set-Login",
     "Sec-Session-Registration",
     "Set-Cookie2",
     "X-Sendfile", "X-Sendfile-Temporary", "X-LIGHTTPD-send-file", "X-Litespeed-Purge", "X-Reproxy-Expected-Size", "X-Accel-Buffering",
     "X-Envoy-Immediate-Health-Check-Fail", "Critical-CH", "Accept-CH-Lifetime", "Expect-CT", "Public-Key-Pins-Report-Only",
     "Secure-Session-Registration", "Sec-Session-Challenge", "IdP-SignIn-Status", "Origin-Agent-Cluster", "Observe-Browsing-Topics",
     "Attribution-Reporting-Register-Source", "Shared-Storage-Write",
     "Speculation-Rules", "Supports-Loading-Mode", "Activate-Storage-Access",
     "NEL", "Report-To", "Reporting-Endpoints"],
)  # fmt: skip
def test_headers_that_act_on_the_whole_origin_need_a_grant(name: str) -> None:
    assert twice(GuestHeaders(), [[name, "v"], ["etag", '"1"']]) == (((b"etag", b'"1"'),), [name.lower()])
    assert twice(GuestHeaders(frozenset({name.lower()})), [[name, "v"]]) == (((name.lower().encode(), b"v"),), [])


@pytest.mark.parametrize(
    "name",
    ["Location", "Responder", "ETag", "Cache-Control", "WWW-Authenticate", "Retry-After", "X-Request-Id", "Server-Timing", "X-Set-Cookie",
     "X-Frame-Options", "Referrer-Policy", "Settings"],
)  # fmt: skip
def test_headers_of_the_answer_itself_need_none(name: str) -> None:
    assert twice(GuestHeaders(), [[name, "v"]]) == (((name.lower().encode(), b"v"),), [])


@pytest.mark.parametrize("value", ["a\r\nb", "a\x7f", "☃", "a\0"])
def test_a_name_that_is_known_lets_no_value_through(value: str) -> None:
    headers = GuestHeaders()
    assert headers.read([["X-A", " 1\t"], ["location", "/ä"]]) == (((b"x-a", b"1"), (b"location", b"/%C3%A4")), [])
    assert headers.read([["X-A", " 2 "], ["X-A", "é"], ["location", "/ö"]])[0] == (
        (b"x-a", b"2"),
        (b"x-a", b"\xe9"),
        (b"location", b"/%C3%B6"),
    )
    with pytest.raises(BadHeader):
        headers.read([["X-A", value]])


def test_what_is_known_of_names_is_bounded() -> None:
    headers = GuestHeaders()
    for n in range(3000):
        assert headers.read([[f"x-{n}", "1"], ["y" * (65 + n % 100), "1"]])[1] == []
        wire_headers([(b"x-%d" % n, b"1"), (b"Y" * (65 + n % 100), b"1")])
    assert len(headers._allowed) <= 1024 and len(_known) <= 1024
    assert max(map(len, [*headers._allowed, *_known])) <= 64


def test_set_headers_replace_their_namesakes_but_cookies_and_challenges_add_up() -> None:
    old = [(b"X-A", b"1"), (b"set-cookie", b"a=1"), (b"vary", b"accept")]
    new = ((b"x-a", b"2"), (b"set-cookie", b"b=2"), (b"vary", b"cookie"))
    assert with_headers(old, new) == [(b"set-cookie", b"a=1"), (b"vary", b"accept"), *new]


@given(st.lists(st.tuples(st.text(max_size=12), st.text(max_size=20)).map(list), max_size=6))
def test_whatever_a_guest_sets_is_refused_or_fit_for_the_wire(items: list[list[str]]) -> None:
    try:
        kept, _ = twice(GuestHeaders(), items)
    except BadHeader:
        return
    for name, value in kept:
        assert name and name == name.lower() and not set(name) & set(b" \t\r\n:\0")
        assert not set(value) & set(b"\r\n\0") and value == value.strip(b" \t")
        assert name not in OURS and not is_restricted(name)
