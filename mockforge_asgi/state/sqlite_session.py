"""One SQLite connection and the statements that run inside a transaction: tables, cells, quotas, expiry."""

from __future__ import annotations

import sqlite3

from mockforge_asgi.errors import StateError
from mockforge_asgi.exact_json import Json
from mockforge_asgi.state.memory import quota_message
from mockforge_asgi.state.operations import Cell, Operation, key_size
from mockforge_asgi.state.store import Quota

_LAYOUT = 1
_PURGED_PER_WRITE = 4

_TABLES = """
CREATE TABLE IF NOT EXISTS cell (
  space TEXT NOT NULL, key TEXT NOT NULL, data BLOB NOT NULL, size INTEGER NOT NULL, expires_at REAL, PRIMARY KEY (space, key));
CREATE INDEX IF NOT EXISTS cell_end ON cell (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS used (space TEXT PRIMARY KEY, keys INTEGER NOT NULL, bytes INTEGER NOT NULL) WITHOUT ROWID;
"""


class SqliteSession:
    """A connection whose transaction somebody else begins and commits; `now` is the transaction's time."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection, self.now = connection, 0.0
        _check_owner(connection)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("BEGIN IMMEDIATE")
        for statement in _TABLES.split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {_LAYOUT}")
        connection.execute("COMMIT")

    def apply(self, space: str, quota: Quota, operation: Operation) -> Json:
        """Run one operation. Raises StateError and then has changed nothing that can be seen."""
        key = operation.key
        row = self.connection.execute("SELECT data, expires_at, size FROM cell WHERE space = ? AND key = ?", (space, key)).fetchone()
        cell = None if row is None or (row[1] is not None and row[1] <= self.now) else Cell(row[0], row[1])
        after, answer = operation.step(cell, self.now)
        if after is cell:
            return answer
        stored_size = None if row is None else row[2]
        if after is None:
            self._remove(space, key, stored_size)
        else:
            self._store(space, quota, key, stored_size, after)
        self._purge("expires_at <= ? LIMIT ?", (self.now, _PURGED_PER_WRITE))
        return answer

    def keys(self, space: str, prefix: str, limit: int) -> list[str]:
        """The live keys that start so."""
        found = self.connection.execute(
            "SELECT key FROM cell WHERE space = ? AND substr(key, 1, ?) = ? AND (expires_at IS NULL OR expires_at > ?)"
            " ORDER BY key LIMIT ?",
            (space, len(prefix), prefix, self.now, limit),
        )
        return [key for (key,) in found]

    def clear(self, space: str) -> int:
        """Remove a key space; gives how many live keys it had."""
        self._purge("space = ? AND expires_at <= ?", (space, self.now))
        count = self.connection.execute("DELETE FROM cell WHERE space = ?", (space,)).rowcount
        self.connection.execute("DELETE FROM used WHERE space = ?", (space,))
        return count

    def _store(self, space: str, quota: Quota, key: str, stored_size: int | None, cell: Cell) -> None:
        size = len(cell.data) + key_size(key)
        growth, keys = size - (stored_size or 0), 1 if stored_size is None else 0
        if not self._has_room(space, quota, keys, growth):
            self._purge("space = ? AND expires_at <= ? AND key <> ?", (space, self.now, key))
            if not self._has_room(space, quota, keys, growth):
                raise StateError(quota_message(space, quota), code="limit")
        self.connection.execute(
            "INSERT INTO cell (space, key, data, size, expires_at) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (space, key) DO UPDATE SET data = excluded.data, size = excluded.size, expires_at = excluded.expires_at",
            (space, key, cell.data, size, cell.expires_at),
        )
        if keys or growth:
            self._charge(space, keys, growth)

    def _has_room(self, space: str, quota: Quota, keys: int, growth: int) -> bool:
        row = self.connection.execute("SELECT keys, bytes FROM used WHERE space = ?", (space,)).fetchone() or (0, 0)
        return (not keys or row[0] + keys <= quota.max_keys) and (growth <= 0 or row[1] + growth <= quota.max_bytes)

    def _remove(self, space: str, key: str, stored_size: int | None) -> None:
        if stored_size is not None:
            self.connection.execute("DELETE FROM cell WHERE space = ? AND key = ?", (space, key))
            self._charge(space, -1, -stored_size)

    def _charge(self, space: str, keys: int, size: int) -> None:
        self.connection.execute(
            "INSERT INTO used (space, keys, bytes) VALUES (?, ?, ?)"
            " ON CONFLICT (space) DO UPDATE SET keys = keys + excluded.keys, bytes = bytes + excluded.bytes",
            (space, keys, size),
        )

    def _purge(self, where: str, values: tuple[object, ...]) -> None:
        """Remove cells that have ended; `where` is one of this module's own texts."""
        ended = self.connection.execute(f"SELECT space, key, size FROM cell WHERE {where}", values).fetchall()
        for space, key, size in ended:
            self._remove(space, key, size)


def _check_owner(connection: sqlite3.Connection) -> None:
    """Raises OSError for a database that is not ours, before anything in it is changed."""
    connection.execute("BEGIN")  # one look at both: another worker may be making the tables just now
    (layout,) = connection.execute("PRAGMA user_version").fetchone()
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    connection.execute("COMMIT")
    if (layout == 0 and tables) or (layout == _LAYOUT and not tables >= {"cell", "used"}):
        raise OSError("it is the database of something else; use a file of its own")
    if layout not in (0, _LAYOUT):
        raise OSError(f"it was made by another version (layout {layout}, this one is {_LAYOUT}); use another file")
