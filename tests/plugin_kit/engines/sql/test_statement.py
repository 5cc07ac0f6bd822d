"""Statements: one, with its parameters, and what is known of it."""

from __future__ import annotations

import pytest

from mockforge_plugin.engines.sql.statement import parsed, rendered


def test_a_statement_is_rendered_with_what_stands_for_its_parameters() -> None:
    statement = parsed("select :a::int, ':b', :a + :c -- ;\n ;", is_mysql=False)
    assert rendered(statement.pieces, lambda name: f"<{name}>") == "select <a>::int, ':b', <a> + <c> -- ;\n "
    assert statement.names == {"a", "c"}


@pytest.mark.parametrize("text", ["", " -- x", "/* x */", ";", "''"])
def test_an_empty_one_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is empty"):
        parsed(text, is_mysql=False)


@pytest.mark.parametrize("text", ["select 1; select 2", "select 1;;x", "select ';' ; /* a */ 2"])
def test_several_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="several statements"):
        parsed(text, is_mysql=False)
    assert parsed("select ';' -- ;", is_mysql=True).verb == "select"


@pytest.mark.parametrize(
    ("text", "verb", "gives_rows", "is_read", "has_tail"),
    [
        ("SELECT 1", "select", True, True, False),
        ("(select 1 limit 1) union select 2", "select", True, True, False),
        ("select 1 limit 1", "select", True, True, True),
        ("select substring(a for 3) from t", "select", True, True, False),
        ("select 1 for update", "select", True, True, True),
        ("/* x */ with x as (select 1 limit 1) table x", "with", True, True, False),
        ("show all", "show", False, True, False),
        ("insert into t values (1)", "insert", False, False, True),
        ("do $$ select 1 $$", "do", False, False, False),
    ],
)
def test_what_is_known_of_one(text: str, verb: str, gives_rows: bool, is_read: bool, has_tail: bool) -> None:
    statement = parsed(text, is_mysql=False)
    assert (statement.verb, statement.gives_rows, statement.is_read, statement.has_tail) == (verb, gives_rows, is_read, has_tail)
