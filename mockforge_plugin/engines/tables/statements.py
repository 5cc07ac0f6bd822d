"""Queries of the contract → statements of SQLite: portable ones compiled, texts taken as they are; pages behind either.

A query with an order is paged by the values of its last row (keyset), so that rows that come and go meanwhile are neither skipped nor
repeated; a text without one by counting. Tables that have row ids are ordered by them last, so that no two rows are equal.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mockforge_plugin.engines.tables.catalogue import Catalogue, TableFacts
from mockforge_plugin.engines.tables.kinds import quoted
from mockforge_plugin.failure import PluginError
from mockforge_plugin.values import Json

LIMIT: Final = "mockforge_limit"


@dataclass(frozen=True, slots=True)
class Asked:
    """A query as a source is asked for it (docs/reference/data.md)."""

    query: Json
    params: Mapping[str, Json]
    types: Mapping[str, str]
    name: str = ""
    limit: int = 100_000
    cursor: str | None = None
    order: tuple[str, ...] = ()
    write: bool = False
    count: bool = False
    max_bytes: int = 64 << 20
    timeout_ms: int = 300_000


@dataclass(frozen=True, slots=True)
class Plan:
    """A statement: `head` up to its conditions, those conditions, and its order. `hidden` columns at the end are for cursors."""

    head: str
    conditions: tuple[str, ...]
    order: tuple[tuple[str, bool], ...]
    """Expressions to sort by, and whether from the highest."""
    order_names: tuple[str, ...]
    """The names of their columns in the result; of a portable query they are the last columns, hidden or not."""
    kinds: tuple[str | None, ...]
    hidden: int = 0
    names: tuple[tuple[str, str], ...] = ()
    """Parameters, and what the statement calls them."""
    is_text: bool = False

    def page(self, after: Sequence[Any] | None) -> str:
        """The statement for a page: the first, or the one behind a row with those values."""
        if self.is_text and not self.order:
            return self.head
        conditions = self.conditions if after is None else (*self.conditions, _behind(self.order, after))
        where = f" where {' and '.join(conditions)}" if conditions else ""
        by = ", ".join(f"{expression}{' desc' if falls else ''}" for expression, falls in self.order)
        return f"{self.head}{where}{f' order by {by}' if by else ''} limit :{LIMIT}"

    def counting(self) -> str:
        """The statement that counts the rows of all pages."""
        if self.is_text and not self.order:
            return f"select count(*) from (\n{self.head}\n)"
        where = f" where {' and '.join(self.conditions)}" if self.conditions else ""
        return f"select count(*) from ({self.head}{where})"


def compiled(asked: Asked, catalogue: Catalogue) -> Plan:
    """The plan of a query that reads. Raises PluginError where it does not fit the data."""
    if isinstance(asked.query, str):
        return _of_text(asked.query.rstrip().rstrip(";").rstrip(), asked.order, catalogue)
    if isinstance(asked.query, Mapping) and isinstance(table := asked.query.get("from"), str):
        return _portable(asked.query, table, asked, catalogue)
    raise PluginError("a query is a text in SQL, or names a table with `from`", code="bad_data")


def _of_text(text: str, order: Sequence[str], catalogue: Catalogue) -> Plan:
    kinds = catalogue.kinds(text)
    if not order:
        return Plan(text, (), (), (), kinds, is_text=True)
    names = tuple(name.removeprefix("-") for name in order)
    by = tuple((quoted(name), entry.startswith("-")) for name, entry in zip(names, order, strict=True))
    return Plan(f"select * from (\n{text}\n)", (), by, names, kinds, is_text=True)


def _portable(query: Mapping[str, Json], table: str, asked: Asked, catalogue: Catalogue) -> Plan:
    facts = _facts(table, catalogue)
    shown = [_column(facts, name) for name in query.get("columns") or facts.kinds]
    order = [(_column(facts, entry.removeprefix("-")), entry.startswith("-")) for entry in asked.order]
    kinds: list[str | None] = [facts.kinds[name] for name in (*shown, *(name for name, _ in order))]
    by = [(quoted(name), falls) for name, falls in order]
    if facts.has_rowid:
        by.append(("rowid", bool(by) and by[-1][1]))
        kinds.append("integer")
    conditions, names = list[str](), list[tuple[str, str]]()
    for name in query.get("where") or ():
        if name in asked.params:
            column = quoted(_column(facts, name))
            if asked.params[name] is None:
                conditions.append(f"{column} is null")
            else:
                names.append((name, f"where_{len(names)}"))
                conditions.append(f"{column} = :{names[-1][1]}")
    columns = ", ".join([*map(quoted, shown), *(expression for expression, _ in by)])
    head = f"select {columns} from {quoted(facts.name)}"
    return Plan(head, tuple(conditions), tuple(by), (), tuple(kinds), len(by), tuple(names))


@dataclass(frozen=True, slots=True)
class Change:
    """A statement that writes. `names` are what it calls its parameters, and their names; None: it calls them by their names."""

    sql: str
    names: Mapping[str, str] | None = None
    kinds: tuple[str | None, ...] = ()
    """The kinds of the columns that it returns, where they are known."""


def changes(asked: Asked, catalogue: Catalogue) -> list[Change]:
    """The statements of a query that writes. Raises PluginError where it does not fit the data."""
    query = asked.query
    if isinstance(query, str):
        return [Change(query)]
    if isinstance(query, list) and all(isinstance(text, str) for text in query):
        return [Change(text) for text in query]
    if isinstance(query, Mapping) and isinstance(table := query.get("from"), str):
        facts = _facts(table, catalogue)
        return [_insert(query, facts, asked) if "insert" in query else _change(query, facts, asked)]
    raise PluginError("a query that writes is a text in SQL, a list of them, or names a table with `from`", code="bad_data")


def _insert(query: Mapping[str, Json], facts: TableFacts, asked: Asked) -> Change:
    given = {_column(facts, column): name for column, name in query["insert"].items() if name in asked.params}
    marks = [f":set_{number}" for number in range(len(given))]
    values = f"({', '.join(map(quoted, given))}) values ({', '.join(marks)})" if given else "default values"
    shown = [_column(facts, name) for name in query.get("columns") or facts.kinds]
    sql = f"insert into {quoted(facts.name)} {values} returning {', '.join(map(quoted, shown))}"
    return Change(sql, {f"set_{number}": name for number, name in enumerate(given.values())}, tuple(facts.kinds[name] for name in shown))


def _change(query: Mapping[str, Json], facts: TableFacts, asked: Asked) -> Change:
    where = [(_column(facts, name), name) for name in query.get("where") or ()]
    if not where or any(name not in asked.params for _, name in where):
        raise PluginError("a change needs conditions, each with its value: never all rows", code="invalid_input")
    given = {_column(facts, column): name for column, name in (query.get("update") or {}).items() if name in asked.params}
    first = quoted(where[0][0])
    to = ", ".join(f"{quoted(column)} = :set_{number}" for number, column in enumerate(given)) or f"{first} = {first}"
    verb = f"delete from {quoted(facts.name)}" if query.get("delete") else f"update {quoted(facts.name)} set {to}"
    conditions = " and ".join(f"{quoted(column)} is :where_{number}" for number, (column, _) in enumerate(where))
    names = {f"set_{number}": name for number, name in enumerate(given.values())}
    return Change(f"{verb} where {conditions}", names | {f"where_{number}": name for number, (_, name) in enumerate(where)})


def _facts(table: str, catalogue: Catalogue) -> TableFacts:
    facts = catalogue.table(table)
    if facts is None:
        known = ", ".join(sorted(catalogue.tables))[:1000] or "none"
        raise PluginError(f"there is no table {table!r}; there are: {known}", code="bad_data")
    return facts


def _column(facts: TableFacts, name: str) -> str:
    if name in facts.kinds:
        return name
    found = [known for known in facts.kinds if known.casefold() == name.casefold()]
    if not found:
        raise PluginError(f"the table {facts.name!r} has no column {name!r}; it has {', '.join(facts.kinds)[:1000]}", code="bad_data")
    return found[0]


def _behind(order: Sequence[tuple[str, bool]], after: Sequence[Any]) -> str:
    """The condition that a row stands behind one with those values (`:after_0` …), where null is less than anything else."""
    alternatives, same = [], list[str]()
    for number, ((expression, falls), value) in enumerate(zip(order, after, strict=True)):
        mark = f":after_{number}"
        if falls:
            behind = None if value is None else f"({expression} < {mark} or {expression} is null)"
        else:
            behind = f"{expression} is not null" if value is None else f"{expression} > {mark}"
        if behind is not None:
            alternatives.append(" and ".join([*same, behind]))
        same.append(f"{expression} is null" if value is None else f"{expression} = {mark}")
    (first, falls), value = order[0], after[0]
    bound = "" if falls or value is None else f"{first} >= :after_0 and "  # an index finds it
    return f"({bound}({' or '.join(f'({each})' for each in alternatives) or '0'}))"


def cursor_of(values: Sequence[Any] | int) -> str:
    """What a page ended with: the values of its last row, or how many rows there were."""
    marked = values if isinstance(values, int) else [{"b": b64encode(v).decode()} if type(v) is bytes else v for v in values]
    return json.dumps(marked, separators=(",", ":"), ensure_ascii=False)


def read_cursor(cursor: str | None, plan: Plan) -> tuple[Sequence[Any] | None, int]:
    """(the values that a page comes behind, the rows to skip). Raises PluginError."""
    if cursor is None:
        return None, 0
    try:
        said = json.loads(cursor)
        if type(said) is int and said >= 0 and not plan.order:
            return None, said
        if type(said) is list and plan.order and len(said) == len(plan.order):
            return [b64decode(v["b"]) if type(v) is dict else v for v in said], 0
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    raise PluginError("this cursor is not of this query", code="invalid_input")
