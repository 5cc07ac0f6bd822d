"""Portable queries, `{from, columns, where}` and those that change data, as statements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mockforge_plugin.engines.sql.dialect import Dialect
from mockforge_plugin.engines.sql.failures import refused
from mockforge_plugin.engines.sql.statement import Parameter, Piece, Statement


def portable(query: Mapping[str, Any], params: Mapping[str, Any], order: Sequence[str], dialect: Dialect) -> tuple[Statement, int]:
    """The statement, and how many of its columns are asked for: those of the order that are not come behind, to be left out again.

    A condition without a parameter does not restrict, one whose parameter is None is `is null`. Raises ValueError.
    """
    columns = [str(column) for column in query.get("columns") or ()]
    more = [name for column in order if columns and (name := column.removeprefix("-")) not in columns]
    listed = ", ".join(map(dialect.name_of, [*columns, *dict.fromkeys(more)])) or "*"
    pieces: list[Piece] = [f"select {listed} from {dialect.table_of(str(query['from']))}"]
    joint = " where "
    for column in query.get("where") or ():
        if column in params:
            name = dialect.name_of(column)
            pieces += [f"{joint}{name} is null"] if params[column] is None else [f"{joint}{name} = ", Parameter(column)]
            joint = " and "
    return Statement(tuple(pieces), "select", False, frozenset({"select"})), len(columns)


def change(query: Mapping[str, Any], params: Mapping[str, Any], name: str, dialect: Dialect) -> Statement:
    """The statement of a portable query that writes. Raises ValueError, and SqlError where a condition is missing."""
    table = dialect.table_of(str(query["from"]))
    if "insert" in query:
        return _insert(query, params, table, dialect)
    conditions = _conditions(query, params, name, dialect)
    if query.get("delete"):
        return _written("delete", [f"delete from {table}", *conditions])
    settings: list[Piece] = []
    for column, parameter in query["update"].items():
        at = dialect.name_of(column)
        settings += [f"{', ' if settings else ''}{at} = ", Parameter(parameter) if parameter in params else at]
    return _written("update", [f"update {table} set ", *settings, *conditions])


def _insert(query: Mapping[str, Any], params: Mapping[str, Any], table: str, dialect: Dialect) -> Statement:
    given = {column: parameter for column, parameter in query["insert"].items() if parameter in params}
    back = ", ".join(map(dialect.name_of, query.get("columns") or ())) or "*"
    if not given:
        return _written("insert", [f"insert into {table} {'() values ()' if dialect.is_mysql else 'default values'} returning {back}"])
    marks: list[Piece] = []
    for parameter in given.values():
        marks += [", " if marks else "", Parameter(parameter)]
    names = ", ".join(map(dialect.name_of, given))
    return _written("insert", [f"insert into {table} ({names}) values (", *marks, f") returning {back}"])


def _conditions(query: Mapping[str, Any], params: Mapping[str, Any], name: str, dialect: Dialect) -> list[Piece]:
    columns = query.get("where") or ()
    if missing := [column for column in columns if column not in params]:
        raise refused(f"query {name!r} changes data, and {missing[0]!r} of its `where` is not given")
    if not columns:
        raise refused(f"query {name!r} changes data without a `where`: it would change every row")
    pieces: list[Piece] = []
    for column in columns:
        at = f"{' and ' if pieces else ' where '}{dialect.name_of(column)}"
        pieces += [f"{at} is null"] if params[column] is None else [f"{at} = ", Parameter(column)]
    return pieces


def _written(verb: str, pieces: Sequence[Piece]) -> Statement:
    return Statement(tuple(pieces), verb, False, frozenset({verb}))
