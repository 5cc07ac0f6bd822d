"""Data results and schemas become documents, or an error that names the field."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from mockforge_plugin import Column, DataResult, Table
from mockforge_plugin.encoding import encode
from mockforge_plugin.failure import WrongAnswer
from mockforge_plugin.operations import rows as d
from mockforge_plugin.operations.cells import type_of


@pytest.mark.parametrize(
    ("write", "value", "words"),
    [
        (d.data_document, {"a": 1}, "DataResult or a list"),
        (d.data_document, [1], "list with a int"),
        (d.data_document, DataResult((Column("a", "varchar"),), ()), "type 'varchar'"),
        (d.data_document, DataResult(("a",), ()), "must be Column"),  # type: ignore[arg-type]
        (d.schema_document, "t", "list of Table"),
    ],
)
def test_a_wrong_answer_names_its_field(write: Any, value: object, words: str) -> None:
    with pytest.raises(WrongAnswer, match=words):
        write(value)


@pytest.mark.parametrize(
    ("cell", "json"),
    [
        (datetime(2024, 1, 2, tzinfo=UTC), "2024-01-02T00:00:00+00:00"),
        (date(2024, 1, 2), "2024-01-02"),
        (time(1, 2), "01:02:00"),
        (timedelta(1), "P1D"),
        (b"\x00", "AA=="),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Decimal("1.10"), "1.10"),
        ((1, 2), [1, 2]),
        ({2, 1}, [1, 2]),
        (None, None),
    ],
)
def test_cells_become_json(cell: object, json: object) -> None:
    assert d.data_document(DataResult((Column("a"),), ((cell,),)))["rows"] == [[json]]


def test_columns_of_dicts_are_typed_by_their_first_value() -> None:
    document = d.data_document([{"a": None, "b": True}, {"a": 1.5, "c": b""}])
    assert [(c["name"], c["type"]) for c in document["columns"]] == [("a", "float"), ("b", "boolean"), ("c", "binary")]
    assert document["rows"] == [[None, True, None], [1.5, None, ""]]


def test_columns_are_named_by_keys_of_any_kind() -> None:
    document = d.data_document([{1: "a"}, {None: 2}])
    assert [(c["name"], c["type"]) for c in document["columns"]] == [("1", "text"), ("None", "integer")]
    assert document["rows"] == [["a", None], [None, 2]]


def test_a_schema_is_its_tables() -> None:
    assert d.schema_document([Table("t", (Column("a"),), ("a",))]) == {
        "tables": [{"name": "t", "columns": [{"name": "a", "type": "text", "nullable": True}], "primary_keys": ["a"]}]
    }


@pytest.mark.parametrize(
    ("cells", "is_plain"),
    [
        (("x", 1, 1.5, True, None), True),
        ((float("inf"),), True),
        (([1],), False),
        (({"a": 1},), False),
        ((Decimal("1.10"),), True),
    ],
)
def test_plain_rows_need_not_be_written(cells: tuple[object, ...], is_plain: bool) -> None:
    columns = tuple(Column(str(n), type_of(cell)) for n, cell in enumerate(cells))
    document = d.data_document(DataResult(columns, (cells, cells)))
    assert d.is_plain(document) is is_plain
    assert json.loads(encode(document)) == document


def test_documents_are_not_plain_nor_are_numbers_that_are_none() -> None:
    assert not d.is_plain(d.data_document(DataResult((), ({"a": 1},), documents=True)))
    assert not d.is_plain({"columns": [{"name": "a"}], "rows": [[float("nan")]]})
