"""What data sources give: rows in typed columns, or documents; and the tables that they have. Types are those of parameters, too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from mockforge_plugin.values import Json

TYPES: Final = (
    "text", "integer", "float", "boolean", "decimal", "date", "time", "datetime", "interval", "binary", "json", "uuid", "objectid",
)  # fmt: skip
"""The types of single values."""

LIST: Final = "[]"
"""What stands behind the type of a list's items: `integer[]`."""

VALUE_TYPES: Final = frozenset((*TYPES, *(f"{name}{LIST}" for name in TYPES if name != "json")))
"""Every type that a column or a parameter may have. A list of `json` is `json`."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a data result; `type` is one of `TYPES`, or `type[]` for lists."""

    name: str
    type: str = "text"
    nullable: bool = True


@dataclass(frozen=True, slots=True)
class DataResult:
    """Rows in the columns' order. `next` is a cursor for the following page; `truncated`: a limit cut it.

    With `documents` the rows are objects, in which a field may be missing; `columns` then give the types of those that are known.
    `total` counts the rows of all pages, `affected` those that a write changed; `waited_ms` is how long a connection was waited for.
    """

    columns: tuple[Column, ...]
    rows: tuple[tuple[Json, ...] | Mapping[str, Json], ...]
    truncated: bool = False
    next: str | None = None
    total: int | None = None
    affected: int | None = None
    documents: bool = False
    waited_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """One table (collection, file, ...) of a data source's schema."""

    name: str
    columns: tuple[Column, ...] = ()
    primary_keys: tuple[str, ...] = ()
