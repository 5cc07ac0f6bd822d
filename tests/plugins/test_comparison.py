"""Answers are compared as JSON is."""

from __future__ import annotations

import base64

import pytest

from mockforge_asgi.contract import Json
from mockforge_asgi.plugins.comparison import MAX_SHOWN, agrees, difference_lines, pretty


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
    ],
)
def test_equal_as_json(expected: Json, got: Json, is_same: bool) -> None:
    assert agrees(expected, got) is is_same


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
