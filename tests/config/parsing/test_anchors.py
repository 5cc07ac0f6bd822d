"""Anchors, aliases and merge keys: what they unfold to, and the bounds of that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mockforge_asgi.config import load_config
from mockforge_asgi.config.parsing.reader import Unreadable, read
from mockforge_asgi.errors import PluginRejected
from mockforge_asgi.plugins.package.manifest import read_manifest


def data_of(text: str) -> Any:
    return read(text, "f.yaml", max_bytes=1 << 20, aliases=True)[0]


def faults(text: str, *, aliases: bool = True) -> list[str]:
    with pytest.raises(Unreadable) as raised:
        read(text, "f.yaml", max_bytes=1 << 23, aliases=aliases)
    return [str(problem) for problem in raised.value.problems]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: &x 1\nb: *x\n", {"a": 1, "b": 1}),
        ("a: &x '1'\nb: [*x, *x]\n", {"a": "1", "b": ["1", "1"]}),
        ("a: &x {b: [1, {c: 2}]}\nd: *x\n", {"a": {"b": [1, {"c": 2}]}, "d": {"b": [1, {"c": 2}]}}),
        ("a: &x 1\nb: &x 2\nc: *x\n", {"a": 1, "b": 2, "c": 2}),
        ("a: &x 1\nb: &y [*x]\nc: *y\n", {"a": 1, "b": [1], "c": [1]}),
        ("a: &x ''\nb: *x\n", {"a": "", "b": ""}),
        ("a: &x null\nb: *x\n", {"a": None, "b": None}),
        ("a: &x {k: 1, l: 2}\nb: {<<: *x, l: 3}\n", {"a": {"k": 1, "l": 2}, "b": {"k": 1, "l": 3}}),
        ("a: &x {k: 1, l: 2}\nb: {l: 3, <<: *x}\n", {"a": {"k": 1, "l": 2}, "b": {"k": 1, "l": 3}}),
        (
            "a: [&x {k: 1, l: 1}, &y {k: 2, m: 2}]\nb: {<<: [*x, *y]}\n",
            {"a": [{"k": 1, "l": 1}, {"k": 2, "m": 2}], "b": {"k": 1, "l": 1, "m": 2}},
        ),
        ("a: {<<: {k: 1}}\n", {"a": {"k": 1}}),
        ("a: {<<: []}\n", {"a": {}}),
        ("a: &x {k: 1}\nb: &y {<<: *x, l: 2}\nc: {<<: *y}\n", {"a": {"k": 1}, "b": {"k": 1, "l": 2}, "c": {"k": 1, "l": 2}}),
        ("a: &x {k: {l: 1}}\nb: {<<: *x, k: {m: 2}}\n", {"a": {"k": {"l": 1}}, "b": {"k": {"m": 2}}}),
        ("a: {'<<': 1, k: <<}\n", {"a": {"<<": 1, "k": "<<"}}),
        ("&x a: 1\n", {"a": 1}),
        ("&all {a: 1}\n", {"a": 1}),
    ],
)
def test_an_alias_is_a_copy_and_a_merge_key_brings_what_is_not_there(text: str, value: object) -> None:
    assert data_of(text) == value


def test_two_uses_of_an_anchor_share_nothing() -> None:
    value = data_of("a: &x {k: [1]}\nb: *x\nc: {d: *x, <<: *x}\n")
    value["b"]["k"].append(2)
    value["c"]["k"].append(3)
    assert value == {"a": {"k": [1]}, "b": {"k": [1, 2]}, "c": {"d": {"k": [1]}, "k": [1, 3]}}


def test_what_comes_by_alias_is_placed_where_it_is_used() -> None:
    _, places = read("a: &x\n  k: 1\n  l: 2\nb: *x\nc:\n  l: 3\n  <<: *x\n", "f.yaml", max_bytes=999, aliases=True)
    assert [places.where(path) for path in (("b", "k"), ("c", "k"), ("c", "l"))] == ["f.yaml:4 b.k", "f.yaml:7 c.k", "f.yaml:6 c.l"]


UNKNOWN = "an alias (*…) names no anchor (&…) that ends before it. Put it in quotes if it is text."
NO_MAPPING = "a merge key (<<) takes a mapping, or a list of them. Write `<<: *name`, or put '<<' in quotes."


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: *hunter2\n", [f"f.yaml:1: {UNKNOWN}"]),
        ("a: *x\nb: &x 1\n", [f"f.yaml:1: {UNKNOWN}"]),
        ("a: &x [*x]\n", [f"f.yaml:1: {UNKNOWN}"]),
        ("a: &x {<<: *x}\n", [f"f.yaml:1: {UNKNOWN}"]),
        ("a: &hunter2\n", ["f.yaml:1: an anchor (&…) stands before nothing. Put it in quotes if it is text."]),
        ("a: &x 1\n*x : 2\n", ["f.yaml:2: an alias (*…) is used as a key. Write the key out."]),
        ("a: {<<: 1}\n", [f"f.yaml:1: {NO_MAPPING}"]),
        ("a: {<<: [{k: 1}, 2]}\n", [f"f.yaml:1: {NO_MAPPING}"]),
        ("a:\n  <<:\n", [f"f.yaml:2: {NO_MAPPING}"]),
        ("a: {<<: {k: 1},\n  <<: {l: 1}}\n", ["f.yaml:2: the key '<<' is given twice (first on line 1). Keep one of them."]),
    ],
)
def test_what_an_alias_or_merge_key_cannot_mean_is_told_in_words(text: str, told: list[str]) -> None:
    assert faults(text) == told


def multiplied(first: str, again: str, levels: int) -> str:
    """A document whose every level holds the one before several times."""
    return f"a0: &a0 {first}\n" + "".join(f"a{i}: &a{i} {again.replace('*', f'*a{i - 1}')}\n" for i in range(1, levels))


LIST = "[" + ", ".join(["*"] * 9) + "]"
MERGED = "{" + ", ".join(f"k{i}: {{<<: [*, *]}}" for i in range(9)) + "}"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (multiplied("[1, 2]", LIST, 12), "aliases (*…) unfold to too many values."),
        (multiplied("{k: 1}", MERGED, 12), "aliases (*…) unfold to too many values."),
        (multiplied("[]", LIST, 12), "aliases (*…) unfold to too many values."),
        (multiplied("x" * 50_000, LIST, 4), "aliases (*…) unfold to more than 8 MiB of text."),
        (multiplied(f"{{{'x' * 900}: 1}}", LIST, 6), "aliases (*…) unfold to more than 8 MiB of text."),
        (f"a: &x {'x' * 9000}\nb:\n" + "- *x\n" * 1000, "aliases (*…) unfold to more than 8 MiB of text."),
        (multiplied("1", "[*]", 70), "an alias (*…) makes values that are nested too deep."),
        (multiplied("1", "{k: *}", 70), "an alias (*…) makes values that are nested too deep."),
        (multiplied("{}", "{k: {<<: *}}", 70), "an alias (*…) makes values that are nested too deep."),
    ],
    ids=["lists", "merge keys", "empty lists", "long text", "long keys", "flat", "depth", "depth of keys", "depth of merges"],
)
def test_what_aliases_unfold_to_is_bounded(text: str, told: str) -> None:
    assert told in faults(text)[-1]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: &x 1\nb: *x\n", "an alias (*…) is not accepted. Write the value out where it is used, in quotes if it is text."),
        ("a: {<<: {b: 1}}\n", "a merge key (<<) is not accepted. Write the keys out, or put '<<' in quotes."),
    ],
)
def test_a_manifest_has_neither_aliases_nor_merge_keys(text: str, told: str) -> None:
    assert [fault.partition(": ")[2] for fault in faults(text, aliases=False)] == [told]
    with pytest.raises(PluginRejected) as raised:
        read_manifest(text)
    assert told in str(raised.value)


def test_a_configuration_is_written_once_and_used_twice(tmp_path: Path) -> None:
    file = tmp_path / "mockforge.yaml"
    file.write_text(
        "version: 1\nx-headers: &h {a: '1'}\nroutes:\n"
        "  - {match: {path: /a}, response: {text: a, headers: *h}}\n"
        "  - {match: {path: /b}, response: {text: b, headers: {b: '2', <<: *h}}}\n"
    )
    assert [dict(route.response.headers) for route in load_config(file).routes] == [{"a": "1"}, {"a": "1", "b": "2"}]
