"""How much work a JSON Schema of a stranger's can make: references that multiply each other take a few lines and for ever to check."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote

from mockforge_asgi.config.parsing.locations import Path
from mockforge_asgi.exact_json import Json

MAX_UNFOLDED: Final = 100_000
REFERENCES: Final = ("$ref", "$dynamicRef", "$recursiveRef")
_ANCHORS: Final = ("$anchor", "$dynamicAnchor")
_DEFINITIONS: Final = frozenset({"$defs", "definitions"})


def unfolded(schema: Json, nodes: list[tuple[Path, Json]]) -> int:
    """The most values a validator visits for what the schema itself brings: every reference counts as what it leads to.

    A reference back to where it comes from goes deeper only as the value does, and what is long in that way is the operator's
    affair, but for the schema's own defaults.
    """
    anchors = {f"#{node[key]}": node for _, node in nodes if isinstance(node, dict) for key in _ANCHORS if isinstance(node.get(key), str)}
    sizes: dict[int, tuple[int, int]] = {}

    def size(node: Json) -> tuple[int, int]:
        """(values below it, references back among them)"""
        if not isinstance(node, dict | list):
            return 1, 0
        if (known := sizes.get(id(node))) is not None:
            return known
        sizes[id(node)] = 1, 1
        inner = list(node) if isinstance(node, list) else [value for key, value in node.items() if key not in _DEFINITIONS]
        if isinstance(node, dict):
            inner += [_target(schema, anchors, node[key]) for key in REFERENCES if isinstance(node.get(key), str)]
        found = [size(value) for value in inner]
        sizes[id(node)] = min(1 + sum(n for n, _ in found), MAX_UNFOLDED + 1), min(sum(back for _, back in found), MAX_UNFOLDED)
        return sizes[id(node)]

    try:
        values, back = size(schema)
    except RecursionError:
        return MAX_UNFOLDED + 1
    deepest = max((_depth(node["default"]) for _, node in nodes if isinstance(node, dict) and "default" in node), default=0)
    return values if back < 2 else min(values * back ** min(deepest, 64), MAX_UNFOLDED + 1)


def _depth(value: Json) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_depth, inner), default=0) if isinstance(value, dict | list) else 0


def _target(schema: Json, anchors: Mapping[str, Json], reference: str) -> Json:
    if reference in anchors:
        return anchors[reference]
    node = schema
    for part in unquote(reference).removeprefix("#").split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(node, dict):
            node = node.get(key)
        elif isinstance(node, list) and key.isdecimal() and int(key) < len(node):
            node = node[int(key)]
        else:
            return None
    return node
