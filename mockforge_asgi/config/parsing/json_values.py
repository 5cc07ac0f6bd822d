"""What a document may hold: the values of JSON, so many and so deep."""

from __future__ import annotations

import math
import re

from mockforge_asgi.config.parsing.locations import Locations, Path
from mockforge_asgi.errors import Problem
from mockforge_asgi.text import quote

MAX_DEPTH = 64
MAX_VALUES = 500_000
MAX_BITS = 1000
"""Of an integer where those of more than 64 bits are accepted; what has many more, readers of JSON refuse."""
_SURROGATE = re.compile(r"[\ud800-\udfff]")


def not_json(value: object, places: Locations, *, exact: bool = False) -> list[Problem]:
    """What in the data JSON cannot say, or is too deep or too much; at most a few problems. `exact`: see `no_json_scalar`."""
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
        elif what := no_json_scalar(item, exact=exact):
            problems.append(places.problem(path, what))
    return problems


def no_json_scalar(item: object, *, exact: bool = False) -> str:
    """What keeps a value from being one of JSON, as the end of a sentence. `exact`: integers may have more than 64 bits."""
    if item is None or isinstance(item, bool):
        return ""
    if isinstance(item, int):
        most = MAX_BITS if exact else 64
        return "" if -(2 ** (most - 1)) <= item < 2**most else f"is a number of more than {most:,} bits."
    if isinstance(item, float):
        return "" if math.isfinite(item) else "is not a number that JSON can say."
    if isinstance(item, str):
        return "" if item.isascii() or not _SURROGATE.search(item) else "holds half of a surrogate pair."
    name = type(item).__name__
    return f"is {'an' if name[:1] in 'aeioAEIO' else 'a'} {name}, which is no JSON value."
