"""What a document may hold: the values of JSON, so many and so deep."""

from __future__ import annotations

import math
import re

from mockforge_asgi.config.places import Path, Places, quote
from mockforge_asgi.errors import Problem

MAX_DEPTH = 64
MAX_VALUES = 500_000
_SURROGATE = re.compile(r"[\ud800-\udfff]")


def not_json(value: object, places: Places) -> list[Problem]:
    """What in the data JSON cannot say, or is too deep or too much; at most a few problems."""
    problems: list[Problem] = []
    todo: list[tuple[Path, object]] = [((), value)]
    seen = 0
    while todo and len(problems) < 20:
        path, item = todo.pop()
        if (seen := seen + 1) > MAX_VALUES:
            return [*problems, places.problem((), f"holds more than {MAX_VALUES} values.")]
        if len(path) > MAX_DEPTH:
            return [*problems, places.problem(path[:6], f"values are nested more than {MAX_DEPTH} deep.")]
        if isinstance(item, dict):
            problems += [places.problem(path, f"the key {quote(k)} is not text.", "Keys are text.") for k in item if not isinstance(k, str)]
            todo += [((*path, k), v) for k, v in item.items() if isinstance(k, str)]
        elif isinstance(item, list):
            todo += [((*path, i), v) for i, v in enumerate(item)]
        elif what := _no_json_scalar(item):
            problems.append(places.problem(path, what))
    return problems


def _no_json_scalar(item: object) -> str:
    if item is None or isinstance(item, bool):
        return ""
    if isinstance(item, int):
        return "" if -(2**63) <= item < 2**64 else "is a number of more than 64 bits."
    if isinstance(item, float):
        return "" if math.isfinite(item) else "is not a number that JSON can say."
    if isinstance(item, str):
        return "" if item.isascii() or not _SURROGATE.search(item) else "holds half of a surrogate pair."
    return f"is a {type(item).__name__}, which is no JSON value."
