"""Answers are compared as JSON is."""

from __future__ import annotations

import base64

import pytest

from mockforge_asgi.contract import Json
from mockforge_asgi.plugins.testkit.diff import MAX_SHOWN, agrees, as_expected, difference_lines, pretty


def nested(depth: int) -> Json:
    value: Json = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("expected", "got", "is_same"),
    [
        ({"a": 1, "b": [None]}, {"b": [None], "a": 1}, True),
        ([1, 2], [2, 1], False),
        (True, 1, False),
        (1, 1.0, False),
        (None, False, False),
        ("é", "e\u0301", False),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({"body": {"json": {"a": 1}}}, {"body": {"text": '{ "a" : 1 }'}}, True),
        ({"body": {"json": {"a": 1}}}, {"body": {"base64": base64.b64encode(b'{"a":1}').decode()}}, True),
        ({"body": {"json": {"a": 1}}}, {"body": {"text": '{"a":2}'}}, False),
        ({"body": {"json": {"a": 1}}}, {"body": {"text": "{"}}, False),
        ({"body": {"json": {"a": 1}}}, {"body": {"text": "1", "base64": "MQ=="}}, False),
        ({"reply": {"response": {"body": {"json": [1]}}}}, {"reply": {"response": {"body": {"text": "[1]"}}}}, True),
        ({"json": 1}, {"json": 1}, True),
        ({"headers": {"X-A": "1"}}, {"headers": [["x-a", "1"]]}, True),
        ({"headers": {"x-a": "1"}}, {"headers": [["X-A", "1"], ["x-b", "2"]]}, False),
        ({"headers": {"x-a": ["1", "2"]}}, {"headers": [["x-a", "1"], ["x-a", "2"]]}, True),
        ({"headers": {"x-a": ["2", "1"]}}, {"headers": [["x-a", "1"], ["x-a", "2"]]}, False),
        ({"headers": {}}, {"headers": []}, True),
        ({"allow": {"set_headers": {"x": "1"}}}, {"allow": {"set_headers": [["x", "1"]]}}, True),
        ({"headers": {"x-a": "1"}}, {"headers": [["x-a"]]}, False),
        ({"headers": {"x-a": "1"}}, {"headers": "x-a: 1"}, False),
        ({"pairs": {"a": "1"}}, {"pairs": [["a", "1"]]}, False),
        ({"a": {"any": True}}, {"a": 1}, False),
        ({"a": {"regex": ".*"}}, {"a": "x"}, False),
    ],
)
def test_equal_as_json(expected: Json, got: Json, is_same: bool) -> None:
    assert agrees(expected, got) is is_same


ANY = {"any": True}


@pytest.mark.parametrize(
    ("expected", "got", "is_met"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, True),
        ({"a": {"b": 1}}, {"a": {"b": 1, "c": 2}, "d": 3}, True),
        ({"a": 1}, {"b": 1}, False),
        ({}, {"a": 1}, True),
        ({}, None, False),
        ([{"a": 1}], [{"a": 1, "b": 2}], True),
        ([{"a": 1}], [{"a": 1}, {"a": 2}], False),
        ([1, 2], [1], False),
        (ANY, None, True),
        ({"a": ANY}, {"a": [1, {"b": 2}]}, True),
        ({"a": ANY}, {}, False),
        ([1, ANY], [1, 2], True),
        ({"a": {"any": False}}, {"a": 1}, False),
        ({"a": {"any": True, "b": 1}}, {"a": 1}, False),
        ({"id": {"regex": "[0-9]+"}}, {"id": "12"}, True),
        ({"id": {"regex": "[0-9]+"}}, {"id": "12x"}, False),
        ({"id": {"regex": "[0-9]+"}}, {"id": 12}, False),
        ({"id": {"regex": 7}}, {"id": {"regex": 7}}, True),
        (
            {"headers": {"content-type": {"regex": "application/json.*"}}},
            {"headers": [["Content-Type", "application/json"], ["x", "1"]]},
            True,
        ),
        ({"headers": ANY}, {"headers": [["x", "1"]]}, True),
        ({"headers": [["x", "1"]]}, {"headers": [["x", "1"]]}, True),
        ({"body": {"json": {"id": ANY}}}, {"status": 200, "body": {"text": '{"id": 7, "more": [1]}'}}, True),
        ({"body": {"json": {"id": {"regex": "u.*"}}}}, {"body": {"text": '{"id": "x"}'}}, False),
        ({"body": {"json": {"id": ANY}}}, {"body": {"text": "{"}}, False),
        ({"body": {"json": ANY}}, {"body": {"base64": base64.b64encode(b"[1]").decode()}}, True),
        ({"body": {"text": {"regex": "(?s).*a.*"}}}, {"body": {"text": "b\na"}}, True),
    ],
)
def test_a_part_that_is_expected_must_be_there(expected: Json, got: Json, is_met: bool) -> None:
    assert agrees(expected, as_expected(expected, got, partial=True)) is is_met


def test_what_is_nested_too_deeply_to_be_written_agrees_with_nothing() -> None:
    deep = nested(300)
    assert pretty(deep) is None
    assert not agrees(deep, deep) and not agrees(1, deep)
    assert list(difference_lines(1, deep)) == ["(what came cannot be shown: it is nested too deeply)"]


def test_a_difference_is_shown_line_by_line_and_bounded() -> None:
    shown = list(difference_lines({"body": {"json": {"a": 1, "b": 2}}}, {"body": {"text": '{"b":3,"a":1}'}}))
    assert shown[:2] == ["--- expected", "+++ got"]
    assert '-      "b": 2' in shown and '+      "b": 3' in shown and not any('"text"' in line for line in shown)
    long = list(difference_lines(0, list(range(1000))))
    assert len(long) == MAX_SHOWN + 1 and long[-1].endswith(" lines more)")
