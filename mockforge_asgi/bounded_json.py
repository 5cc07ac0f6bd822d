"""JSON that a guest or a client wrote: parsed within bounds of depth and of number; the bytes are bounded before.

orjson reads 1,024 levels but writes 254, and Python's `repr` ends at its recursion limit: a value accepted deeper than that would break
whatever it is put into later, far from who is to blame. A text of very many lists holds the event loop: each is an object that Python's
garbage collector looks after. A client's body is read through `http.json_body`, which asks for `CLIENT`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import orjson

from mockforge_asgi.exact_json import LONG, ZEROS, dumps, exactly, may_exceed
from mockforge_asgi.types import Json

MAX_DEPTH: Final = 100
"""The most lists and objects inside one another."""


@dataclass(frozen=True, slots=True)
class JsonLimits:
    """How much a text may hold: values and names in all, and lists and objects among them."""

    values: int
    lists: int = 20_000


HOST_CALL: Final = JsonLimits(20_000)
"""The payload of a host call. Without a bound 2 MiB of `[],` would hold the loop for a tenth of a second."""
RESULT: Final = JsonLimits(100_000)
"""The result of a plugin; five thousand rows of twenty values."""
CLIENT: Final = JsonLimits(60_000, 10_000)
"""A client's body; five thousand records of five values. 1 MiB of `[],` took 70 to 90 ms to read, the most that fits takes under 10."""

EXACT: Final = JsonLimits(20_000)
"""What holds a number of more than 64 bits, whoever wrote it: reading and writing it exactly takes ten times as long."""
MAX_ENTRIES: Final = 500
"""The most entries of a list or mapping in what a plugin says of itself: a manifest, a description."""
MAX_DESCRIBED: Final = 10_000
"""The most values in all of it."""

_DEEP: Final = MAX_DEPTH + 1
_SHORT: Final = 2 * MAX_DEPTH
"""Bytes that hold no more values or levels than any limit allows."""
_DIGITS: Final = len(LONG)
_WRITABLE: Final = 254
"""What orjson writes (its README, "dumps")."""
_HOLDERS: Final = (dict, list)
_LISTS: Final = b"[{"
_VALUES: Final = b",:[{"


class BadJson(ValueError):
    """The text is not JSON, or too deep, or too much; the message says which, as the end of "it is …"."""


class TooMuch(BadJson):
    """It holds more than the limits allow, in number or in depth. Whether it is JSON may not have been looked at."""


def parse(text: bytes | str, limits: JsonLimits | None = None, *, around: int = 0) -> Json:
    """The value, where it is within the limits; `around` levels of it are not the guest's. Raises BadJson.

    This is done for every result of a plugin: what a short text cannot hold is not looked for.
    """
    data = text if isinstance(text, bytes) else text.encode()
    size = len(data)
    if size > _SHORT and limits is not None:
        _check_number(data, limits)
    try:
        value = orjson.loads(data)
        if size > _DIGITS and data.translate(ZEROS).find(LONG) >= 0:
            value = exactly(data, value)
    except orjson.JSONDecodeError as error:
        raise BadJson(f"not JSON: {error}") from None
    if size > _SHORT and _may_be_deep(data) and _is_deep(value, MAX_DEPTH + around):
        raise TooMuch(f"nested more than {MAX_DEPTH} deep")
    return value


def crowded(value: Json, entries: int = MAX_ENTRIES, most: int = MAX_DESCRIBED) -> tuple[tuple[str | int, ...], str] | None:
    """Where what a plugin says of itself holds more than anybody needs, and how much, as the end of "it has ..."."""
    todo: list[tuple[Any, Any, Json]] = [(None, None, value)] if isinstance(value, _HOLDERS) else []
    left = most
    while todo:
        place = todo.pop()
        node = place[2]
        left -= len(node)
        if len(node) > entries:
            return _path(place), f"{len(node):,} entries; the most is {entries:,}"
        if left < 0:
            return (), f"more than {most:,} values in all"
        for key, inner in node.items() if isinstance(node, dict) else enumerate(node):
            if isinstance(inner, _HOLDERS):
                todo.append((place, key, inner))
    return None


def _path(place: tuple[Any, Any, Json]) -> tuple[str | int, ...]:
    return () if place[0] is None else (*_path(place[0]), place[1])


def _check_number(data: bytes, limits: JsonLimits) -> None:
    """Raises TooMuch for more values than the limits allow."""
    if len(data) <= 2 * min(limits.lists, limits.values, EXACT.values):  # each takes two bytes at least
        return
    _fit(data, limits)
    if limits.values > EXACT.values and may_exceed(data):
        _fit(data, EXACT)


def _may_be_deep(data: bytes) -> bool:
    """Whether there are brackets for so many levels; told by `replace`, which jumps where `count` looks at each byte."""
    return 2 * len(data) - len(data.replace(b"[", b"", _DEEP)) - len(data.replace(b"{", b"", _DEEP)) > MAX_DEPTH


def _fit(data: bytes, limits: JsonLimits) -> None:
    """Raises TooMuch. Only signs outside strings count: of the text in a string there may be much, at little cost."""
    if _count(data, _LISTS) <= limits.lists and _count(data, _VALUES) <= limits.values:
        return
    unescaped = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    if _count(unescaped, b'"') > 2 * limits.values:
        raise TooMuch(f"more than {limits.values:,} values")
    bare = b"".join(unescaped.split(b'"')[::2])
    if _count(bare, _VALUES) > limits.values:
        raise TooMuch(f"more than {limits.values:,} values")
    if _count(bare, _LISTS) > limits.lists:
        raise TooMuch(f"more than {limits.lists:,} lists and objects")


def _count(data: bytes, signs: bytes) -> int:
    """How often the signs occur: half a millisecond for 1 MiB, however many there are."""
    return len(data) - len(data.translate(None, signs))


def _is_deep(value: Json, most: int) -> bool:
    """Asked of orjson, which counts levels a hundred times faster than a walk in Python: a long result must not hold the loop."""
    for _ in range(_WRITABLE - most):
        value = [value]
    try:
        dumps(value)
    except (orjson.JSONEncodeError, RecursionError):
        return True
    return False
