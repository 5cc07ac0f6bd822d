"""One query on one connection, from its parameters to its page of rows. It blocks; who runs it where is `database.py`'s affair."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from itertools import islice
from typing import Any, Final

from mockforge_plugin.engines.tables.catalogue import contract_type
from mockforge_plugin.engines.tables.connection import Guarded
from mockforge_plugin.engines.tables.statements import LIMIT, Asked, Change, Plan, cursor_of, read_cursor
from mockforge_plugin.engines.tables.values import bound, changes_of, column_types, typed_cells
from mockforge_plugin.failure import PluginError
from mockforge_plugin.tables import Column, DataResult

_CHUNK: Final = 500
_WRITES_ONLY: Final = "it would change data, or something that a query may not touch, and the query does not say `write: true`"
_TEXTS: Final = frozenset({str, bytes})
_QUOTED: Final = re.compile(r"['\"](.+)['\"]", re.DOTALL)


class Prepared:
    """A plan that is run again and again. `are_kinds_kept`: no column holds values of another kind than its own."""

    __slots__ = ("_changes", "_columns", "_typed", "first", "plan")

    def __init__(self, plan: Plan, *, are_kinds_kept: bool) -> None:
        self.plan, self.first = plan, plan.page(None)
        self._typed = are_kinds_kept and bool(plan.kinds) and not {None, "any"}.intersection(plan.kinds)
        self._columns: tuple[Column, ...] = ()
        self._changes = changes_of(plan.kinds[: len(plan.kinds) - plan.hidden])

    def result(self, names: Sequence[str], rows: Sequence[Sequence[Any]], following: str | None, total: int | None) -> DataResult:
        """Rows as the contract has them, without the hidden columns at their end."""
        kinds, hidden = self.plan.kinds, self.plan.hidden
        width = len(names) - hidden
        if hidden:
            rows = [row[:width] for row in rows]
        is_known = len(kinds) == len(names)
        rows = typed_cells(self._changes, rows) if is_known else rows
        columns = self._columns
        if not columns:
            kinds = kinds[:width] if is_known else (None,) * width
            is_fixed = self._typed and is_known
            types = list(map(contract_type, kinds)) if is_fixed else column_types(kinds, width, rows)
            columns = tuple(map(Column, names[:width], types))
            self._columns = columns if is_fixed else ()
        return DataResult(columns, tuple(rows), following is not None, following, total)  # type: ignore[arg-type]  # rows are tuples


def run(guarded: Guarded, prepared: Prepared, asked: Asked) -> DataResult:
    """The page. Raises PluginError, and sqlite3.Error for what `failed` tells."""
    plan, connection = prepared.plan, guarded.connection
    values = bound(asked.params, asked.types, numbers=plan.is_text)
    if plan.names:
        values = {called: values[name] for name, called in plan.names}
    total = connection.execute(plan.counting(), values).fetchone()[0] if asked.count else None
    sql, skipped = prepared.first, 0
    if plan.order or not plan.is_text:
        values[LIMIT] = asked.limit + 1
    if asked.cursor is not None:
        after, skipped = read_cursor(asked.cursor, plan)
        if after is not None:
            sql = plan.page(after)
            values |= {f"after_{number}": value for number, value in enumerate(after)}
    cursor = connection.execute(sql, values)
    if cursor.description is None:
        raise PluginError("the query gives no columns; a query that changes data says `write: true`", code="bad_data")
    if skipped:
        next(islice(cursor, skipped - 1, skipped), None)
    rows = fetched(cursor, asked.limit + 1, asked.max_bytes)
    following = _following(plan, cursor, rows, asked.limit, skipped)
    return prepared.result([each[0] for each in cursor.description], rows[: asked.limit], following, total)


def _following(plan: Plan, cursor: sqlite3.Cursor, rows: Sequence[Sequence[Any]], limit: int, skipped: int) -> str | None:
    """The cursor of the next page, if there is one."""
    if len(rows) <= limit:
        return None
    if not plan.order:
        return cursor_of(skipped + limit)
    last = rows[limit - 1]
    if plan.hidden:
        return cursor_of(last[len(last) - plan.hidden :])
    names = [each[0].casefold() for each in cursor.description]
    return cursor_of([last[names.index(name.casefold())] for name in plan.order_names])


def fetched(cursor: sqlite3.Cursor, most: int, max_bytes: int) -> list[Any]:
    """Rows, at most so many, and at most so many bytes of text in them. Raises PluginError."""
    rows: list[Any] = cursor.fetchmany(min(_CHUNK, most))
    if len(rows) < _CHUNK:
        return rows  # as nearly always
    size = _size(rows)
    while len(rows) < most and (chunk := cursor.fetchmany(min(_CHUNK, most - len(rows)))):
        rows += chunk
        size += _size(chunk)
        if size > max_bytes:
            raise PluginError(f"the rows have more than {max_bytes >> 20} MiB", code="limit")
    return rows


def _size(rows: Sequence[Sequence[Any]]) -> int:
    return sum([len(cell) for row in rows for cell in row if type(cell) in _TEXTS])


def write(guarded: Guarded, statements: Sequence[Change], asked: Asked) -> DataResult:
    """Run statements that change data, as one transaction: all of them, or none. Raises PluginError, sqlite3.Error."""
    connection = guarded.connection
    connection.execute("begin immediate")
    try:
        names, rows, affected, values = list[str](), list[Any](), 0, bound(asked.params, asked.types, numbers=False)
        for change in statements:
            given = values if change.names is None else {called: values[name] for called, name in change.names.items()}
            cursor = connection.execute(change.sql, given)
            names = [each[0] for each in cursor.description or ()]
            rows = fetched(cursor, asked.limit, asked.max_bytes) if names else []
            cursor.fetchall()
            affected += max(cursor.rowcount, 0)
        connection.execute("commit")
    except BaseException:
        guarded.until_s = float("inf")
        if connection.in_transaction:
            connection.execute("rollback")
        raise
    kinds = statements[-1].kinds if statements[-1].kinds else (None,) * len(names)
    rows = list(typed_cells(changes_of(kinds), rows))
    return DataResult(tuple(map(Column, names, column_types(kinds, len(names), rows))), tuple(rows), affected=affected)


def failed(error: Exception, asked: Asked) -> PluginError:
    """What is told of a query that SQLite refused: in its words, unless they hold a value."""
    text, name = str(error), getattr(error, "sqlite_errorname", None) or ""
    query = f"query {asked.name!r}" if asked.name else "the query"
    if is_long_pattern(error) or _tells_a_value(text, asked):
        return PluginError(f"{query}: a parameter's value is not one that it can be used with", code="invalid_input")
    if name.startswith("SQLITE_INTERRUPT"):
        return PluginError(f"{query} took longer than {asked.timeout_ms} ms", code="timeout")
    if name in ("SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY", "SQLITE_CONSTRAINT_ROWID"):
        return PluginError(f"{query}: {text}", code="conflict")
    if name.startswith(("SQLITE_CONSTRAINT", "SQLITE_MISMATCH")):
        return PluginError(f"{query}: {text}", code="invalid_input")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return PluginError(f"{query}: somebody else writes to the database", code="unavailable", retryable=True, details={"busy": True})
    if name.startswith("SQLITE_TOOBIG"):
        return PluginError(f"{query}: a value is larger than the source may give", code="limit")
    if name.startswith(("SQLITE_CANTOPEN", "SQLITE_IOERR", "SQLITE_NOMEM", "SQLITE_FULL")):
        return PluginError(f"{query}: {text}", code="unavailable", retryable=True)
    if name.startswith("SQLITE_AUTH"):
        return PluginError(f"{query}: {text}: {'not allowed in a query that writes' if asked.write else _WRITES_ONLY}", code="bad_data")
    return PluginError(f"{query}: {text}", code="bad_data")


def is_long_pattern(error: Exception) -> bool:
    """Whether a pattern of LIKE or GLOB is longer than it may be there."""
    return str(error) == "LIKE or GLOB pattern too complex"


def _tells_a_value(text: str, asked: Asked) -> bool:
    """Whether SQLite complains of a value: of an expression for full-text search, or of a path in JSON."""
    if text.startswith("fts5: "):
        return True
    written = str(asked.query)
    quoted = [piece for piece in (*_QUOTED.findall(text), text.rpartition(": ")[2]) if piece and piece not in written]
    return any(piece in value for value in asked.params.values() if type(value) is str for piece in quoted)
