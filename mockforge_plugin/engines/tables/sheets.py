"""Sheets: the tables of a file as its reader gives them, and what can be wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

Row: TypeAlias = Sequence[Any] | Mapping[str, Any]

MAX_COLUMNS = 1000
MAX_NAME = 128


class BadFile(Exception):
    """The file cannot be read as it is. The message says what is wrong, where, and for whom to mend it."""

    def __init__(self, what: str, *, line: int | None = None, column: int | str | None = None) -> None:
        """`line` counts from 1; `column` is a column's name, or where in the line it is, from 1."""
        where = "" if line is None else f"line {line}"
        if column is not None:
            where = f"{where}, column {column!r}" if where else f"column {column!r}"
        super().__init__(f"{where}: {what}" if where else what)


@dataclass(frozen=True, slots=True)
class Sheet:
    """One table of a file.

    `rows` begins anew at each call; it is called twice, and must give the same both times. Rows are lists in the columns' order, or,
    where `columns` is None, objects whose keys are the columns. `is_text` says that cells are text whose types have yet to be found;
    others have types of Python: None, bool, int, Decimal, str, date, datetime, time, timedelta, and lists and dicts of them.
    """

    name: str
    rows: Callable[[], Iterator[Row]]
    columns: tuple[str, ...] | None = None
    is_text: bool = False
    where: Callable[[int], int | None] = lambda row: None
    """The line of the row of that number, which counts from 0, if the format has lines."""


Reader: TypeAlias = Callable[[Path, Mapping[str, Any]], Sequence[Sheet]]
"""Opens a file under the options of its source. Raises BadFile, at once or while rows are read."""


def checked_names(names: Sequence[str], what: str = "column") -> tuple[str, ...]:
    """The names of columns, if they can be names. Raises BadFile."""
    if len(names) > MAX_COLUMNS:
        raise BadFile(f"it has {len(names)} {what}s, and {MAX_COLUMNS} are the most")
    seen: dict[str, str] = {}
    for name in names:
        if not 0 < len(name) <= MAX_NAME or any(char < " " or char == "\x7f" for char in name):
            why = f"it must have 1 to {MAX_NAME} characters, and no control characters"
            raise BadFile(f"{name[:MAX_NAME]!r} cannot be the name of a {what}: {why}")
        if (other := seen.get(name.casefold())) is not None:
            raise BadFile(f"the {what}s {other!r} and {name!r} have one name (upper and lower case count as the same): rename one of them")
        seen[name.casefold()] = name
    return tuple(names)
