"""A body taken piece by piece, decoded, and never larger than allowed, before or after."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from mockforge_asgi.errors import HostCallError

if TYPE_CHECKING:
    from zlib import _Decompress

CODINGS: Final = frozenset(["gzip", "x-gzip", "deflate"])
"""Values of Content-Encoding that are decoded (RFC 9110 §8.4.1)."""
_GZIP_OR_ZLIB: Final = zlib.MAX_WBITS | 32
_STEP_BYTES = 256 * 1024
"""Decoded at once: less than a millisecond's worth."""
_SLICE_BYTES: Final = 16 * 1024
"""Given to zlib at once: at the end of each gzip member it copies what it did not use."""
_MAX_MEMBERS: Final = 1000
"""Members of a gzip file (RFC 1952 §2.2). 1 MiB has room for 50,000, each of which costs as much as 20 KiB of text."""


class BoundedBody:
    """Collects the pieces of one body. `encoding` is its Content-Encoding; `what` it is called in messages."""

    def __init__(self, encoding: str, max_bytes: int, what: str = "the server's answer") -> None:
        self._coding, self._max_bytes, self._what = encoding.strip().lower(), max_bytes, what
        if self._coding not in ("", "identity", *CODINGS):
            raise HostCallError("unavailable", f"the server answers in an encoding that was not asked for: {encoding[:40]!r}")
        self._inflater = zlib.decompressobj(_GZIP_OR_ZLIB) if self._coding not in ("", "identity") else None
        self._received, self._size, self._pieces, self._members = 0, 0, list[bytes](), 1

    def feed(self, piece: bytes) -> Iterator[None]:
        """Take a piece, in steps between which others may go on. Raises HostCallError once it is too much, or cannot be decoded."""
        self._received += len(piece)
        if self._received > self._max_bytes:
            raise self._too_large()
        try:
            yield from self._inflate(piece)
        except zlib.error as error:
            raise HostCallError("unavailable", f"{self._what} cannot be decoded: {error}") from error

    def whole(self) -> bytes:
        """The body. Raises HostCallError where an encoded one ends too early."""
        if self._inflater is not None and self._received and not self._inflater.eof:
            raise HostCallError("unavailable", f"{self._what} ends in the middle of its encoding", retryable=True)
        return b"".join(self._pieces)

    def _inflate(self, piece: bytes) -> Iterator[None]:
        if self._inflater is None:
            self._keep(piece)
            yield
            return
        if self._coding == "deflate" and self._received == len(piece) and piece and piece[0] & 0x0F != 8:
            self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)  # raw deflate, as some servers send it
        for at in range(0, len(piece), _SLICE_BYTES):
            yield from self._inflate_slice(self._inflater, piece[at : at + _SLICE_BYTES])
        yield

    def _inflate_slice(self, inflater: _Decompress, piece: bytes) -> Iterator[None]:
        is_full = False
        while piece or is_full:
            if inflater.eof:
                inflater = self._inflater = self._next_member()
                yield
            data = inflater.decompress(piece, _STEP_BYTES)
            self._keep(data)
            is_full = len(data) == _STEP_BYTES and not inflater.eof  # it may hold more back, though it has taken all
            piece = inflater.unconsumed_tail or inflater.unused_data
            if is_full:
                yield

    def _next_member(self) -> _Decompress:
        self._members += 1
        if self._coding == "deflate":
            raise zlib.error("it goes on behind its end")
        if self._members > _MAX_MEMBERS:
            raise HostCallError("limit", f"{self._what} has more than {_MAX_MEMBERS:,} gzip members")
        return zlib.decompressobj(_GZIP_OR_ZLIB)

    def _keep(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._max_bytes:
            raise self._too_large()
        if data:
            self._pieces.append(data)

    def _too_large(self) -> HostCallError:
        return HostCallError("limit", f"{self._what} has more than {self._max_bytes} bytes")


async def inflated(data: bytes, encoding: str, max_bytes: int, what: str) -> bytes:
    """A whole body decoded, in steps between which others may go on.

    Raises HostCallError: `limit` where it is too much, else `unavailable`.
    """
    body = BoundedBody(encoding, max_bytes, what)
    for _ in body.feed(data):
        await asyncio.sleep(0)
    return body.whole()
