"""Writes what came into a file of cases: what was expected of a case is replaced in its text, all else stays as it was written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import yaml

from mockforge_asgi.config.parsing.locations import Path
from mockforge_asgi.config.parsing.reader import Unreadable, read
from mockforge_asgi.contract import Json
from mockforge_asgi.errors import ConfigError
from mockforge_asgi.plugins.testkit.cases import MAX_BYTES

_WIDTH: Final = 100
"""The longest value that is written on one line."""


def updated(text: str, name: str, changes: Mapping[Path, Json]) -> str:
    """The text with the values at those paths replaced; `name` tells YAML from JSON.

    Raises ConfigError where the text cannot be changed without changing more than that.
    """
    wanted, _ = read(text, name, max_bytes=MAX_BYTES)
    if isinstance(wanted, list):
        changes = {path[1:]: value for path, value in changes.items()}  # a list stands for `cases:`
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    spans = {path: _span(_node(root, path), text) for path in changes}
    new = text
    for path, (start, end) in sorted(spans.items(), key=lambda item: item[1], reverse=True):
        space = "" if text[start - 1 : start].isspace() else " "
        new = new[:start] + space + _written(changes[path], _indentation(text, start)) + new[end:]
        _put(wanted, path, changes[path])
    try:
        said = read(new, name, max_bytes=MAX_BYTES)[0]
    except Unreadable:
        said = None
    if said != wanted:
        raise ConfigError(f"{name} cannot be updated without changing more than what its cases expect. Write it by hand.")
    return new


def _node(node: Any, path: Path) -> Any:
    for key in path:
        if isinstance(key, int):
            node = node.value[key]
        else:
            node = next(value for name, value in node.value if name.value == key)
    return node


def _span(node: Any, text: str) -> tuple[int, int]:
    """Where a value is written. A block of YAML ends with its last line, not with the comments below it."""
    start, end = node.start_mark.index, node.end_mark.index
    lines = text[start:end].splitlines(keepends=True)
    is_block = isinstance(node, yaml.CollectionNode) and not node.flow_style
    while lines and (not lines[-1].strip() or (is_block and lines[-1].lstrip().startswith("#"))):
        lines.pop()
    return start, start + len("".join(lines).rstrip())


def _written(value: Json, indentation: str) -> str:
    line = json.dumps(value, ensure_ascii=False)
    is_plain = line.isprintable()
    if len(line) > _WIDTH or not is_plain:
        line = json.dumps(value, ensure_ascii=not is_plain, indent=2 if len(line) > _WIDTH else None).replace("\n", "\n" + indentation)
    return line


def _indentation(text: str, at: int) -> str:
    """That of the line, and what an entry of a list needs to stand below its dash."""
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return " " * (len(line) - len(line.lstrip(" -")))


def _put(value: Json, path: Path, new: Json) -> None:
    for key in path[:-1]:
        value = value[key]
    value[path[-1]] = new
