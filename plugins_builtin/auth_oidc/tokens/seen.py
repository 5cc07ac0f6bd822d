"""Decisions about tokens seen before, by the SHA-256 of the token: never the token itself, bounded in number and size.

The same file stands in every built-in plugin that remembers tokens; a test keeps them alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Generic, TypeVar

T = TypeVar("T")


def digest_of(token: str) -> bytes:
    """What a token is remembered by."""
    return sha256(token.encode()).digest()


@dataclass(frozen=True, slots=True)
class Seen(Generic[T]):
    """What was decided, until when it holds (seconds since 1970), and by which generation of keys."""

    decision: T
    until_s: float
    generation: int
    weight: int


class SeenTokens(Generic[T]):
    """At most so many decisions and bytes; the oldest goes first. Who looks checks the time."""

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most, self._most_bytes, self._bytes = most, most_bytes, 0
        self._entries: dict[bytes, Seen[T]] = {}
        self.get = self._entries.get
        """The entry of a digest, or None."""

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, digest: bytes, decision: T, *, until_s: float, generation: int = 0, weight: int) -> None:
        """Remember a decision; `weight` is about what it takes in bytes."""
        self.drop(digest)
        if weight > self._most_bytes or not self._most:
            return
        while len(self._entries) >= self._most or self._bytes + weight > self._most_bytes:
            self.drop(next(iter(self._entries)))
        self._entries[digest] = Seen(decision, until_s, generation, weight)
        self._bytes += weight

    def drop(self, digest: bytes) -> None:
        """Forget one."""
        gone = self._entries.pop(digest, None)
        if gone is not None:
            self._bytes -= gone.weight

    def clear(self) -> None:
        """Forget all."""
        self._entries.clear()
        self._bytes = 0
