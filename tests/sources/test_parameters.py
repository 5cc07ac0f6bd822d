"""A parameter reaches its source in its declared type, or not at all."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockforge_asgi.errors import HostCallError
from mockforge_asgi.sources.parameters import typed_parameters

TYPES = ["text", "integer", "float", "boolean", "datetime", "binary", "json", "uuid"]


@pytest.mark.parametrize(
    ("kind", "given_value", "made"),
    [
        ("text", "a", "a"), ("text", 5, "5"), ("text", 1.5, "1.5"), ("text", None, None), ("integer", 5, 5), ("integer", "-5", -5),
        ("float", 5, 5.0),
        ("float", "1e3", 1000.0), ("float", ".5", 0.5), ("boolean", True, True), ("boolean", "false", False),
        ("datetime", "2026-01-02T03:04:05Z", "2026-01-02T03:04:05+00:00"), ("binary", "AAE=", "AAE="), ("json", {"a": [1]}, {"a": [1]}),
        ("uuid", "{12345678-1234-5678-1234-567812345678}", "12345678-1234-5678-1234-567812345678"),
    ],
)  # fmt: skip
def test_a_value_takes_its_type(kind: str, given_value: object, made: object) -> None:
    (value,) = typed_parameters("q", {"p": kind}, {"p": given_value}).values()
    assert value == made
    assert type(value) is type(made)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("text", True), ("text", ["a"]), ("text", {"$gt": ""}), ("text", "a\0b"), ("text", "x" * 70_000), ("text", "\ud800"),
        ("integer", "5; drop"),
        ("integer", 1.0), ("integer", True), ("integer", 2**63), ("integer", "9" * 30), ("integer", "٣"), ("float", "nan"), ("float",
        "inf"),
        ("float", float("nan")), ("float", "1e999"), ("float", False), ("boolean", 0), ("boolean", "yes"), ("datetime", "now"),
        ("datetime", 5),
        ("binary", "?"), ("uuid", "x"), ("uuid", 5),
    ],
)  # fmt: skip
def test_a_value_of_another_type_is_refused(kind: str, value: object) -> None:
    with pytest.raises(HostCallError, match=f"must be of type {kind}"):
        typed_parameters("q", {"p": kind}, {"p": value})


@pytest.mark.parametrize("given_values", [{}, {"a": 1}, {"a": 1, "b": 2, "c": 3}])
def test_parameters_are_just_those_of_the_query(given_values: dict[str, int]) -> None:
    with pytest.raises(HostCallError, match="its parameters are a, b"):
        typed_parameters("q", {"a": "integer", "b": "integer"}, given_values)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)


@given(st.sampled_from(TYPES), JSON)
def test_whatever_is_given_is_typed_or_refused(kind: str, value: Any) -> None:
    try:
        typed_parameters("q", {"p": kind}, {"p": value})
    except HostCallError as error:
        assert error.code == "invalid_input"
