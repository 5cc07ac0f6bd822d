"""A client's body read as JSON: a value that can be looked into, written and shown, or a fault in words; nothing else is raised.

An input is the content type, a line break, and the body.
"""

from __future__ import annotations

from random import Random

from mockforge_asgi.bounded_json import CLIENT, MAX_DEPTH
from mockforge_asgi.errors import RequestRejected
from mockforge_asgi.exact_json import dumps, loads, same
from mockforge_asgi.http.json_body import NOWHERE, JsonBody
from mockforge_asgi.types import Json
from tests.fuzz.fuzzing import Target

TYPES = (b"", b"application/json", b"application/json; charset=utf-16", b"text/x+json;charset=latin-1", b"application/json; charset=none")
BODIES = (
    b"", b"{}", b'{"a":[1,{"b":null}]}', b"[" * 101 + b"]" * 101, b"[" * 100 + b"]" * 100, b"[18446744073709551617]", b"\xef\xbb\xbf1",
    '{"a": "é"}'.encode("utf-16"), b"\xff\xfe", b'"\\ud800"', b"[1e999]", b"-0.0", b"9" * 5000, b"[" + b"[]," * 10_001 + b"1]",
    b"[" + b"1," * 60_001 + b"1]",
)  # fmt: skip
STEPS: tuple[tuple[str | int, ...], ...] = ((), ("a",), ("a", 1, "b"), (0,), (-1,), ("a", "b"))


def check(data: bytes) -> None:
    """Read it, look into it, write it."""
    content_type, _, body = data.partition(b"\n")
    read = JsonBody(body, content_type.decode("latin-1"))
    found = [read.at(steps) for steps in STEPS]
    assert len(read.fault) < 1000
    if read.fault:
        assert all(each is NOWHERE for each in found)
        try:
            assert read.value() is None
        except RequestRejected as error:
            assert error.status == 413
        return
    value = read.value()
    assert found[0] is value and same(loads(dumps({"a": value}))["a"], value) and repr(value) is not None
    values, depth = _bounds(value)
    assert values <= CLIENT.values + 1 and depth <= MAX_DEPTH


def _bounds(value: Json) -> tuple[int, int]:
    """Values and names in all, and levels."""
    inner = value if isinstance(value, list) else [*value.values(), *value] if isinstance(value, dict) else []
    found = [_bounds(each) for each in inner]
    return 1 + sum(n for n, _ in found), isinstance(value, list | dict) + max((depth for _, depth in found), default=0)


SEEDS = tuple(kind + b"\n" + body for kind in TYPES[:2] for body in BODIES) + tuple(kind + b'\n{"a": 1}' for kind in TYPES)
TARGET = Target(check, 2000, (*SEEDS, *(Random(n).randbytes(40 * n) for n in range(1, 4))), words=(*TYPES[1:], *BODIES[1:12]))
