"""Cursors as clients see them: what the source gave, sealed to one query with its parameters and order. A forged one is refused.

The envelope is an HMAC (RFC 2104) under a key that all workers share through the state store. It hides nothing: it proves that a cursor is
one of ours, for this very query.
"""

from __future__ import annotations

import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

from mockforge_asgi.contract.source_query import SourceQuery
from mockforge_asgi.exact_json import dumps
from mockforge_asgi.state import KeySpace, StateStore

MAX_CHARS: Final = 4096
MAX_INNER: Final = 2048
_MAC: Final = 16
_KEY: Final = "cursor-key"


class Cursors:
    """Seals and opens them. Without a state store the key is this object's own."""

    def __init__(self, state: StateStore | None = None) -> None:
        self._space = None if state is None else KeySpace(state, "host/sources")
        self._key = b"" if self._space is not None else secrets.token_bytes(32)

    async def seal(self, source: str, asked: SourceQuery, inner: str) -> str | None:
        """The cursor for clients; None for one that is too long to be passed on."""
        data = inner.encode()
        return None if len(data) > MAX_INNER else urlsafe_b64encode(await self._mac(source, asked, data) + data).decode().rstrip("=")

    async def open(self, source: str, asked: SourceQuery, cursor: str) -> str:
        """What the source gave. Raises ValueError for anything but a cursor of this query."""
        if len(cursor) > MAX_CHARS or not cursor.isascii():
            raise ValueError("no cursor")
        sealed = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        mac, data = sealed[:_MAC], sealed[_MAC:]
        if not hmac.compare_digest(mac, await self._mac(source, asked, data)) or urlsafe_b64encode(sealed).decode().rstrip("=") != cursor:
            raise ValueError("not a cursor of this query")
        return data.decode()

    async def _mac(self, source: str, asked: SourceQuery, data: bytes) -> bytes:
        bound = [source, asked.name or asked.query, sorted(asked.params.items()), asked.order]
        return hmac.digest(await self._shared_key(), dumps(bound) + b"\0" + data, "sha256")[:_MAC]

    async def _shared_key(self) -> bytes:
        if not self._key:
            assert self._space is not None, "else there is a key from the beginning"
            await self._space.add_if_absent(_KEY, secrets.token_hex(32))
            self._key = bytes.fromhex(await self._space.get(_KEY))
        return self._key
