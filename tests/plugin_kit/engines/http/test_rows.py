"""Whatever an answer holds, it becomes rows that fit their columns, or bad data."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mockforge_plugin import DataResult, PluginError
from mockforge_plugin.engines.http.json_text import Fraction
from mockforge_plugin.engines.http.rows import column_specs, documents, json_path, rows_at, table
from mockforge_plugin.operations.rows import data_document
from mockforge_plugin.tables import VALUE_TYPES

CELLS = st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from([Fraction("1.10"), Fraction("1e5"), Fraction("-0.0")])
VALUES = st.recursive(CELLS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=6)
MADE: dict[str, Any] = {"text": str, "decimal": str, "integer": (int, str), "boolean": bool}
ROWS = st.lists(st.dictionaries(st.sampled_from("abc"), VALUES), max_size=4) | st.lists(VALUES, max_size=4)


@given(ROWS)
def test_found_columns_hold_what_the_rows_hold(rows: list[Any]) -> None:
    try:
        columns, cells = table(rows)
    except PluginError as error:
        assert error.code == "bad_data"
        return
    found = data_document(DataResult(columns, tuple(cells)))
    assert len(found["rows"]) == len(rows)
    for column, cell in ((column, cell) for row in found["rows"] for column, cell in zip(found["columns"], row, strict=True)):
        if cell is not None and column["type"] != "json":
            assert isinstance(cell, MADE[column["type"]])


@given(ROWS, st.sampled_from(sorted(VALUE_TYPES)))
def test_declared_columns_hold_their_type_or_it_is_bad_data(rows: list[Any], kind: str) -> None:
    try:
        columns, cells = table(rows, column_specs({"a": kind, "b": {"path": "$.b.c", "type": kind}}))
    except PluginError as error:
        assert error.code == "bad_data"
        return
    data_document(DataResult(columns, tuple(cells)))


@given(ROWS)
def test_documents_are_objects_or_it_is_bad_data(rows: list[Any]) -> None:
    try:
        columns, made = documents(rows)
    except PluginError as error:
        assert error.code == "bad_data"
        return
    data_document(DataResult(columns, tuple(made), documents=True))
    assert [set(row) for row in made] == [set(row) for row in rows]


@given(VALUES)
def test_rows_are_found_wherever_they_stand_or_there_are_none(document: Any) -> None:
    for path in (None, json_path("$", "rows"), json_path("$.a[*]", "rows"), json_path("$..b", "rows")):
        assert isinstance(rows_at(path, document), list)
