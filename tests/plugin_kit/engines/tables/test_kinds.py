"""A type is found only where every value, written again, is the text that it was read from."""

from __future__ import annotations

from decimal import Decimal
from functools import cmp_to_key
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockforge_plugin.engines.tables.kinds import TextColumn, TypedColumn, collate_decimals, read_as

EMPTY = frozenset({""})


def found(*cells: str, comma: bool = False) -> str:
    column = TextColumn(EMPTY, comma)
    for cell in cells:  # in several looks, as a file is read
        column.add([cell])
    return column.kind


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "-7", "0", "999999999999999999"], "integer"),
        (["1", ""], "integer"),
        (["00123"], "text"),
        (["1e5"], "text"),
        (["TRUE"], "text"),
        (["-0"], "decimal"),
        (["+1"], "text"),
        (["12345678901234567890"], "text"),
        (["1", "2.50"], "decimal"),
        (["1", "x"], "text"),
        (["1,5"], "text"),
        ([".5"], "text"),
        (["1."], "text"),
        (["true", "false", ""], "boolean"),
        (["true", "1"], "text"),
        (["2026-01-31"], "date"),
        (["2026-13-31"], "text"),
        (["2026-01-31T23:59:59Z", "2026-01-31 00:00:00.25+02:00"], "datetime"),
        (["", ""], "text"),
        ([], "text"),
        (["٣"], "text"),  # a digit, but not of ASCII
        (["1\n"], "text"),
    ],
)
def test_what_is_found_in_texts(cells: list[str], kind: str) -> None:
    assert found(*cells) == kind


@pytest.mark.parametrize(("cells", "kind"), [(["1,50", "2"], "decimal"), (["1.50"], "text"), (["1", "2"], "integer"), (["1,2,3"], "text")])
def test_decimal_commas(cells: list[str], kind: str) -> None:
    assert found(*cells, comma=True) == kind


@given(st.lists(st.text(alphabet="0123456789-+.eE ", max_size=20), min_size=1, max_size=5))
def test_integers_and_decimals_come_back_as_they_are(cells: list[str]) -> None:
    kind = found(*cells)
    for cell in cells:
        if kind == "integer" and cell:
            assert str(int(cell)) == cell
        if kind == "decimal" and cell:
            assert str(Decimal(cell)) == cell or Decimal(cell) == 0 or "E" in str(Decimal(cell))


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        ([1, None], "integer"),
        ([1, Decimal("1.5")], "decimal"),
        ([2**63], "decimal"),
        ([True], "boolean"),
        ([True, 1], "json"),
        ([1, "a"], "any"),
        (["a", Decimal("1.5")], "json"),
        ([{"a": 1}, None], "json"),
        ([None], "text"),
    ],
)
def test_what_is_found_in_values(cells: list[Any], kind: str) -> None:
    column = TypedColumn()
    column.add(cells)
    assert column.kind == kind


def test_decimals_are_compared_as_numbers() -> None:
    numbers = ["10", "9", "-1", "1.10", "1.1", "9007199254740993", "9007199254740992", "0.1", "x"]
    assert sorted(numbers, key=cmp_to_key(collate_decimals)) == [
        "-1", "0.1", "1.10", "1.1", "9", "10", "9007199254740992", "9007199254740993", "x",
    ]  # fmt: skip
    assert collate_decimals("1.10", "1.1") == 0


@pytest.mark.parametrize(
    ("kind", "cell", "value"),
    [
        ("boolean", "Yes", 1),
        ("boolean", "0", 0),
        ("integer", "007", 7),
        ("decimal", " 007.50 ", "7.50"),
        ("decimal", "+.5", None),
        ("decimal", "", ""),
        ("float", "1e3", 1000.0),
        ("text", "", ""),
        ("text", 5, "5"),
        ("uuid", "x", None),
        ("integer", "9223372036854775808", None),
        ("date", "31.01.2026", None),
        ("json", '{"a": 1', None),
    ],
)
def test_what_an_operator_says_is_made_or_refused(kind: str, cell: Any, value: Any) -> None:
    if value is None:
        with pytest.raises(ValueError, match="is no"):
            read_as(kind, cell, EMPTY)
    else:
        assert read_as(kind, cell, EMPTY) == (None if value == "" and kind != "text" else value)
