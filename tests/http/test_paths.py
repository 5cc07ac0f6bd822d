"""The path check: where paths are protected, one reading, or several under one rule."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockforge_asgi.auth.rules import Protection
from mockforge_asgi.config.objects import ProtectRule
from mockforge_asgi.errors import RequestRejected
from mockforge_asgi.http.paths import route_path
from mockforge_asgi.routing.ambiguity import MAX_PATH, check_path
from tests.fuzz.targets.paths import PROTECTION as PROTECTED
from tests.fuzz.targets.paths import passes


def scope(path: str, raw: bytes | None = None, root: str = "") -> dict[str, Any]:
    return {"type": "http", "path": path, "raw_path": raw, "root_path": root}


def rule_for(path: str) -> str | None:
    return "hello" if path == "/hello" or path.startswith("/hello/") else None


@pytest.mark.parametrize(
    ("path", "root", "expected"),
    [
        ("/a/b", "", "/a/b"),
        ("/api/a", "/api", "/a"),
        ("/api", "/api", ""),
        ("/api/", "/api", "/"),
        ("/apixx", "/api", "/apixx"),
        ("/other", "/api", "/other"),
        ("//api/a", "/api", "//api/a"),
    ],
)
def test_the_route_path_leaves_the_root_path_out(path: str, root: str, expected: str) -> None:
    assert route_path(scope(path, root=root)) == expected


HOSTILE = [
    ("//hello/x", None),
    ("/hello//x", None),
    ("/./hello/x", None),
    ("/hello/.", None),
    ("/hello/./x", None),
    ("/public/../hello/x", None),
    ("/hello/../public", None),
    ("/hello/x/..", None),
    ("/../hello", None),
    ("/public\\..\\hello", None),
    ("\\hello", None),
    ("/hello\\x", None),
    ("hello/x", None),
    ("/hello\x00/x", None),
    ("/hel\x00lo/x", None),
    ("/\thello", None),
    ("http://127.0.0.1/hello/x", None),
    ("HTTPS://user@host:80/hello/x", None),
    ("http:///hello/x", None),
    (" http://h/hello", None),
    (" /hello", None),
    ("http:/hello", None),
    ("/hello#x", b"/hello#x"),
    ("/hello/a?x=1/../../b", b"/hello/a%3fx=1/../../b"),
    ("/%2fhello/x", None),
    ("/%68ello/x", None),
    ("/%2568ello/x", None),
    ("/%252568ello/x", None),
    ("/public/%2e%2e/hello/x", None),
    ("/public/%252e%252e/hello/x", None),
    ("/hello/a/b", b"/hello%2fa/b"),
    ("/hello/a\\b", b"/hello/a%5Cb"),
    ("/hello/..?x", b"/hello/%2e%2e%3fx"),
    ("/hello\x85", None),
    ("/hello?x", b"/hello%3Fx"),
    ("/public", b"/hello"),
    ("/public", b"/hel%6Co"),
    ("/public", b"/hello%2Fx"),
    ("/public", b"/hello%3Fx"),
    ("/public", b"/%2Fhello"),
    ("/public", b"/x/../hello?y=1"),
]


@pytest.mark.parametrize(("path", "raw"), HOSTILE)
@pytest.mark.parametrize("root", ["", "/mounted"])
def test_an_ambiguous_path_to_something_protected_is_refused(path: str, raw: bytes | None, root: str) -> None:
    whole = root + path if path.startswith("/") else path
    sent = scope(whole, raw, root)
    with pytest.raises(RequestRejected) as refused:
        check_path(sent, route_path(sent), rule_for)
    assert refused.value.status == 400


def test_a_double_slash_before_the_mount_does_not_lead_around_its_rules() -> None:
    sent = scope("//mounted/hello/x", root="/mounted")
    with pytest.raises(RequestRejected):
        check_path(sent, route_path(sent), rule_for)


@pytest.mark.parametrize(
    ("path", "raw"),
    [
        ("/hello/x", b"/hello/x"),
        ("/hello/Ada Lovelace", b"/hello/Ada%20Lovelace"),
        ("/hello/Zoë", b"/hello/Zo%C3%AB"),
        ("/hello/100%", b"/hello/100%25"),
        ("/hello/a;v=1", None),
        ("/hello/x/", None),
        ("/hello/.hidden", None),
        ("/hello/a..b", None),
        ("/hello", None),
        ("", None),
        ("/", None),
        ("/a/b", b"/a%2Fb"),
        ("/hello/a/b", b"/hello/a%2Fb"),
        ("/hello/a.b", b"/hello/a%2eb"),
        ("/hello/why?", b"/hello/why%3F"),
        ("/.well-known/x", None),
        ("/x", b"/v1/x"),
        ("/hello/x", b"/v1/x"),
        ("/hello/x", b"/v1/hello/x?y=//"),
        ("*", None),
    ],
)
def test_other_paths_pass(path: str, raw: bytes | None) -> None:
    check_path(scope(path, raw), path, rule_for)


@pytest.mark.parametrize(
    "path",
    [
        "//public",
        "/public//x",
        "/public/./x",
        "/public/../other",
        "/public\\x",
        "/public%2Fx",
        "/\x07",
        "http://127.0.0.1/public",
        "public",
    ],
)
def test_an_ambiguous_path_is_refused_wherever_it_leads(path: str) -> None:
    with pytest.raises(RequestRejected) as refused:
        check_path(scope(path), path, rule_for)
    assert refused.value.status == 400


@pytest.mark.parametrize("path", ["/" + "a" * MAX_PATH, "/" + "a/" * MAX_PATH, "/" + "%25" * MAX_PATH, "/" + "..%2f" * MAX_PATH])
def test_a_very_long_path_is_refused_before_it_is_compared_with_rules(path: str) -> None:
    with pytest.raises(RequestRejected) as refused:
        check_path(scope(path, path.encode()), path, lambda path: pytest.fail("compared"))
    assert refused.value.status == 414


DIVIDED = Protection([ProtectRule("/p/*", ("one",)), ProtectRule("/p/**", ("all",)), ProtectRule("/q/**", ("all",))])


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"/p/a%2Fb", False),
        (b"/p/a%2fb", False),
        (b"/p%2Fa", False),
        (b"/p%2Fa%2Fb", False),
        (b"/p/a%2Fb/c", True),
        (b"/q/a%2Fb", True),
        (b"/q/a%2Fb%3Fc%2Fd", True),
        (b"/p/a%2F%2e%2e", False),
        (b"/q/a%2F%2Fb", False),
        (b"/q/a%252Fb", False),
        (b"/other%2Fp", True),
        (b"/p%3Fx/y", False),
        (b"/q/x%3F", True),
    ],
)
@pytest.mark.parametrize("root", ["", "/mounted"])
def test_an_encoded_slash_is_refused_where_data_and_divider_are_protected_differently(raw: bytes, expected: bool, root: str) -> None:
    sent = root + unquote_to_bytes(raw).decode()
    assert passes(sent, raw, root, DIVIDED) is expected
    assert passes(sent, root.encode() + raw, root, DIVIDED) is expected


PARTS = st.sampled_from(
    [
        "/",
        "/",
        ".",
        "..",
        "\\",
        "hello",
        "a",
        "p",
        "q",
        "x",
        "secret",
        "%2f",
        "%2F",
        "%5C",
        "%2e",
        "%25",
        "%3F",
        "%23",
        "%00",
        "?",
        "#",
        "http:",
        "é",
        " ",
    ]
)
RAW = st.lists(PARTS, max_size=10).map(lambda parts: "/" + "".join(parts))


@given(RAW, RAW, st.sampled_from(["", "/hello", "/mounted"]), st.sampled_from([PROTECTED, DIVIDED]))
def test_whatever_passes_is_read_by_nobody_as_something_protected_otherwise(
    raw: str, other: str, root: str, protection: Protection
) -> None:
    sent = unquote(raw)
    passes(sent, raw.encode(), root, protection)
    passes(root + sent, raw.encode(), root, protection)
    passes(sent, None, root, protection)
    passes(sent, other.encode(), root, protection)
