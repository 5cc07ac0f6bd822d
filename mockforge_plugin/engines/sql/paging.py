"""Pages of reading statements: so many rows and one more, from where the page before ended.

With an order the page begins behind the last row's values (keyset), which neither skips nor repeats rows while others are inserted;
without one, or where a value of the order has no exact text, behind so many rows (offset). A cursor is JSON, which the host seals.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from mockforge_plugin.engines.sql.dialect import Dialect
from mockforge_plugin.engines.sql.statement import Parameter, Piece, Statement

_INEXACT: Final = frozenset({"float", "json", "binary", "boolean"})
"""Types of columns that no page can begin behind: they are not equal to what their text says, or have no order."""
_INNER: Final = "mockforge_rows"


@dataclass(frozen=True, slots=True)
class Page:
    """The pieces of a page's statement, and the parameters that were added, with their types.

    `tail` is another statement for a page that is not full yet: rows without a value in the first column of the order, which come last. In
    one statement with the others they would keep a server from using its index.
    """

    pieces: tuple[Piece, ...]
    added: Mapping[str, Any] = field(default_factory=dict)
    types: Mapping[str, str] = field(default_factory=dict)
    tail: tuple[Piece, ...] = ()


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page begins: behind these values of the order, each with its column's type, or behind so many rows."""

    values: tuple[tuple[str, str | int | None], ...] | None = None
    offset: int = 0

    @classmethod
    def read(cls, text: str) -> Cursor:
        """The cursor of its text. Raises ValueError."""
        found = json.loads(text)
        if isinstance(found, int) and found >= 0:
            return cls(None, found)
        pairs = tuple((str(kind), value) for kind, value in found) if isinstance(found, list) else ()
        if not pairs or not all(value is None or isinstance(value, str | int) for _, value in pairs):
            raise ValueError("no cursor")
        return cls(pairs)

    def __str__(self) -> str:
        return json.dumps(self.offset if self.values is None else list(self.values), ensure_ascii=False, separators=(",", ":"))


def page(statement: Statement, order: Sequence[str], cursor: Cursor, most: int, dialect: Dialect) -> Page:
    """The statement of one page: `most` rows and one more. One that is no SELECT or the like is left as it is."""
    if not statement.gives_rows:
        return Page(statement.pieces)
    added: dict[str, Any] = {}
    types: dict[str, str] = {}
    pieces = statement.pieces
    if order or statement.has_tail:
        pieces = ("select * from (", *pieces, f"\n) as {_INNER}")
    if not order:
        return Page((*pieces, *_limit(cursor, most, added, types)), added, types)
    columns = [(dialect.name_of(column.removeprefix("-")), column.startswith("-")) for column in order]
    end = (" order by ", ", ".join(f"{name} desc" if is_down else name for name, is_down in columns), *_limit(cursor, most, added, types))
    if cursor.values is None:
        return Page((*pieces, *end), added, types)
    condition, has_tail = _behind(columns, cursor.values, dialect.nulls_last, added, types)
    tail = (*pieces, f" where {columns[0][0]} is null", *end) if has_tail else ()
    return Page((*pieces, " where ", *condition, *end), added, types, tail)


def _limit(cursor: Cursor, most: int, added: dict[str, Any], types: dict[str, str]) -> tuple[Piece, ...]:
    if not cursor.offset:
        return (f"\nlimit {most + 1}",)
    added["\0offset"], types["\0offset"] = cursor.offset, "integer"
    return (f"\nlimit {most + 1} offset ", Parameter("\0offset"))


def counted(statement: Statement) -> tuple[Piece, ...]:
    """The statement that counts its rows."""
    return ("select count(*) from (", *statement.pieces, f"\n) as {_INNER}")


def following(order: Sequence[str], cursor: Cursor, columns: Sequence[tuple[str, str]], last: Sequence[Any], shown: int) -> Cursor:
    """Where the next page begins. `columns` are names and types, `last` the last row that was shown, one of `shown`."""
    at = {name: (position, kind) for position, (name, kind) in enumerate(columns)}
    values = []
    for column in order:
        position, kind = at.get(column.removeprefix("-"), (-1, "float"))
        value = last[position]
        if kind in _INEXACT or kind.endswith("[]"):
            return Cursor(None, cursor.offset + shown)
        values.append((kind, value if value is None or type(value) is int else str(value)))
    return Cursor(tuple(values)) if values and not cursor.offset else Cursor(None, cursor.offset + shown)


def _behind(
    columns: Sequence[tuple[str, bool]],
    values: Sequence[tuple[str, Any]],
    nulls_last: bool,
    added: dict[str, Any],
    types: dict[str, str],
) -> tuple[tuple[Piece, ...], bool]:
    """The condition of rows that come behind those values, and whether rows without a value in the first column come behind them, too.

    a >= x and (a > x or (a = x and (b > y or …))); NULLs stand where the dialect sorts them.
    """
    if len(values) != len(columns):
        raise ValueError("the cursor is one of another order")
    made: tuple[Piece, ...] = ()
    for position in reversed(range(len(columns))):
        (name, is_down), (kind, value) = columns[position], values[position]
        last, than = nulls_last is not is_down, "<" if is_down else ">"
        key = Parameter(f"\0key{position}")
        inner: tuple[Piece, ...] = ()
        if value is None:
            after: tuple[Piece, ...] = ("false",) if last else (f"{name} is not null",)
            inner = (" or (", f"{name} is null and ", *made, ")") if made else ()
        else:
            added[key.name], types[key.name] = value, kind
            after = (f"{name} {than} ", key, *((f" or {name} is null",) if last and position else ()))
            inner = (" or (", f"{name} = ", key, " and ", *made, ")") if made else ()
        made = ("(", *after, *inner, ")")
        if position == 0 and value is not None and len(columns) > 1:
            made = ("(", f"{name} {than}= ", key, " and ", *made, ")")
    return made, values[0][1] is not None and nulls_last is not columns[0][1]
