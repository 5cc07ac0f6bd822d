"""Numbers keep their value in what is read, written and compared as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockforge_asgi.bounded_json import RESULT, BadJson, parse
from mockforge_asgi.exact_json import WrittenNumber, dumps, loads, same, written
from mockforge_asgi.types import Json

BIG = [2**63 - 1, 2**63, 2**64 - 1, 2**64, 2**64 + 1, -(2**63), -(2**63) - 1, 12345678901234567890123, 10**300 + 7, -(10**18)]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**40), 10**40) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)


@pytest.mark.parametrize("number", BIG)
@pytest.mark.parametrize("around", ["%d", "[%d]", '{"a":[1,{"b":%d}]}', '["0123456789012345678901",%d,1.5]'])
def test_whole_numbers_are_exact_both_ways(number: int, around: str) -> None:
    text = (around % number).encode()
    assert loads(text) == json.loads(text)
    assert dumps(loads(text)) == text
    assert parse(text, RESULT) == json.loads(text)


def test_many_large_numbers_are_not_taken_for_depth() -> None:
    text = b"[" + b",".join([b"[12345678901234567890123]"] * 200) + b"]"
    assert dumps(parse(text, RESULT)) == text
    for levels in (150, 900):
        with pytest.raises(BadJson, match="nested"):
            parse(b"[" * levels + b"12345678901234567890123" + b"]" * levels)


@given(VALUES)
def test_what_is_written_is_read_as_it_was(value: Json) -> None:
    assert same(loads(dumps(value)), value)


@pytest.mark.parametrize("text", [b"9" * 400, b"1e999", b"-1e999", b"NaN", b"[Infinity]", b"[1234567890123456789012,NaN]"])
def test_a_number_that_nobody_can_hold_is_refused_in_words(text: bytes) -> None:
    with pytest.raises(BadJson, match="not JSON: "):
        parse(text)


@pytest.mark.parametrize("value", [{1: 2**70}, [2**70, object()], "\ud800", [2**70, "\ud800"], {2**70: 1}])
def test_what_is_not_json_is_refused_beside_large_numbers_too(value: Json) -> None:
    with pytest.raises(TypeError):
        dumps(value)


def test_options_hold_for_large_numbers_too() -> None:
    def show(value: object) -> Json:
        return dict(value) if isinstance(value, Mapping) else str(value)

    assert dumps({"b": 2**70, "a": {1, 2} and 1j}, default=show, option=orjson.OPT_SORT_KEYS) == b'{"a":"1j","b":1180591620717411303424}'


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [
        (1, 1.0, True),
        ({"a": [1.0, {"b": -0.0}]}, {"a": [1, {"b": 0}]}, True),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        (2**70, float(2**70), True),
        (2**70, float(2**70 + 1), True),
        (2**70 + 1, float(2**70), False),
        (1, True, False),
        (0, False, False),
        ([1], [True], False),
        (None, False, False),
        (None, 0, False),
        ("1", 1, False),
        ([], {}, False),
        ([1], [1, 2], False),
        ({"a": 1}, {"a": 1, "b": None}, False),
        ({"a": None}, {"b": None}, False),
    ],
)
def test_numbers_are_equal_by_value_and_only_to_numbers(left: Json, right: Json, equal: bool) -> None:
    assert same(left, right) is same(right, left) is equal


@pytest.mark.parametrize(
    ("text", "value", "spelled"),
    [
        ("0.00", 0.0, "0.00"),
        ("10.50", 10.5, "10.50"),
        ("1e3", 1000.0, "1e3"),
        ("-1.5E-07", -1.5e-07, "-1.5E-07"),
        ("0.1234567890123456789", 0.1234567890123456789, "0.1234567890123456789"),
        ("0x1F", 31, "31"),
        ("+5", 5, "5"),
        (".5", 0.5, "0.5"),
        ("5.", 5.0, "5.0"),
        ("12345678901234567890123", 12345678901234567890123, "12345678901234567890123"),
    ],
)
def test_a_number_that_was_written_keeps_its_text_where_json_has_it(text: str, value: float, spelled: str) -> None:
    number = written(text, value)
    assert number == value
    assert dumps({"a": [number]}).decode() == f'{{"a":[{spelled}]}}'
    assert json.loads(dumps(number)) == value
    assert dumps([number, 2**70]).decode() == f"[{spelled},1180591620717411303424]"


@pytest.mark.parametrize(("text", "value"), [("5", 5), ("0.5", 0.5), ("-3", -3), ("1.0", 1.0)])
def test_a_number_that_is_written_as_json_writes_it_stays_plain(text: str, value: float) -> None:
    assert not isinstance(written(text, value), WrittenNumber)
