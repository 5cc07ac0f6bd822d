"""The atomic operations on one key, each a pure step from a cell to a cell and an answer.

Both stores run the same steps, so that they cannot differ in meaning; what a store adds is where cells live and what
makes a step atomic. Null and absent are one thing: setting null deletes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol, TypeAlias

from mockforge_asgi.errors import StateError
from mockforge_asgi.exact_json import Json, dumps, loads, same

MAX_KEY_BYTES = 512
MAX_TTL_S = 10 * 366 * 86400.0
MAX_INT = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Cell:
    """A stored value as JSON text, and when it ends (in the store's clock; None is never)."""

    data: bytes
    expires_at: float | None = None


Step: TypeAlias = tuple[Cell | None, Json]
"""The cell afterwards (the same object when unchanged, None when gone) and the answer."""


class Operation(Protocol):
    """One atomic operation on one key."""

    @property
    def key(self) -> str:
        """The key it works on."""
        ...

    writes: ClassVar[bool]

    def step(self, cell: Cell | None, now: float) -> Step:
        """Apply to the live cell (never an expired one). Raises StateError and then changes nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Get:
    """The value, or null."""

    key: str
    writes: ClassVar[bool] = False

    def step(self, cell: Cell | None, now: float) -> Step:
        """See Operation."""
        return cell, None if cell is None else loads(cell.data)


@dataclass(frozen=True, slots=True)
class Set:
    """Store the value, whatever was there; without `ttl_s` it lasts."""

    key: str
    data: bytes | None
    ttl_s: float | None = None
    writes: ClassVar[bool] = True

    def step(self, cell: Cell | None, now: float) -> Step:
        """See Operation."""
        return _cell(self.data, self.ttl_s, now), None


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove the key; answers whether it was there."""

    key: str
    writes: ClassVar[bool] = True

    def step(self, cell: Cell | None, now: float) -> Step:
        """See Operation."""
        return None, cell is not None


@dataclass(frozen=True, slots=True)
class AddIfAbsent:
    """Store the value only where there is none; answers whether it did. Of many callers one wins."""

    key: str
    data: bytes
    ttl_s: float | None = None
    writes: ClassVar[bool] = True

    def step(self, cell: Cell | None, now: float) -> Step:
        """See Operation."""
        return (_cell(self.data, self.ttl_s, now), True) if cell is None else (cell, False)


@dataclass(frozen=True, slots=True)
class Incr:
    """Add to a counter that starts at 0; answers its new value. `ttl_s` counts from the counter's first increment."""

    key: str
    by: int = 1
    ttl_s: float | None = None
    writes: ClassVar[bool] = True

    def step(self, cell: Cell | None, now: float) -> Step:
        """See Operation."""
        before = 0 if cell is None else loads(cell.data)
        if type(before) is not int:
            raise StateError(f"key {self.key!r} does not hold an integer, so it cannot be counted up", code="invalid_input")
        value = before + self.by
        if not -MAX_INT <= value <= MAX_INT:
            raise StateError(f"counter {self.key!r} would leave the 64-bit range", code="limit")
        expires_at = cell.expires_at if cell is not None else None if self.ttl_s is None else now + self.ttl_s
        return Cell(b"%d" % value, expires_at), value


@dataclass(frozen=True, slots=True)
class CompareAndSet:
    """Store `data` only where the value equals `expected` (None: absent); answers whether it did. `data` None deletes."""

    key: str
    expected: bytes | None
    data: bytes | None
    ttl_s: float | None = None
    writes: ClassVar[bool] = True

    def step(self, cell: Cell | None, now: float) -> Step:
        """See Operation."""
        if not _same_json(None if cell is None else cell.data, self.expected):
            return cell, False
        return _cell(self.data, self.ttl_s, now), True


def encode_value(value: Json, max_bytes: int) -> bytes | None:
    """A value as JSON text; None for null. Raises StateError for what is not JSON or too large."""
    if value is None:
        return None
    try:
        data = dumps(value)
    except (TypeError, ValueError) as error:
        raise StateError(f"the value is not JSON that can be stored: {error}", code="invalid_input") from error
    if len(data) > max_bytes:
        raise StateError(f"the value has {len(data)} bytes of JSON; at most {max_bytes} are allowed", code="limit")
    return data


def check_key(key: str) -> str:
    """The key itself when it may be used. Raises StateError."""
    if type(key) is not str or not key or "\0" in key or len(key) > MAX_KEY_BYTES:
        raise StateError(f"a key is a string of 1 to {MAX_KEY_BYTES} bytes without NUL", code="invalid_input")
    if not key.isascii():
        key_size(key)
    return key


def key_size(key: str) -> int:
    """The key's length in UTF-8 bytes. Raises StateError where it has none or is too long."""
    if key.isascii():
        return len(key)
    try:
        size = len(key.encode())
    except UnicodeEncodeError as error:
        raise StateError("a key may not hold half a surrogate pair", code="invalid_input") from error
    if size > MAX_KEY_BYTES:
        raise StateError(f"a key is a string of 1 to {MAX_KEY_BYTES} bytes without NUL", code="invalid_input")
    return size


def check_ttl(ttl_s: float | None) -> float | None:
    """The time to live itself when it may be used. Raises StateError."""
    if ttl_s is None or (type(ttl_s) in (int, float) and 0 < ttl_s <= MAX_TTL_S):
        return ttl_s
    raise StateError(f"ttl_s is a number of seconds, more than 0 and at most {MAX_TTL_S:.0f}", code="invalid_input")


def check_by(by: int) -> int:
    """The increment itself when it may be used. Raises StateError."""
    if type(by) is int and -MAX_INT <= by <= MAX_INT:
        return by
    raise StateError("`by` is an integer of at most 64 bits", code="invalid_input")


def _cell(data: bytes | None, ttl_s: float | None, now: float) -> Cell | None:
    if data is None:
        return None
    return Cell(data, None if ttl_s is None else now + ttl_s)


def _same_json(left: bytes | None, right: bytes | None) -> bool:
    """Equal text, or equal values."""
    if left == right:
        return True
    return left is not None and right is not None and same(loads(left), loads(right))
