"""What is sent becomes values: merge patches as RFC 7396 has them, and nothing nested too deep."""

from __future__ import annotations

from typing import Any

import pytest

from mockforge_asgi.errors import RequestRejected
from mockforge_asgi.mocks.resources.changes import merge, patched, replacement
from mockforge_asgi.mocks.resources.collection import Field, Fields


@pytest.mark.parametrize(
    ("original", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}), ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}), ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}), ({"a": ["b"]}, {"a": "c"}, {"a": "c"}), ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}), ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]), ({"a": "b"}, ["c"], ["c"]), ({"a": "foo"}, None, None), ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}), ([1, 2], {"a": "b", "c": None}, {"a": "b"}), ({}, {"a": {"bb": {"ccc": None}}},
        {"a": {"bb": {}}}),
    ],
)  # fmt: skip
def test_the_examples_of_the_rfc(original: Any, patch: Any, result: Any) -> None:
    assert merge(original, patch) == result


FIELDS = Fields({"id": Field("id", "integer", False), "more": Field("more", "json"), "price": Field("price", "decimal")})
ROW = {"id": 1, "more": {"a": 1, "b": {"c": 2}}, "price": "1.10"}


def test_a_patch_reaches_into_a_field_of_json_and_only_what_changes_is_changed() -> None:
    assert patched(FIELDS, {"more": {"b": {"c": None}}, "price": "1.10"}, ROW, {"id": 1}) == {"more": {"a": 1, "b": {}}}
    assert patched(FIELDS, {"price": None, "more": None}, ROW, {"id": 1}) == {"price": None, "more": None}


def test_a_replacement_leaves_nothing_of_what_was() -> None:
    assert replacement(FIELDS, {"price": 1.5}, ROW, {"id": 1}) == {"price": "1.5", "more": None}
    opened = Fields({"id": FIELDS.known["id"]}, is_open=True)
    assert replacement(opened, {"new": [1]}, {"id": 1, "old": 2}, {"id": 1}) == {"new": [1], "old": None}


def test_a_patch_that_nests_too_deep_is_refused() -> None:
    deep: Any = 1
    for _ in range(100):
        deep = {"a": deep}
    with pytest.raises(RequestRejected, match="nested too deep"):
        patched(FIELDS, {"more": deep}, ROW, {"id": 1})
