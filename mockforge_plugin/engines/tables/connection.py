"""Guarded connections: what a query may do in SQLite, how large its values may be, and when it is ended.

What is allowed is listed, the rest is refused (https://www.sqlite.org/security.html): a query reads, one that may write changes rows, and
neither attaches files, sets pragmas or changes the schema.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Final
from urllib.parse import quote

from mockforge_plugin.engines.tables.kinds import collate_decimals

_READING: Final = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE})
_WRITING: Final = _READING | {
    sqlite3.SQLITE_INSERT,
    sqlite3.SQLITE_UPDATE,
    sqlite3.SQLITE_DELETE,
    sqlite3.SQLITE_TRANSACTION,
    sqlite3.SQLITE_SAVEPOINT,
}
_NO_FUNCTIONS: Final = frozenset({"load_extension", "fts3_tokenizer", "edit", "readfile", "writefile"})
_OWN_PRAGMAS: Final = frozenset({"data_version"})
"""What SQLite's full-text search asks itself."""
_LIMITS: Final = (
    (sqlite3.SQLITE_LIMIT_SQL_LENGTH, 200_000),
    (sqlite3.SQLITE_LIMIT_EXPR_DEPTH, 500),
    (sqlite3.SQLITE_LIMIT_COMPOUND_SELECT, 200),
    (sqlite3.SQLITE_LIMIT_VDBE_OP, 250_000),
    (sqlite3.SQLITE_LIMIT_ATTACHED, 0),
    (sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1000),
    (sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 5000),
    (sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH, 20),
    (sqlite3.SQLITE_LIMIT_WORKER_THREADS, 0),
)
_STEPS: Final = 1000
"""So many of SQLite's instructions, some 20 µs of them, are between two looks at the clock."""


class Guarded:
    """One connection. It is used by one query at a time; `until_s` says when that one is ended, by its clock."""

    __slots__ = ("_clock", "connection", "until_s")

    def __init__(
        self,
        database: Path,
        *,
        writes: bool = False,
        is_immutable: bool = False,
        max_value_bytes: int = 64 << 20,
        busy_s: float = 0.0,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        """Raises sqlite3.Error. `is_immutable`: nobody changes the file, so that nothing is locked."""
        mode = "rw" if writes else "ro"
        uri = f"file:{quote(str(database))}?mode={mode}{'&immutable=1' if is_immutable else ''}"
        self.until_s, self._clock = float("inf"), clock
        self.connection = made = sqlite3.connect(
            uri, uri=True, timeout=busy_s, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        try:
            made.execute("pragma trusted_schema = off")
            made.execute(f"pragma query_only = {'off' if writes else 'on'}")
            made.execute("pragma foreign_keys = on")
            made.execute("pragma schema_version").fetchone()  # reads the file: whether it is a database
            guard(made, max_value_bytes=max_value_bytes, writes=writes)
        except BaseException:
            made.close()
            raise
        made.set_progress_handler(self._is_late, _STEPS)

    def _is_late(self) -> bool:
        return self._clock() > self.until_s

    def close(self) -> None:
        """Close it."""
        self.connection.close()


def guard(connection: sqlite3.Connection, *, max_value_bytes: int, writes: bool) -> None:
    """Refuse all that a query need not do; nothing undoes it on that connection but code of ours."""
    connection.create_collation("mockforge_decimal", collate_decimals)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, max_value_bytes)
    for limit, most in _LIMITS:
        connection.setlimit(limit, most)
    allowed = _WRITING if writes else _READING

    def authorize(action: int, first: str | None, second: str | None, database: str | None, trigger: str | None) -> int:
        if action in allowed:
            is_bad = action == sqlite3.SQLITE_FUNCTION and second is not None and second.lower() in _NO_FUNCTIONS
            return sqlite3.SQLITE_DENY if is_bad else sqlite3.SQLITE_OK
        is_own = action == sqlite3.SQLITE_PRAGMA and first in _OWN_PRAGMAS and second is None
        # Of virtual tables such as json_each, whose columns SQLite declares in that way. Without `pragma writable_schema` it refuses
        # statements that name this table.
        is_own |= action == sqlite3.SQLITE_UPDATE and first == "sqlite_master"
        return sqlite3.SQLITE_OK if is_own else sqlite3.SQLITE_DENY

    connection.set_authorizer(authorize)
