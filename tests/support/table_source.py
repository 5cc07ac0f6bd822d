"""A data source of the tests that keeps the whole portable contract: tables of SQLite in memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, Final

from mockforge_plugin import Column, DataResult, DataSourcePlugin, Json, PluginError

ARTICLES: Final = """create table articles (id integer primary key autoincrement, name text not null unique, price decimaltext,
city text default 'Oslo')"""
_KINDS: Final = {"INTEGER": "integer", "TEXT": "text", "DECIMALTEXT": "decimal", "REAL": "float"}


class Tables(DataSourcePlugin):
    """Portable queries alone are answered."""

    tables: Sequence[str] = (ARTICLES,)
    """The statements that make them."""

    def init(self) -> None:
        """Make the tables."""
        self.db = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        for statement in self.tables:
            self.db.execute(statement)

    async def query(
        self,
        query: Json,
        params: Mapping[str, Json],
        *,
        limit: int = 1000,
        cursor: str | None = None,
        order: Sequence[str] = (),
        count: bool = False,
    ) -> DataResult:
        """Run it."""
        try:
            if "insert" in query:
                return self._insert(query, params)
            if "update" in query or "delete" in query:
                return self._change(query, params)
            return self._read(query, params, limit, int(cursor or 0), order, count)
        except sqlite3.IntegrityError as error:
            is_there = "UNIQUE" in str(error)
            raise PluginError("a constraint", code="conflict" if is_there else "invalid_input") from error
        except sqlite3.Error as error:
            raise PluginError("the query does not fit the table", code="bad_data") from error

    def _columns(self, query: Mapping[str, Any]) -> list[Column]:
        about = {row[1]: row for row in self.db.execute(f"pragma table_info({_quoted(query['from'])})")}
        if unknown := [name for name in query.get("columns", ()) if name not in about]:
            raise PluginError(f"there is no column {unknown[0]!r}", code="bad_data")
        return [Column(name, _KINDS[about[name][2].upper()], not about[name][3]) for name in query.get("columns", about)]

    def _read(
        self, query: Mapping[str, Any], params: Mapping[str, Json], limit: int, start: int, order: Sequence[str], count: bool
    ) -> DataResult:
        columns, where = self._columns(query), [name for name in query.get("where", ()) if name in params]
        values = [params[name] for name in where]
        rest = f"from {_quoted(query['from'])}{_conditions(where)}"
        total = self.db.execute(f"select count(*) {rest}", values).fetchone()[0] if count else None
        by = ", ".join(f"{_quoted(name.removeprefix('-'))} {'desc' if name.startswith('-') else 'asc'}" for name in order)
        text = f"select {_listed(columns)} {rest}{f' order by {by}' if by else ''} limit ? offset ?"
        rows = self.db.execute(text, [*values, limit + 1, start]).fetchall()
        is_more = len(rows) > limit
        return DataResult(tuple(columns), tuple(rows[:limit]), is_more, str(start + limit) if is_more else None, total)

    def _insert(self, query: Mapping[str, Any], params: Mapping[str, Json]) -> DataResult:
        given = {column: params[name] for column, name in query["insert"].items() if name in params}
        names, marks = ", ".join(map(_quoted, given)), ", ".join("?" * len(given))
        values = f"({names}) values ({marks})" if given else "default values"
        columns = self._columns(query)
        text = f"insert into {_quoted(query['from'])} {values} returning {_listed(columns)}"
        return DataResult(tuple(columns), tuple(self.db.execute(text, list(given.values())).fetchall()), affected=1)

    def _change(self, query: Mapping[str, Any], params: Mapping[str, Json]) -> DataResult:
        where = query.get("where") or ()
        if not where or any(name not in params for name in where):
            raise PluginError("a change needs conditions, each with its value", code="invalid_input")
        changes = {column: params[name] for column, name in query.get("update", {}).items() if name in params}
        to = ", ".join(f"{_quoted(column)} = ?" for column in changes) or f"{_quoted(where[0])} = {_quoted(where[0])}"
        verb = f"delete from {_quoted(query['from'])}" if query.get("delete") else f"update {_quoted(query['from'])} set {to}"
        values = [*changes.values(), *(params[name] for name in where)]
        return DataResult((), (), affected=self.db.execute(verb + _conditions(where), values).rowcount)


def _listed(columns: Sequence[Column]) -> str:
    return ", ".join(_quoted(column.name) for column in columns)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _conditions(where: Sequence[str]) -> str:
    return " where " + " and ".join(f"{_quoted(name)} is ?" for name in where) if where else ""
