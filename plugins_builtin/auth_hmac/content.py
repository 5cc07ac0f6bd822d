"""A request's body, hashed as it came, in pieces between which others get their turn."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from mockforge_plugin import Request, sleep

PIECE_BYTES = 256 * 1024
"""Read and hashed at once, in about half a millisecond."""


class Hash(Protocol):
    """What takes bytes: a hash, or an HMAC."""

    def update(self, data: bytes, /) -> None:
        """More of them."""


async def hashed(request: Request, hashes: Iterable[Hash]) -> int:
    """Give the whole body to each of them; its length."""
    takers = tuple(hashes)
    at = 0
    while True:
        piece = await request.read_raw(offset=at, length=PIECE_BYTES)
        for taker in takers:
            taker.update(piece)
        at += len(piece)
        if len(piece) < PIECE_BYTES:
            return at
        await sleep(0)
