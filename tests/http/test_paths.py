"""The path check: one reading, or none that is protected."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockforge_asgi.errors import Refused
from mockforge_asgi.http.path_glob import PathGlob
from mockforge_asgi.http.paths import check_path, is_plain, normal_form, route_path


def scope(path: str, raw: bytes | None = None, root: str = "") -> dict[str, Any]:
    return {"type": "http", "path": path, "raw_path": raw, "root_path": root}


def is_protected(path: str) -> bool:
    return path == "/hello" or path.startswith("/hello/")


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
    ("/hello/a/b", b"/hello/a%2Fb"),
    ("/hello/a/b", b"/hello%2fa/b"),
    ("/hello/a.b", b"/hello/a%2eb"),
    ("/hello/a\\b", b"/hello/a%5Cb"),
    ("/hello/a", b"/hello/a%00"),
]


@pytest.mark.parametrize(("path", "raw"), HOSTILE)
@pytest.mark.parametrize("root", ["", "/mounted"])
def test_an_ambiguous_path_to_something_protected_is_refused(path: str, raw: bytes | None, root: str) -> None:
    whole = root + path if path.startswith("/") else path
    sent = scope(whole, raw, root)
    with pytest.raises(Refused) as refused:
        check_path(sent, route_path(sent), is_protected)
    assert refused.value.status == 400


def test_a_double_slash_before_the_mount_does_not_lead_around_its_rules() -> None:
    sent = scope("//mounted/hello/x", root="/mounted")
    with pytest.raises(Refused):
        check_path(sent, route_path(sent), is_protected)


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
        ("//public", None),
        ("/public/../other", None),
        ("/a/b", b"/a%2Fb"),
        ("http://127.0.0.1/public", None),
        ("*", None),
    ],
)
def test_other_paths_pass(path: str, raw: bytes | None) -> None:
    check_path(scope(path, raw), path, is_protected)


def test_a_path_that_never_settles_is_refused_wherever_it_leads() -> None:
    path = "%"
    for _ in range(12):
        path = path.replace("%", "%%32%35")
    with pytest.raises(Refused):
        check_path(scope("/" + path), "/" + path, is_protected)


@pytest.mark.parametrize("path", ["/" + "%25" * 20_000, "/" + "a/../" * 20_000, "/" * 60_000, "/" + "%" * 60_000, "/" + "..%2f" * 12_000])
def test_long_hostile_paths_have_a_form_or_none(path: str) -> None:
    form = normal_form(path)
    assert form is None or form.startswith("/")


PATHS = st.text(alphabet=st.sampled_from("/.\\%25ef0ahelo:\x00 é"), max_size=24)


@given(PATHS)
def test_the_normal_form_is_normal(path: str) -> None:
    form = normal_form(path)
    if form is not None and "%" not in form and "://" not in form:
        assert normal_form(form) == form
        assert "//" not in form and "\\" not in form and not {".", ".."} & set(form.split("/"))


@given(PATHS)
def test_a_plain_path_is_its_own_normal_form(path: str) -> None:
    if is_plain(path, None):
        assert normal_form(path) == path


@given(PATHS)
def test_whatever_passes_and_normalises_to_something_protected_is_protected_as_sent(path: str) -> None:
    try:
        check_path(scope(path), path, is_protected)
    except Refused:
        return
    form = normal_form(path)
    assert form is not None
    assert not is_protected(form) or is_protected(path)


STARRED = PathGlob("/a/*/secret").matches


@pytest.mark.parametrize(
    ("path", "reading"),
    [
        ("/x/../a/b\\c/secret", "dots resolved by somebody to whom a backslash is a character"),
        ("a/b\\c/secret", "a slash put before it"),
        ("/x/../a//secret", "dots resolved, slashes not merged"),
        ("/a%2f/secret", "decoded once more, slashes not merged"),
        ("/a/b/c%2fd/../secret", "dots resolved, not decoded once more"),
        ("\0h://host/a/b/secret", "an absolute form, after what no URL holds"),
        ("%70://host/a/b/secret", "an absolute form, once decoded"),
        ("//host/a/b/secret", "a host and its path"),
        ("//host\\a/b/secret", "a host and its path, by backslash"),
        ("//ho\\st/a/b/secret", "a host with a backslash in it, and its path"),
        ("http://host\\a/b/secret", "an absolute form whose host ends at a backslash"),
        ("http:\\\\host/a/b/secret", "an absolute form in backslashes"),
    ],
)
def test_every_reading_of_a_path_is_asked_about(path: str, reading: str) -> None:
    assert not STARRED(path)
    with pytest.raises(Refused):
        check_path(scope(path), path, STARRED)


def test_a_very_long_path_with_several_readings_is_refused_before_it_is_compared() -> None:
    with pytest.raises(Refused) as refused:
        check_path(scope("//a" * 2000), "//a" * 2000, lambda path: pytest.fail("compared"))
    assert refused.value.status == 414


@pytest.mark.parametrize("path", ["/a%2fx%252fb/secret", "/a%2fx%25252fb/secret", "/a%252fx%2525252fb/secret"])
def test_a_path_is_read_as_by_those_who_decode_it_once_and_those_who_decode_it_to_the_end(path: str) -> None:
    glob = PathGlob("/a/*/secret")
    assert not glob.matches(path) and not glob.matches(normal_form(path) or "")
    with pytest.raises(Refused):
        check_path(scope(path), path, glob.matches)
