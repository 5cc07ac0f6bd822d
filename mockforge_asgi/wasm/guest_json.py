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

MAX_DOOR_VALUES: Final = 20_000
"""The most values in what is handed to a door: 2 MiB of `[],` would hold the event loop for a tenth of a second."""

_DEEP: Final = MAX_DEPTH + 1
_WRITABLE: Final = 254
"""What orjson writes (its README, "dumps")."""


class BadJson(ValueError):
    """The text is no JSON, or too deep; the message says which, as the end of "it is …"."""


def parse(text: bytes | str, *, most: int | None = None, around: int = 0) -> Json:
    """The value, which may hold at most that many values and names in all; `around` levels of it are not the guest's. Raises BadJson."""
    data = text.encode() if isinstance(text, str) else text
    if most is not None and len(data) > most and _signs(data) > most and _is_over(data, most):
        raise BadJson(f"more than {most:,} values")
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise BadJson(f"not JSON: {error}") from None
    size = len(data)  # written out, and with `replace`, which jumps where `count` looks at each byte: this is done for every answer
    if (
        size > 2 * MAX_DEPTH
        and size - len(data.replace(b"[", b"", _DEEP)) + size - len(data.replace(b"{", b"", _DEEP)) > MAX_DEPTH
        and _is_deep(value, MAX_DEPTH + around)
    ):
        raise BadJson(f"nested more than {MAX_DEPTH} deep")
    return value


def _signs(data: bytes) -> int:
    return data.count(b",") + data.count(b"[") + data.count(b"{")


def _is_over(data: bytes, most: int) -> bool:
    """Counts outside strings, by searches alone: of the text in a string there may be much, at little cost."""
    unescaped = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    return unescaped.count(b'"') > 2 * most or _signs(b"".join(unescaped.split(b'"')[::2])) > most


def _is_deep(value: Json, most: int) -> bool:
    """Asked of orjson, which counts levels a hundred times faster than a walk in Python: a long answer must not hold the loop."""
    for _ in range(_WRITABLE - most):
        value = [value]
    try:
        orjson.dumps(value)
    except orjson.JSONEncodeError:
        return True
    return False
