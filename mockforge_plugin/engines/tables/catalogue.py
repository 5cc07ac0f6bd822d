"""What tables a database has, and of which types the columns of a query are."""

from __future__ import annotations

import re
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Final

from mockforge_plugin.engines.tables.connection import guard
from mockforge_plugin.engines.tables.kinds import KINDS, collate_decimals, declaration, quoted
from mockforge_plugin.tables import Column, Table

MAX_TABLES: Final = 1000
MAX_KNOWN: Final = 1000
"""The most queries whose columns are remembered."""
_DESCRIBING_S: Final = 0.005


class _Kind(str):
    """What a converter gives in place of a value: the kind of its column."""

    __slots__ = ()


for _word, _kind in KINDS.items():
    sqlite3.register_converter(_word, lambda _, kind=_kind: _Kind(kind))  # type: ignore[misc]  # a default, which is bound now


@dataclass(frozen=True, slots=True)
class TableFacts:
    """A table or view: its columns' kinds by name, in order, and its key."""

    name: str
    kinds: Mapping[str, str]
    required: frozenset[str]
    """Columns that are never null."""
    primary_key: tuple[str, ...]
    has_rowid: bool


class Catalogue:
    """The tables of one version of a database. Threads may share it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Reads the schema, through a connection that is not guarded. Raises sqlite3.Error."""
        self.tables = {facts.name: facts for facts in _tables(connection)}
        self._by_key = {name.casefold(): facts for name, facts in self.tables.items()}
        self._known: OrderedDict[str, tuple[str | None, ...]] = OrderedDict()
        self._mirror: sqlite3.Connection | None = None
        self._turn = threading.Lock()
        self._is_closed = False

    def table(self, name: str) -> TableFacts | None:
        """The table of that name; upper and lower case count as the same, as in SQLite."""
        return self._by_key.get(name.casefold())

    def kinds(self, sql: str) -> tuple[str | None, ...]:
        """The kinds of a query's columns; None for one that is computed. Empty where they cannot be told."""
        with self._turn:
            found = () if self._is_closed else self._known.get(sql)
            if found is None:
                found = self._known[sql] = self._described(sql)
                if len(self._known) > MAX_KNOWN:
                    self._known.popitem(last=False)
            return found

    def document(self) -> list[Table]:
        """The schema as plugins tell it."""
        return [
            Table(
                facts.name,
                tuple(Column(name, contract_type(kind), name not in facts.required) for name, kind in facts.kinds.items()),
                facts.primary_key,
            )
            for facts in self.tables.values()
        ]

    def close(self) -> None:
        """Forget it."""
        with self._turn:
            self._is_closed = True
            if self._mirror is not None:
                self._mirror.close()

    def _described(self, sql: str) -> tuple[str | None, ...]:
        """SQLite says of which declared types columns are only to converters, and only where there is a row.

        So the query runs over the same tables without rows, and one row of marks is added, on which the converters work.
        """
        mirror = self._mirror = self._mirror or self._mirrored()
        until_s, names = perf_counter() + _DESCRIBING_S, _AnyName()
        mirror.set_progress_handler(lambda: perf_counter() > until_s, 1000)
        try:
            columns = len(mirror.execute(f"select * from (\n{sql}\n) limit 0", names).description)
            marks = ", ".join(["'x'"] * columns)
            row = mirror.execute(f"select * from (\n{sql}\n) where 0 union all select {marks}", names).fetchone()
        except sqlite3.Error:
            return ()
        return tuple(str(cell) if type(cell) is _Kind else None for cell in row)

    def _mirrored(self) -> sqlite3.Connection:
        mirror = sqlite3.connect(":memory:", detect_types=sqlite3.PARSE_DECLTYPES, isolation_level=None, check_same_thread=False)
        mirror.create_collation("mockforge_decimal", collate_decimals)
        for facts in self.tables.values():
            columns = ", ".join(f"{quoted(name)} {declaration(kind)}" for name, kind in facts.kinds.items())
            mirror.execute(f"create table {quoted(facts.name)} ({columns})")
        guard(mirror, max_value_bytes=1 << 20, writes=False)
        return mirror


class _AnyName(dict[str, Any]):
    """A null for every parameter."""

    def __missing__(self, name: str) -> None:
        return None


def contract_type(kind: str | None) -> str:
    """The type of the data contract."""
    return "json" if kind == "any" else kind or "text"


def _tables(connection: sqlite3.Connection) -> Sequence[TableFacts]:
    found = connection.execute(
        "select name, type, sql from sqlite_master where type in ('table', 'view') and name not like 'sqlite\\_%' escape '\\'"
    )
    return [_facts(connection, name, kind == "table", sql or "") for name, kind, sql in found.fetchmany(MAX_TABLES)]


def _facts(connection: sqlite3.Connection, name: str, is_table: bool, sql: str) -> TableFacts:
    columns = [row for row in connection.execute(f"pragma table_xinfo({quoted(name)})") if row[6] != 1]
    key = tuple(row[1] for row in sorted((row for row in columns if row[5]), key=lambda row: row[5]))
    has_rowid = is_table and re.search(r"without\s+rowid", sql, re.IGNORECASE) is None and not sql.lower().startswith("create virtual")
    return TableFacts(name, {row[1]: kind_of(row[2]) for row in columns}, frozenset(row[1] for row in columns if row[3]), key, has_rowid)


_WORDS: Final = (
    ("BOOL", "boolean"),
    ("DATETIME", "datetime"),
    ("TIMESTAMP", "datetime"),
    ("DATE", "date"),
    ("TIME", "time"),
    ("JSON", "json"),
    ("UUID", "uuid"),
    ("DECIMAL", "decimal"),
    ("NUMERIC", "decimal"),
    ("INT", "integer"),
    ("CHAR", "text"),
    ("CLOB", "text"),
    ("TEXT", "text"),
    ("BLOB", "binary"),
    ("REAL", "float"),
    ("FLOA", "float"),
    ("DOUB", "float"),
)


def kind_of(declared: str) -> str:
    """The kind of a column of that declared type, in a database of anybody's. `any` for what is not known."""
    word = declared.split("(")[0].split(" ")[0]
    if (kind := KINDS.get(word)) is not None:
        return kind
    upper = declared.upper()
    return next((kind for part, kind in _WORDS if part in upper), "any")
