"""Looks values up in an SQLite file without waiting: on the event loop, where a look-up takes less than handing it to a thread.

In WAL mode readers wait for nobody who writes. What cannot be told at once, for whatever reason, is left to the thread.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from mockforge_asgi.exact_json import Json
from mockforge_asgi.state.operations import Cell, Operation

MAX_BYTES: Final = 16 * 1024
"""Longer values are left to the thread: reading them takes its time."""
_FIND: Final = "SELECT CASE WHEN size <= ? THEN data END, expires_at FROM cell WHERE space = ? AND key = ?"


class SqliteReader:
    """A connection that only reads. Who uses it from several threads does so one at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._of = 0

    def read(self, generation: int, space: str, operation: Operation, now: float) -> Json:
        """The answer of an operation that writes nothing, or `NotImplemented`. `generation` counts how often the writer opened the file."""
        try:
            row = self._connected(generation).execute(_FIND, (MAX_BYTES, space, operation.key)).fetchone()
            if row is None or (row[1] is not None and row[1] <= now):
                return operation.step(None, now)[1]
            return NotImplemented if row[0] is None else operation.step(Cell(*row), now)[1]
        except (sqlite3.Error, TypeError, ValueError):  # the writer finds out what it is, and tells
            self.close()
            return NotImplemented

    def close(self) -> None:
        """Give back the file; the next look-up opens it anew."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _connected(self, generation: int) -> sqlite3.Connection:
        if self._connection is None or self._of != generation:
            self.close()
            connection = sqlite3.connect(self._path, isolation_level=None, timeout=0, check_same_thread=False)
            connection.execute("PRAGMA query_only = 1")
            self._connection, self._of = connection, generation
        return self._connection
