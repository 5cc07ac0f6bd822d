"""Collections: what a resource stands on, whatever keeps its rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from mockforge_asgi.types import Json

Row: TypeAlias = Mapping[str, Json]
"""Values by field, in the JSON of docs/reference/data.md: decimals as text."""


MAX_NAME: Final = 128
"""The longest name of a field that nobody declared, in characters."""
_PATH: Final = frozenset(".\0")
"""What would make a name one of something within another field."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a collection's rows; `type` is one of `VALUE_TYPES`. One that is hidden may be asked for, and never sent."""

    name: str
    type: str = "json"
    is_nullable: bool = True
    is_hidden: bool = False


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields that rows have. `is_open`: any others, too, whose names are names and nothing else."""

    known: Mapping[str, Field]
    is_open: bool = False

    def get(self, name: str) -> Field | None:
        """The field of that name; None where there is none."""
        is_free = self.is_open and len(name) <= MAX_NAME and not name.startswith("$") and not _PATH.intersection(name)
        return self.known.get(name) or (Field(name) if is_free else None)


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of one page; `next` is the cursor of the one that follows, `total` how many rows all pages have, where that was asked for."""

    rows: Sequence[Row]
    next: str | None = None
    total: int | None = None


class Collection(Protocol):
    """Rows that are told apart by a key. `outer` are values that all rows in question have: of a list within another resource.

    Every method raises SourceFailed: `conflict` for a key that is there already, `invalid_input` for a value that the data refuse.
    """

    @property
    def name(self) -> str:
        """What messages call it."""
        ...

    @property
    def key(self) -> tuple[str, ...]:
        """The fields that together name one row."""
        ...

    @property
    def version(self) -> str | None:
        """The field that counts a row's changes, which clients do not set."""
        ...

    async def fields(self) -> Fields:
        """The fields there are now."""
        ...

    async def page(self, where: Row, *, limit: int | None, cursor: str | None, order: Sequence[str], count: bool) -> Page:
        """Rows whose fields have those values."""
        ...

    async def get(self, key: Row, outer: Row) -> Row | None:
        """The row of that key."""
        ...

    async def insert(self, values: Row) -> Row:
        """Make a row; fields that are not given have what the data give them. The row as it now is."""
        ...

    async def update(self, key: Row, outer: Row, changes: Row, seen: Row) -> bool:
        """Change fields of the row that was seen; False where it is there no longer, or is known to have changed."""
        ...

    async def delete(self, key: Row, outer: Row, seen: Row) -> bool:
        """Delete the row that was seen; False as with `update`."""
        ...
