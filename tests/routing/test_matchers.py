"""Matchers of headers, query parameters and JSON bodies."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockforge_asgi.exact_json import written
from mockforge_asgi.http.json_body import JsonBody
from mockforge_asgi.routing.matchers import BodyMatcher, MatcherError, Test, field_matcher
from mockforge_asgi.types import Json
from tests.support.request_snapshots import Request

REQUEST = Request(
    headers=(("accept", "text/html"), ("accept", "application/json"), ("x-empty", "")), query=(("page", "2"), ("tag", "a"), ("tag", "b"))
)


@pytest.mark.parametrize(
    ("place", "name", "condition", "holds"),
    [
        ("header", "Accept", "application/json", True),
        ("header", "accept", "application", False),
        ("header", "accept", {"contains": "application"}, True),
        ("header", "accept", {"regex": "application/.*"}, True),
        ("header", "accept", {"regex": "application"}, False),
        ("header", "accept", {"contains": "html", "regex": ".*json"}, True),
        ("header", "accept", True, True),
        ("header", "accept", False, False),
        ("header", "x-none", False, True),
        ("header", "x-none", True, False),
        ("header", "x-empty", True, True),
        ("header", "x-empty", "", True),
        ("header", "x-none", {"absent": True}, True),
        ("header", "accept", {"present": True}, True),
        ("header", "x-none", {"present": False}, True),
        ("header", "accept", {"absent": False}, True),
        ("query", "page", 2, True),
        ("query", "page", "2", True),
        ("query", "Page", "2", False),
        ("query", "tag", {"equals": ["a", "b"]}, True),
        ("query", "tag", {"equals": ["a", "c"]}, False),
        ("query", "page", {"regex": "[0-9]+"}, True),
    ],
)
def test_a_field_matcher_holds(place: str, name: str, condition: Json, holds: bool) -> None:
    matcher = field_matcher(place, name, condition)
    assert matcher.holds(REQUEST, None) is holds
    assert bool(matcher.why_not(REQUEST, None))


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ({}, "mapping"),
        (None, "mapping"),
        ([], "mapping"),
        ({"like": "x"}, "not one of"),
        ({"regex": "("}, "missing"),
        ({"regex": "(a)\\1"}, "regular expression"),
        ({"regex": "(?:a{1000}){1000}"}, "regular expression"),
        ({"regex": "a" * 2000}, "longer"),
        ({"absent": True, "equals": "x"}, "absent"),
        ({"absent": True, "present": True}, "absent"),
    ],
)
def test_a_faulty_condition_is_refused_with_words(condition: Json, words: str) -> None:
    with pytest.raises(MatcherError, match=words):
        field_matcher("query", "q", condition)


def test_a_hostile_value_is_matched_in_linear_time() -> None:
    assert not Test.of("regex", "(a+)+$").holds("a" * 100_000 + "!")
    assert not Test.of("regex", ".*").holds("\udcff")


@pytest.mark.parametrize(
    ("path", "value", "body", "holds"),
    [
        ("user.id", 42, b'{"user": {"id": 42}}', True),
        ("$.user.id", 42, b'{"user": {"id": 42}}', True),
        ("user.id", "42", b'{"user": {"id": 42}}', False),
        ("user.id", True, b'{"user": {"id": 1}}', False),
        ("items[1].name", "b", b'{"items": [{"name": "a"}, {"name": "b"}]}', True),
        ("items[2].name", "b", b'{"items": []}', False),
        ("items.0", "b", b'{"items": ["b"]}', False),
        ("user", None, b'{"user": null}', True),
        ("user", None, b"{}", False),
        ("", {"b": 1, "a": 2}, b'{"a": 2, "b": 1}', True),
        ("user.id", 42, b"not json", False),
        ("user.id", 42, b"", False),
        ("user.id", 42, b'"text"', False),
    ],
)
def test_a_body_matcher_holds(path: str, value: Json, body: bytes, holds: bool) -> None:
    assert BodyMatcher.of(path, value).holds(REQUEST, JsonBody(body)) is holds


def test_a_faulty_body_path_is_refused() -> None:
    with pytest.raises(MatcherError, match="not like"):
        BodyMatcher.of("a[b", 1)


def test_the_reason_never_shows_the_value_sent() -> None:
    request = Request(headers=(("x-signature", "s3cret"),))
    assert field_matcher("header", "x-signature", "x").why_not(request, None) == "header 'x-signature' is there, but not equals 'x'"


@given(st.binary(max_size=200))
def test_any_body_is_answered_with_yes_or_no(body: bytes) -> None:
    assert BodyMatcher.of("a[0].b", 1).holds(REQUEST, JsonBody(body)) in (True, False)


@pytest.mark.parametrize("name", ["authorization", "cookie", "x-api-key"])
def test_the_words_do_not_show_which_credential_is_wanted(name: str) -> None:
    request = Request(headers=((name, "x"),))
    assert field_matcher("header", name, "Bearer s3cret").why_not(request, None) == f"header '{name}' is there, but not as wanted"


@pytest.mark.parametrize(
    ("wanted", "body", "holds"),
    [
        (1, b"1.0", True),
        (1.0, b"1", True),
        (100, b"1e2", True),
        ([1, {"a": 2.0}], b'[1.0,{"a":2}]', True),
        (12345678901234567890123, b"12345678901234567890123", True),
        (12345678901234567890123, b"12345678901234567890124", False),
        (2**64, b"18446744073709551616", True),
        (2**64, b"18446744073709551617", False),
        ({"n": 2**64 + 1}, b'{"n":18446744073709551617}', True),
        (0, b"-0.0", True),
        (1, b"true", False),
        (True, b"1", False),
        (0, b"false", False),
        (None, b"0", False),
        ("1", b"1", False),
        (written("0.00", 0.0), b"0", True),
    ],
)
def test_numbers_in_a_body_are_compared_by_value(wanted: Json, body: bytes, holds: bool) -> None:
    assert BodyMatcher.of("", wanted).holds(REQUEST, JsonBody(body)) is holds
    assert BodyMatcher.of("a[0]", wanted).holds(REQUEST, JsonBody(b'{"a":[' + body + b"]}")) is holds


def test_a_place_that_is_not_there_equals_nothing() -> None:
    nothing: list[Json] = [None, 0, "", [], {}, False]
    for wanted in nothing:
        assert not BodyMatcher.of("b", wanted).holds(REQUEST, JsonBody(b'{"a":1}'))
