"""JSON of others keeps its numbers, and nothing that is sent is a surprise."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockforge_plugin import Headers, HttpAnswer, PluginError
from mockforge_plugin.engines.http.json_text import NUMBER, Fraction, plain, read_json, write_json

FRACTIONS = st.decimals(allow_nan=False, allow_infinity=False, places=3).map(lambda made: Fraction(str(made)))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | FRACTIONS,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def answer(body: bytes) -> HttpAnswer:
    return HttpAnswer(200, Headers([("content-type", "application/json")]), body)


@given(JSON)
def test_what_is_written_is_read_again_with_the_same_digits(value: Any) -> None:
    assert read_json(answer(write_json(value).encode())) == value


@given(st.binary(max_size=40) | st.text(alphabet='[]{}",:0123456789.eE+-truefalsn', max_size=20).map(str.encode))
def test_whatever_comes_is_read_or_bad_data(body: bytes) -> None:
    try:
        read_json(answer(body))
    except PluginError as error:
        assert error.code == "bad_data"


@given(st.from_regex(NUMBER, fullmatch=True).filter(lambda text: len(text) < 40))
def test_a_fraction_is_a_float_where_that_has_its_value_and_else_a_text(text: str) -> None:
    made = plain(Fraction(text))
    if isinstance(made, float):
        assert repr(made) and Decimal(repr(made)) == Decimal(text)
    else:
        assert made == text


@pytest.mark.parametrize(
    ("text", "made"), [("1.10", 1.1), ("0.00", 0.0), ("1e400", "1e400"), ("0.1234567890123456789", "0.1234567890123456789")]
)
def test_fractions(text: str, made: Any) -> None:
    assert plain(Fraction(text)) == made
