"""JSON that a guest wrote: parsed, and refused where it is nested deeper than the host can write, wrap and show again.

orjson reads 1,024 levels but writes 254, and Python's `repr` ends at its recursion limit: a value accepted deeper than that
would break whatever it is put into later, far from the plugin that is to blame.
"""

from __future__ import annotations

from typing import Final

import orjson

from mockforge_asgi.contract import Json

MAX_DEPTH: Final = 100
"""The most lists and objects inside one another."""

_WRITABLE: Final = 254
"""What orjson writes (its README, "dumps")."""


class BadJson(ValueError):
    """The text is no JSON, or too deep; the message says which, as the end of "it is …"."""


def parse(text: bytes | str) -> Json:
    """The value. Raises BadJson."""
    data = text.encode() if isinstance(text, str) else text
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise BadJson(f"not JSON: {error}") from None
    if data.count(b"[") + data.count(b"{") > MAX_DEPTH and _is_deep(value):
        raise BadJson(f"nested more than {MAX_DEPTH} deep")
    return value


def _is_deep(value: Json) -> bool:
    """Asked of orjson, which counts levels a hundred times faster than a walk in Python: a long answer must not hold the loop."""
    for _ in range(_WRITABLE - MAX_DEPTH):
        value = [value]
    try:
        orjson.dumps(value)
    except orjson.JSONEncodeError:
        return True
    return False
