"""Workbooks as spreadsheet programs write them; and archives that would unpack to too much."""

from __future__ import annotations

import zipfile
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from mockforge_plugin.engines.tables.sheets import BadFile
from plugins_builtin.data_excel.reader import read_excel
from tests.support.querying import asking
from tests.support.tables import opened, table


def written(folder: Path, sheets: dict[str, list[list[Any]]], name: str = "t.xlsx") -> Path:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    book.save(folder / name)
    return folder / name


async def test_cells_are_what_the_sheet_shows(tmp_path: Path) -> None:
    rows: list[list[Any]] = [
        ["id", "price", "on", "name", "born", "at", "clock", ""],
        [1, 1.25, True, "00123", date(2026, 1, 31), datetime(2026, 1, 31, 12, 30), time(9, 15), None],
        [None] * 8,
        [2, 3, False, None, None, None, None, None],
    ]
    with opened(read_excel, written(tmp_path, {"Data": rows, "Empty": []})) as database:
        columns, found = await table(database, "Data")
    assert columns == {
        "id": "integer", "price": "decimal", "on": "boolean", "name": "text", "born": "date", "at": "datetime", "clock": "time",
    }  # fmt: skip
    assert found == [
        [1, "1.25", True, "00123", "2026-01-31", "2026-01-31T12:30:00", "09:15:00"],
        [2, "3", False, None, None, None, None],
    ]


async def test_sheets_are_tables_and_one_may_be_named(tmp_path: Path) -> None:
    sheets: dict[str, list[list[Any]]] = {"Users": [["id"], [1]], "Sold goods": [["note"], [], ["sku", "n"], ["a", 2]]}
    path = written(tmp_path, sheets)
    with opened(read_excel, path, {}) as database:
        assert sorted(database.catalogue.tables) == ["Sold goods", "Users"]
    with opened(read_excel, path, {"sheet": "Sold goods", "table": "sold", "header_row": 3}) as database:
        assert await table(database, "sold") == ({"sku": "text", "n": "integer"}, [["a", 2]])


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({"sheet": "X"}, "it has no sheet 'X'; there are A, B"),
        ({"sheet": "B"}, "the sheet 'B' has no rows"),
        ({"header_row": 9}, "no sheet has rows"),
        ({"types": {"id": "date"}}, "line 2, column 'id': '1' is no date"),
        ({"max_unpacked_mb": 0}, "it unpacks to 0 MiB in"),
    ],
)
async def test_errors_say_where(config: dict[str, Any], problem: str, tmp_path: Path) -> None:
    with pytest.raises(BadFile) as caught, opened(read_excel, written(tmp_path, {"A": [["id"], [1]], "B": []}), config):
        pass
    assert problem in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"no workbook", b"PK\x03\x04" + b"x" * 100, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600])
async def test_what_is_no_workbook_is_told(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "t.xlsx").write_bytes(data)
    with pytest.raises(BadFile, match="it is no workbook that can be read"), opened(read_excel, tmp_path / "t.xlsx"):
        pass


MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def bomb(path: Path, *, megabytes: int, says: int | None = None) -> None:
    """A workbook whose sheet unpacks to so much; its directory may say less."""
    whole = written(path.parent, {"A": [["id"], [1]]}, "whole.xlsx")
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for part in old.namelist():
            if part != "xl/worksheets/sheet1.xml":
                new.writestr(part, old.read(part))
        with new.open("xl/worksheets/sheet1.xml", "w", force_zip64=False) as sheet:
            sheet.write(
                b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData><row r="1"><c t="str"><v>'
            )
            for _ in range(megabytes):
                sheet.write(b"a" * (1 << 20))
            sheet.write(b"</v></c></row></sheetData></worksheet>")
    if says is not None:
        data = path.read_bytes()
        with zipfile.ZipFile(path) as made:
            size = made.getinfo("xl/worksheets/sheet1.xml").file_size
        path.write_bytes(data.replace(size.to_bytes(4, "little"), says.to_bytes(4, "little")))


async def test_a_bomb_is_refused_by_its_directory(tmp_path: Path) -> None:
    bomb(tmp_path / "bomb.xlsx", megabytes=20)
    with pytest.raises(BadFile, match="it unpacks to 20 MiB"), opened(read_excel, tmp_path / "bomb.xlsx", {"max_unpacked_mb": 10}):
        pass


async def test_one_that_lies_is_refused_where_it_is_unpacked(tmp_path: Path) -> None:
    bomb(tmp_path / "bomb.xlsx", megabytes=20, says=1000)
    with pytest.raises(BadFile, match="larger than its declared"), opened(read_excel, tmp_path / "bomb.xlsx", {"max_unpacked_mb": 10}):
        pass


async def test_a_workbook_is_read_in_a_process_of_its_own(tmp_path: Path) -> None:
    config = {"file": str(written(tmp_path, {"A": [["id"], [1]]})), "cache_dir": str(tmp_path / "cache")}
    async with asking({"use": "excel", "config": config, "queries": {"all": {"from": "A"}}}) as source:
        assert await source.rows("all") == [{"id": 1}]
