"""A cursor over the bytes of a WebAssembly file: numbers, lists, and never anything outside.

What the bytes mean is `sections.py`'s affair.
"""

from __future__ import annotations

import sys


class Malformed(Exception):
    """The bytes are not what the section's format says."""


class TooMany(Exception):
    """There are more sections, or entries in lists, than the caller wants read."""


class Allowance:
    """How many more sections and entries of lists may be read; shared by all readers of one file."""

    __slots__ = ("left", "most")

    def __init__(self, most: int | None) -> None:
        self.left = self.most = sys.maxsize if most is None else most

    def take(self, count: int) -> None:
        """Read that many. Raises: TooMany."""
        self.left -= count
        if self.left < 0:
            raise TooMany(f"its sections and their lists of functions, imports and the like are more than {self.most:,} entries")


class Reader:
    """A cursor over bytes that never reads outside them."""

    __slots__ = ("allowance", "data", "end", "pos")

    def __init__(self, data: bytes | memoryview, allowance: Allowance, pos: int = 0, end: int | None = None) -> None:
        self.data, self.allowance, self.pos, self.end = data, allowance, pos, len(data) if end is None else end

    def byte(self) -> int:
        """The next byte. Raises: Malformed, as all that read do."""
        if self.pos >= self.end:
            raise Malformed("it ends in the middle of a section")
        value = self.data[self.pos]
        self.pos += 1
        return value

    def u(self, bits: int = 32) -> int:
        """An unsigned number of at most that many bits (LEB128, core specification §5.2.2)."""
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                break
            if shift >= bits:
                raise Malformed("a number is longer than its format allows")
        if value >> bits:
            raise Malformed("a number is larger than its format allows")
        return value

    def skip(self, count: int) -> None:
        """Go on by that many bytes."""
        if count > self.end - self.pos:
            raise Malformed("a section says it is longer than the file")
        self.pos += count

    def part(self, length: int) -> Reader:
        """A reader of the next bytes, which this one goes past."""
        start = self.pos
        self.skip(length)
        return Reader(self.data, self.allowance, start, self.pos)

    def count(self) -> int:
        """A vector's length; each element takes a byte at least, so a larger one is a lie. Raises: Malformed, TooMany."""
        count = self.u()
        if count > self.end - self.pos:
            raise Malformed("a list says it is longer than its section")
        self.allowance.take(count)
        return count


def leb(number: int) -> bytes:
    """An unsigned number as it is written (LEB128, core specification §5.2.2)."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])
