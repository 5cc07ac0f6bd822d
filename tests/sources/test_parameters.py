"""A parameter reaches its source in its declared type, or not at all."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockforge_asgi.config import NamedQuery, QueryParameter
from mockforge_asgi.errors import HostCallError
from mockforge_asgi.sources.parameters import typed_parameters
from mockforge_plugin.tables import VALUE_TYPES


def typed(kinds: dict[str, str], values: dict[str, Any]) -> dict[str, Any]:
    """The values as parameters of a query."""
    return typed_parameters(NamedQuery("q", "select 1", {name: QueryParameter(kind) for name, kind in kinds.items()}), values)


@pytest.mark.parametrize(
    ("kind", "given_value", "made"),
    [
        ("text", "a", "a"), ("text", 5, "5"), ("text", 1.5, "1.5"), ("text", None, None), ("integer", 5, 5), ("integer", "-5", -5),
        ("float", 5, 5.0),
        ("float", "1e3", 1000.0), ("float", ".5", 0.5), ("boolean", True, True), ("boolean", "false", False),
        ("datetime", "2026-01-02T03:04:05Z", "2026-01-02T03:04:05+00:00"), ("binary", "AAE=", "AAE="), ("json", {"a": [1]}, {"a": [1]}),
        ("decimal", "1.10", "1.10"), ("decimal", 5, "5"), ("decimal", 1.5, "1.5"), ("decimal", "-0.00", "-0.00"),
        ("date", "2026-01-02", "2026-01-02"), ("time", "03:04:05.5", "03:04:05.5"), ("time", "23:59", "23:59"),
        ("interval", "P1DT2H", "P1DT2H"), ("interval", "-PT0.5S", "-PT0.5S"), ("interval", "P2W", "P2W"),
        ("objectid", "507F1F77BCF86CD799439011", "507f1f77bcf86cd799439011"),
        ("integer[]", ["1", 2, None], [1, 2, None]), ("text[]", [], []),
        ("uuid", "{12345678-1234-5678-1234-567812345678}", "12345678-1234-5678-1234-567812345678"),
    ],
)  # fmt: skip
def test_a_value_takes_its_type(kind: str, given_value: object, made: object) -> None:
    (value,) = typed({"p": kind}, {"p": given_value}).values()
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
        ("decimal", "1e5"), ("decimal", "NaN"), ("decimal", ""), ("decimal", True), ("decimal", "01"),
        ("date", "2026-02-30"), ("date", "now"),
        ("time", "25:00"), ("interval", "P"), ("interval", "PT"), ("interval", "1 day"), ("objectid", "x"), ("objectid", {"$oid": "1"}),
        ("integer[]", 1), ("integer[]", ["a"]), ("integer[]", [[1]]), ("text[]", [{"$gt": ""}]), ("text[]", ["a"] * 1001),
        ("binary", "?"), ("uuid", "x"), ("uuid", 5),
    ],
)  # fmt: skip
def test_a_value_of_another_type_is_refused(kind: str, value: object) -> None:
    with pytest.raises(HostCallError, match=re.escape(f"must be of type {kind.removesuffix('[]')}")):
        typed({"p": kind}, {"p": value})


@pytest.mark.parametrize("given_values", [{}, {"a": 1}, {"a": 1, "b": 2, "c": 3}])
def test_parameters_are_just_those_of_the_query(given_values: dict[str, int]) -> None:
    with pytest.raises(HostCallError, match="its parameters are a, b"):
        typed({"a": "integer", "b": "integer"}, given_values)


def test_what_may_be_left_out_has_its_default_or_is_null_and_of_a_portable_query_is_left_out() -> None:
    params = {"a": QueryParameter("integer", False, 5), "b": QueryParameter("text", False)}
    assert typed_parameters(NamedQuery("q", "select 1", params), {}) == {"a": 5, "b": None}
    assert typed_parameters(NamedQuery("q", {"from": "t", "where": ["a", "b"]}, params), {}) == {"a": 5}
    assert typed_parameters(NamedQuery("q", {"from": "t", "where": ["a", "b"]}, params), {"b": None}) == {"a": 5, "b": None}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)


@given(st.sampled_from(sorted(VALUE_TYPES)), JSON)
def test_whatever_is_given_is_typed_or_refused(kind: str, value: Any) -> None:
    try:
        typed({"p": kind}, {"p": value})
    except HostCallError as error:
        assert error.code == "invalid_input"
