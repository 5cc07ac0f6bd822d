"""Portable queries, `{from, columns, where}`, as statements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mockforge_plugin.engines.sql.dialect import Dialect
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
