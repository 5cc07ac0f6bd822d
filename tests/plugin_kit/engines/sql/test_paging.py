"""Pages by keyset: whatever the values and the order, all rows come once, in order. Checked with SQLite, which sorts NULLs first."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockforge_plugin.engines.sql.dialect import Dialect
from mockforge_plugin.engines.sql.paging import Cursor, following, page
from mockforge_plugin.engines.sql.statement import parsed, rendered

SQLITE = Dialect("SQLite", '"', nulls_last=False)
NULLS = st.none() | st.integers(0, 2)


def run(database: sqlite3.Connection, pieces: Any, added: Any) -> list[Any]:
    """The rows of a statement."""
    return database.execute(rendered(pieces, lambda name: "null" if added[name] is None else str(added[name]))).fetchall()


def pages(rows: list[Any], order: list[str], most: int, ask: str = "select a, b, id from t") -> list[Any]:
    """All rows by pages, as the engine goes through them."""
    database = sqlite3.connect(":memory:")
    database.execute("create table t (a, b, id)")
    database.executemany("insert into t values (?, ?, ?)", rows)
    seen: list[Any] = []
    cursor, statement = Cursor(), parsed(ask, is_mysql=False)
    while True:
        made = page(statement, order, cursor, most, SQLITE)

        found = run(database, made.pieces, made.added)
        if made.tail and len(found) <= most:
            found += run(database, made.tail, made.added)
        seen += found[:most]
        if len(found) <= most:
            database.close()
            return seen
        cursor = Cursor.read(str(following(order, cursor, [(name, "integer") for name in "a b id".split()], found[most - 1], most)))


@given(
    st.lists(st.tuples(NULLS, NULLS), max_size=12),
    st.sampled_from(["a", "-a"]),
    st.sampled_from(["b", "-b"]),
    st.sampled_from(["id", "-id"]),
    st.integers(1, 5),
)
def test_all_rows_come_once_and_in_order(values: list[Any], a: str, b: str, last: str, most: int) -> None:
    rows = [(*pair, number) for number, pair in enumerate(values)]
    sorted_rows = sorted(rows, key=lambda r: r[2], reverse=last[0] == "-")
    for position, column in ((1, b), (0, a)):
        sorted_rows.sort(key=lambda r: (r[position] is not None, r[position]), reverse=column[0] == "-")
    assert pages(rows, [a, b, last], most) == sorted_rows


@pytest.mark.parametrize(("ask", "order"), [("select a, b, id from t order by id", []), ("select a, b, id from t order by id limit 7", [])])
def test_without_an_order_pages_begin_behind_so_many_rows(ask: str, order: list[str]) -> None:
    rows = [(0, 0, number) for number in range(10)]
    assert pages(rows, order, 3, ask) == rows[: 7 if "limit" in ask else 10]


@pytest.mark.parametrize("kind", ["float", "json", "binary", "boolean", "integer[]"])
def test_behind_a_value_without_an_exact_text_no_page_begins(kind: str) -> None:
    assert following(["a"], Cursor(), [("a", kind)], (1,), 5) == Cursor(None, 5)
    assert following(["b"], Cursor(None, 5), [("a", "integer")], (1,), 5) == Cursor(None, 10)


def test_a_first_column_with_values_can_be_found_by_its_index() -> None:
    made = page(parsed("select * from t", is_mysql=False), ["a", "b"], Cursor((("integer", 1), ("text", "x"))), 5, SQLITE)
    assert 'where ("a" >= ' in rendered(made.pieces, lambda name: "?") and "is null" not in rendered(made.pieces, lambda name: "?")


@pytest.mark.parametrize("text", ["", "-1", "{}", "[]", "[1]", "[[1]]", '[["integer", 1.5]]', '[["integer", []]]', "null", '"x"', "[["])
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises((ValueError, TypeError)):
        Cursor.read(text)
