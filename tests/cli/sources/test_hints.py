"""What `mockforge source check` says of a file's columns."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from mockforge_asgi.cli.sources.asking import Page
from mockforge_asgi.cli.sources.hints import hints
from mockforge_asgi.exact_json import Json


def told(*values: Json, kind: str = "csv", **options: Json) -> list[str]:
    rows: list[dict[str, Json]] = [{"id": number, "c": value} for number, value in enumerate(values)]
    return [hint.partition(": ")[2] for hint in hints(kind, options, Page(("id", "c"), rows, False, None, 0.0))]


@pytest.mark.parametrize(
    ("values", "options", "words"),
    [
        (("1,50", "-3", "12,0"), {}, "--option decimal=, reads them as decimals"),
        (("1.234,90", "3,50"), {}, "numbers such as '1.234,90' stay text: export it without separators of thousands"),
        (("1.234,90", "3,50"), {"decimal": ","}, "numbers such as '1.234,90' stay text"),
        (("1,234.90", "3.50"), {}, "numbers such as '1,234.90' stay text"),
        (
            ("31.12.2026", "01.02.2026"),
            {},
            "dates such as '31.12.2026' stay text, for day and month could be meant either way",
        ),
        (("12/31/2026",), {}, "write 2026-12-31 for dates"),
        (("TRUE", "FALSE"), {}, "--option 'types={c: boolean}' makes it boolean"),
        (("yes", "no", None), {}, "makes it boolean"),
        ((*"123456789", "n/a"), {}, "9 of 10 values are numbers, and the others make it text: 'n/a'"),
    ],
)
def test_what_was_probably_meant_otherwise_is_told(values: tuple[Json, ...], options: Mapping[str, Json], words: str) -> None:
    found = told(*values, **options)
    assert len(found) == 1 and words in found[0], found


def test_numbers_beside_texts_in_a_spreadsheet_are_told() -> None:
    assert told("00017", 42, kind="excel") == ["numbers and texts in one column; --option 'types={c: text}' makes all of them text"]


@pytest.mark.parametrize(
    "values", [("Tea", "Cups"), ("true", "false"), ("00017", "00042"), ("2026-12-31",), (1, 2), (None, ""), ("a", "1"), ([1], {"a": 2})]
)
def test_what_is_read_as_it_stands_is_not_remarked_on(values: tuple[Json, ...]) -> None:
    assert told(*values) == []


def test_columns_whose_type_is_said_and_files_that_have_types_are_left_alone() -> None:
    assert told("31.12.2026", types={"c": "text"}) == [] and told("1,5", kind="json") == [] and told("1", "2", kind="sqlite") == []


def test_rows_without_anything_in_them_are_counted() -> None:
    rows: list[dict[str, Json]] = [{"a": 1, "b": "x"}, {"a": None, "b": ""}]
    assert list(hints("csv", {}, Page(("a", "b"), rows, False, None, 0.0))) == [
        "1 of 2 rows have nothing in them: delete them in the sheet"
    ]
