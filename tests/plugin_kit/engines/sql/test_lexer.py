"""Tokens: parameters are found where the database would see them, and nowhere else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockforge_plugin.engines.sql.lexer import tokens

POSTGRESQL = [
    ("select :id::int", ["id"]),
    ("""select '{"k":1}', a[1:2], a[lo:hi], :x""", ["x"]),
    ("$$ :z $$ $t$ ' :z $t$, :a", ["a"]),
    ("/* /* :x */ :y */ :z", ["z"]),
    (r"E'\' :x' :y", ["y"]),
    (r"'\' :x", ["x"]),
    ("-- :x\n :y", ["y"]),
    (r'''U&'\0041' :x, U&"d:y"''', ["x"]),
    ("a @>:x ||:y", ["x", "y"]),
    ("a$b$ :x $b$", ["x"]),
    ('":a" :b', ["b"]),
    ("$1 :x", ["x"]),
    ("':never ends", []),
    ("$$ :never ends", []),
    ("/* :never ends", []),
]
MYSQL = [
    ("select `:a`, \":b\", ':c', :d", ["d"]),
    (r"""'\' :x' :y, "\\\" :z" :w""", ["y", "w"]),
    ("# :x\n :y", ["y"]),
    ("--:x\n :y -- :z", ["x", "y"]),
    ("@v := :x", ["x"]),
    ("/* /* :x */ :y", ["y"]),
]


@pytest.mark.parametrize(("text", "names", "is_mysql"), [*((*case, False) for case in POSTGRESQL), *((*case, True) for case in MYSQL)])
def test_parameters_are_found_where_the_server_would_see_them(text: str, names: list[str], is_mysql: bool) -> None:
    found = list(tokens(text, is_mysql=is_mysql))
    assert [token.text[1:] for token in found if token.kind == "parameter"] == names
    assert "".join(token.text for token in found) == text


@pytest.mark.parametrize("text", ["select 1 /*! or 1 */", "/*M!100100 x */", "/*!*/"])
def test_comments_that_mysql_runs_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="comment that MySQL runs"):
        list(tokens(text, is_mysql=True))


@given(st.text(alphabet="a1:'\"`$\\/*-#!M; \n\u00e9(]@"), st.booleans())
def test_tokens_are_the_whole_text_whatever_it_is(text: str, is_mysql: bool) -> None:
    try:
        found = "".join(token.text for token in tokens(text, is_mysql=is_mysql))
    except ValueError:
        assert "/*" in text
    else:
        assert found == text
