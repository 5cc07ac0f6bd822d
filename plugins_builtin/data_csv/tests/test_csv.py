"""CSV files of every make: the right rows, or an error that says where."""

from __future__ import annotations

import asyncio
import csv
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mockforge_plugin.engines.tables.sheets import BadFile
from plugins_builtin.data_csv.reader import read_csv, sniffed
from tests.support.tables import opened, table

HEADER = "a,b\n"


def written(folder: Path, data: str | bytes) -> Path:
    path = folder / "t.csv"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


@pytest.mark.parametrize(
    ("data", "rows"),
    [
        ("a,b\n1,x\n2,y\n", [[1, "x"], [2, "y"]]),
        ("a,b\r\n1,x\r\n", [[1, "x"]]),
        ("a,b\r1,x\r", [[1, "x"]]),
        (b"\xef\xbb\xbfa,b\n1,\xc3\xa4\n", [[1, "ä"]]),
        ("a,b\n1,ä\n".encode("utf-16"), [[1, "ä"]]),
        (b"\xfe\xff" + "a,b\n1,ä\n".encode("utf-16-be"), [[1, "ä"]]),
        ("a;b\n1;x,y\n", [[1, "x,y"]]),
        ("a\tb\n1\tx\n", [[1, "x"]]),
        ("a|b\n1|x\n", [[1, "x"]]),
        ('a,b\n1,"x\ny ""z"", w"\n', [[1, 'x\ny "z", w']]),
        ("a,b\n", []),
        ("a,b\n\n1,x\n\n", [[1, "x"]]),
        ("a,b\n1,x", [[1, "x"]]),
        ("a,b\n1," + "x" * 200_000 + "\n", [[1, "x" * 200_000]]),
        ("a,b\n,\n", [[ "", ""]]),
    ],
)  # fmt: skip
async def test_rows(data: str | bytes, rows: list[list[Any]], tmp_path: Path) -> None:
    with opened(read_csv, written(tmp_path, data)) as database:
        assert await table(database, "t") == ({"a": "integer" if rows and rows[0][0] else "text", "b": "text"}, rows)


@pytest.mark.parametrize(
    ("data", "config", "problem"),
    [
        ("", {}, "it is empty"),
        (HEADER + "1\n", {}, "line 2: it has 1 fields, and there are 2 columns"),
        (HEADER + "1,2\n1,2,3\n", {}, "line 3: it has 3 fields"),
        ("a,A\n1,2\n", {}, "the columns 'a' and 'A' have one name"),
        (HEADER + '1,"x\n2,y\n', {}, 'a field in quotation marks (") is never closed'),
        (HEADER + '1,"x"y\n', {}, "line 2: text stands behind the quotation mark"),
        (HEADER.encode() + b"1,x\n2,caf\xe9\n", {}, "line 3: byte 6 (0xe9) is not UTF-8; save the file as UTF-8, or say in which encoding"),
        (b"\xff\xfea\x00,\x00b", {}, "it has a byte order mark of UTF-16, and is no UTF-16"),
        (b"\xff\xfe\x00\x00a\x00\x00\x00", {}, "it is UTF-32"),
        (HEADER, {"encoding": "cp9999"}, "`encoding: cp9999` is not known"),
        (HEADER, {"encoding": "rot13"}, "`encoding: rot13` is not known"),
        (HEADER + "1,x\n2,\n", {"types": {"b": "integer"}}, "line 2, column 'b': 'x' is no integer of 64 bits"),
        (HEADER + "1,x\n", {"types": {"c": "integer"}}, "`types` names the column 'c', which is not there; there are a, b"),
        (HEADER + "1,x\n", {"index": ["c"]}, "`index` names the column 'c'"),
        (HEADER + "1,2\n", {"header": ["a", "b", "c"]}, "line 1: it has 2 fields, and there are 3 columns"),
        ("a\x00b,c\n1,2\n", {}, "cannot be the name of a column"),
    ],
)
async def test_errors_say_where(data: str | bytes, config: dict[str, Any], problem: str, tmp_path: Path) -> None:
    with pytest.raises(BadFile) as caught, opened(read_csv, written(tmp_path, data), config):
        pass
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("data", "config", "columns", "rows"),
    [
        ("1,x\n", {"header": ["n", "t"]}, {"n": "integer", "t": "text"}, [[1, "x"]]),
        ("1,x\n", {"header": False}, {"column_1": "integer", "column_2": "text"}, [[1, "x"]]),
        ("a,,b\n1,,2\n", {}, {"a": "integer", "column_2": "text", "b": "integer"}, [[1, "", 2]]),
        (b"a\ncaf\xe9\n", {"encoding": "cp1252"}, {"a": "text"}, [["café"]]),
        ("a;b\n1,50;x\n-2;y\n", {"decimal": ","}, {"a": "decimal", "b": "text"}, [["1.50", "x"], ["-2", "y"]]),
        ("a;b\n1.234,50;x\n", {"decimal": ",", "types": {"a": "decimal"}}, {"a": "decimal", "b": "text"}, [["1234.50", "x"]]),
        ("a,b\n1,NULL\n,\n", {"null": ["", "NULL"]}, {"a": "integer", "b": "text"}, [[1, None], [None, None]]),
        (
            "a,b\n1,TRUE\n0,no\n",
            {"types": {"a": "boolean", "b": "boolean"}},
            {"a": "boolean", "b": "boolean"},
            [[True, True], [False, False]],
        ),
        ("a,b\n00123,1e5\n12,12345678901234567890\n", {}, {"a": "text", "b": "text"}, [["00123", "1e5"], ["12", "12345678901234567890"]]),
        ('a\n"{""x"": [1, 2]}"\n', {"types": {"a": "json"}}, {"a": "json"}, [[{"x": [1, 2]}]]),
        ("a:b\n1:2\n", {"delimiter": ":"}, {"a": "integer", "b": "integer"}, [[1, 2]]),
        ("a,b\n,2024-01-31\n1.10,\n", {}, {"a": "decimal", "b": "date"}, [[None, "2024-01-31"], ["1.10", None]]),
    ],
)
async def test_options(data: str | bytes, config: dict[str, Any], columns: dict[str, str], rows: list[list[Any]], tmp_path: Path) -> None:
    with opened(read_csv, written(tmp_path, data), config) as database:
        assert await table(database, "t") == (columns, rows)


@pytest.mark.parametrize(
    ("sample", "delimiter"), [("a\n1\n", ","), ("a;b;c\n1;2,3;x\n", ";"), ("a,b\n1,2;3\n", ","), ("a;b\n1,5;2\n2,5;3\n", ";")]
)
def test_the_delimiter_is_the_one_that_gives_most_rows_one_width(sample: str, delimiter: str) -> None:
    assert sniffed(sample) == delimiter


CELLS = st.one_of(
    st.text(alphabet=st.characters(exclude_characters="\0\r", exclude_categories=["Cs"]), max_size=12),
    st.sampled_from(["00123", "1e5", "TRUE", "true", "-7", "3.50", "2026-01-31", "12345678901234567890", "", '"', ";", "\n", "1,5"]),
)


@given(st.lists(st.lists(CELLS, min_size=2, max_size=2), min_size=1, max_size=6), st.sampled_from(",;\t|"), st.sampled_from(["\n", "\r\n"]))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_a_writer_writes_is_read_as_it_was(tmp_path: Path, rows: list[list[str]], delimiter: str, ending: str) -> None:
    path = tmp_path / "t.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator=ending)
        writer.writerows([["a", "b"], *rows])
    with opened(read_csv, path, {"delimiter": delimiter}) as database:
        columns, found = asyncio.run(table(database, "t"))
    for given_row, row in zip(rows, found, strict=True):
        for cell, value, type in zip(given_row, row, columns.values(), strict=True):
            text = "" if value is None else str(value).lower() if type == "boolean" else str(value)
            assert text == cell
