"""What came replaces what was expected; everything else in the file stays as it was written."""

from __future__ import annotations

import json

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mockforge_asgi.config.parsing.locations import Path
from mockforge_asgi.config.parsing.reader import Unreadable, read
from mockforge_asgi.contract import Json
from mockforge_asgi.errors import ConfigError
from mockforge_asgi.plugins.testkit.case_updates import updated

OUT: Path = ("cases", 0, "out")


@pytest.mark.parametrize(
    ("text", "value", "after"),
    [
        ("- {op: a, out: 1} # one\n- {op: b, out: 1}\n", 2, "- {op: a, out: 2} # one\n- {op: b, out: 1}\n"),
        ("cases:\n  - op: a\n    out: 1   # one\n    in: 2\n", "two", 'cases:\n  - op: a\n    out: "two"   # one\n    in: 2\n'),
        ("cases:\n- out:\n  op: a\n", [1], "cases:\n- out: [1]\n  op: a\n"),
        ("cases:\n- op: a\n  out:", {"a": None}, 'cases:\n- op: a\n  out: {"a": null}'),
        ("- op: a\n  out: null\n\n\n# end\n", "", '- op: a\n  out: ""\n\n\n# end\n'),
        ("- op: a\n  out:\n    b: 1\n    c: [2]\n  # next\n- op: b\n", 7, "- op: a\n  out:\n    7\n  # next\n- op: b\n"),
        ("- op: a\n  out: |\n    # one\n    # two\n- op: b\n", "é😀", '- op: a\n  out: "é😀"\n- op: b\n'),
        ('[{"op": "a", "out": {"b": [1]}, "in": 1}]', [2], '[{"op": "a", "out": [2], "in": 1}]'),
        ("- out: 'it''s' \n  op: a\n", 1, "- out: 1 \n  op: a\n"),
    ],
)
def test_only_the_value_changes(text: str, value: Json, after: str) -> None:
    assert updated(text, "cases.json" if text.startswith("[") else "cases.yaml", {OUT: value}) == after


def test_long_values_are_written_on_several_lines() -> None:
    text = "cases:\n  - op: a\n    out: 1\n    logged: []\n"
    value = {"words": ["long"] * 30}
    after = updated(text, "cases.yaml", {OUT: value, ("cases", 0, "logged"): [{"level": "info", "message": "m"}]})
    assert read(after, "x", max_bytes=9999)[0]["cases"][0]["out"] == value and max(map(len, after.splitlines())) < 100
    assert after.startswith("cases:\n  - op: a\n    out: {\n      ") and after.endswith('message": "m"}]\n')


def test_what_cannot_be_written_is_left_to_the_author() -> None:
    with pytest.raises(ConfigError, match="by hand"):
        updated("- op: a\n  out: 1\n", "cases.yaml", {OUT: "\x85😀"})  # YAML has no escapes beyond 16 bits that JSON has, too


CHARACTERS = st.characters(exclude_categories=["Cs"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(CHARACTERS),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(CHARACTERS), inner, max_size=4),
    max_leaves=12,
)


@given(JSON, JSON)
def test_whatever_comes_is_read_back(before: Json, after: Json) -> None:
    text = f"# cases\ncases:\n  - op: a\n    out: {json.dumps(before, ensure_ascii=False)}\n    name: n\n"
    assume(_is_read(text))
    try:
        changed = updated(text, "cases.yaml", {OUT: after})
    except ConfigError:
        assert not json.dumps(after, ensure_ascii=False).isprintable()
    else:
        assert read(changed, "x", max_bytes=1 << 20)[0]["cases"][0] == {"op": "a", "out": after, "name": "n"}


def _is_read(text: str) -> bool:
    try:
        return bool(read(text, "x", max_bytes=1 << 20))
    except Unreadable:
        return False
