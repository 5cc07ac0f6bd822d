"""A workbook as rows: xlsx, xlsm, xlsb, xls and ods."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import python_calamine

from mockforge_plugin.engines.tables.sheets import BadFile, Sheet, checked_names

MAX_PARTS: Final = 10_000


def read_excel(path: Path, config: Mapping[str, Any]) -> Sequence[Sheet]:
    """A table for each sheet with rows. Raises BadFile, OSError."""
    _bound_parts(path, config.get("max_unpacked_mb", 256))
    try:
        with path.open("rb") as file:
            book = python_calamine.CalamineWorkbook.from_filelike(file)
    except (python_calamine.CalamineError, ValueError) as error:
        raise BadFile(f"it is no workbook that can be read: {str(error)[:200]}") from None
    names = list(book.sheet_names)
    if (said := config.get("sheet")) is not None and said not in names:
        raise BadFile(f"it has no sheet {said!r}; there are {', '.join(names)[:1000]}")
    sheets = [sheet for name in names if said in (None, name) and (sheet := _sheet(book, name, config)) is not None]
    if not sheets:
        raise BadFile("no sheet has rows" if said is None else f"the sheet {said!r} has no rows")
    return sheets


def _sheet(book: Any, name: str, config: Mapping[str, Any]) -> Sheet | None:
    try:
        rows = book.get_sheet_by_name(name).to_python(skip_empty_area=False)
    except (python_calamine.CalamineError, ValueError) as error:
        raise BadFile(f"the sheet {name!r} cannot be read: {str(error)[:200]}") from None
    above = config.get("header_row", 1)
    if len(rows) < above:
        return None
    header = [str(cell).strip() if cell != "" else "" for cell in rows[above - 1]]
    while header and not header[-1] and all(row[len(header) - 1] == "" for row in rows[above:]):
        header.pop()
    if not header:
        return None
    columns, width = checked_names([title or f"column_{number}" for number, title in enumerate(header, 1)]), len(header)
    kept = [at for at, row in enumerate(rows) if at >= above and any(cell != "" for cell in row[:width])]

    def read() -> Iterator[Sequence[Any]]:
        return ([_value(cell) for cell in rows[at][:width]] for at in kept)

    return Sheet(config.get("table", name) if "sheet" in config else name, read, columns, where=lambda row: kept[row] + 1)


def _value(cell: Any) -> Any:
    """A cell's value; numbers, which are all floats, as the number that is shown."""
    if cell == "":
        return None
    if type(cell) is float:
        return int(cell) if cell.is_integer() and abs(cell) < 2**53 else Decimal(repr(cell))
    return cell


def _bound_parts(path: Path, most_mb: int) -> None:
    """Raises BadFile for an archive that would unpack to more. The process that reads it is bounded as well: sizes can lie."""
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise BadFile(f"it is no workbook that can be read: {error}") from None
    size = sum(part.file_size for part in parts)
    if len(parts) > MAX_PARTS or size > most_mb << 20:
        raise BadFile(f"it unpacks to {size >> 20} MiB in {len(parts)} parts; the most is max_unpacked_mb: {most_mb}, {MAX_PARTS} parts")
