"""Path patterns: what they match, what they capture, what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockforge_asgi.routing.pattern import PatternError, Value, parse

UUID = "0b0e4f2e-9f6b-4a55-8c7e-2f2f0e3a1b4c"


@pytest.mark.parametrize(
    ("pattern", "path", "params"),
    [
        ("/", "/", {}),
        ("/hello", "/hello", {}),
        ("/hello", "/hello/", None),
        ("/hello", "/Hello", None),
        ("/hello/{name}", "/hello/Ada", {"name": "Ada"}),
        ("/hello/{name}", "/hello/", None),
        ("/hello/{name}", "/hello/a/b", None),
        ("/a/{id:int}", "/a/42", {"id": 42}),
        ("/a/{id:int}", "/a/-7", {"id": -7}),
        ("/a/{id:int}", "/a/4٢", None),
        ("/a/{id:int}", "/a/" + "9" * 5000, None),
        ("/a/{x:float}", "/a/1.50", {"x": 1.5}),
        ("/a/{x:float}", "/a/nan", None),
        ("/a/{u:uuid}", f"/a/{UUID}", {"u": UUID}),
        ("/a/{u:uuid}", f"/a/{UUID[:-1]}", None),
        ("/a/*/c", "/a/b/c", {}),
        ("/a/*/c", "/a//c", None),
        ("/files/**", "/files", {}),
        ("/files/**", "/files/", {}),
        ("/files/**", "/files/a/b", {}),
        ("/files/**", "/filesystem", None),
        ("/files/{rest:path}", "/files", None),
        ("/files/{rest:path}", "/files/", {"rest": ""}),
        ("/files/{rest:path}", "/files/a/b", {"rest": "a/b"}),
        ("/a/**/z", "/a/z", {}),
        ("/a/**/z", "/a/b/c/z", {}),
        ("/a/**/z", "/a/b/c", None),
        ("/{name}.json", "/é.json", {"name": "é"}),
        ("/{name}.json", "/.json", None),
        ("/*.txt", "/.txt", {}),
        ("/v{major:int}.{minor:int}", "/v1.20", {"major": 1, "minor": 20}),
        ("/v{major:int}", "/vx", None),
        ("/a.b", "/aXb", None),
        ("/**", "no-slash", None),
    ],
)
def test_a_pattern_matches(pattern: str, path: str, params: dict[str, Value] | None) -> None:
    assert parse(pattern).match(path) == params


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("hello", "does not start with '/'"),
        ("/a?x=1", "query"),
        ("/{", "brace"),
        ("/{a", "brace"),
        ("/{1a}", "brace"),
        ("/x{a}}", "brace"),
        ("/{a:date}", "not one of"),
        ("/x-{a:date}", "not one of"),
        ("/x{a:path}", "stand alone"),
        ("/x**", "stand alone"),
        ("/**/a/**", "more than one"),
        ("/{a}/{a}", "twice"),
        ("/caf%C3%A9", "percent-encoded"),
        ("/" + "a" * 3000, "longer"),
    ],
)
def test_a_faulty_pattern_is_refused_with_words(pattern: str, words: str) -> None:
    with pytest.raises(PatternError, match=words):
        parse(pattern)


def test_a_lone_surrogate_in_a_path_matches_nothing_mixed() -> None:
    assert parse("/{name}.json").match("/\udce9.json") is None


def test_a_mixed_segment_is_matched_in_linear_time_whatever_the_text() -> None:
    assert parse("/{a}-{b}-{c}-{d}-{e}x").match("/" + "-" * 50_000) is None


@given(st.text(max_size=40))
def test_parsing_any_text_gives_a_pattern_or_words(text: str) -> None:
    try:
        pattern = parse(text)
    except PatternError as error:
        assert str(error)
    else:
        assert pattern.text == text
        if pattern.is_literal:
            assert pattern.match(text) == {}


def test_captured_names_may_differ_without_changing_the_shape() -> None:
    assert parse("/a/{x}/b{y:int}").shape == parse("/a/{id}/b{n:int}").shape
    assert parse("/a/{x}").shape != parse("/b/{x}").shape
    assert parse("/a/{x}").shape == parse("/a/*").shape
