"""What a server may say before it is known who it is: messages of a sensible size, and no question for the password as it is.

asyncpg 0.32 never ends reading a message whose length is less than its own four bytes, and sends a password to whoever asks for it
(PostgreSQL documentation §55.7, message formats). Over TLS the server has proved itself, so that this stands before plain connections.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from typing import Any, Final

MAX_MESSAGE_BYTES: Final = 64 << 10
_HEAD: Final = 5
_PLAIN_PASSWORD: Final = 3
"""AuthenticationCleartextPassword."""


class StartupGuard(asyncio.Protocol):
    """Stands before the driver's protocol, and looks at messages until the first ReadyForQuery; then it passes on what comes."""

    def __init__(self, inner: Any, transport: asyncio.Transport) -> None:
        self._inner, self._transport = inner, transport
        self._left, self._is_ready = b"", False

    def data_received(self, data: bytes) -> None:
        """Look, then pass on; a connection with a bad message is cut."""
        if not self._is_ready and not self._is_good(data):
            self._transport.abort()
        else:
            self._inner.data_received(data)

    def _is_good(self, data: bytes) -> bool:
        left, at = self._left + data, 0
        while len(left) - at >= _HEAD and not self._is_ready:
            (size,) = struct.unpack_from(">i", left, at + 1)
            if not 4 <= size <= MAX_MESSAGE_BYTES:
                return False
            if len(left) - at <= size:
                break
            if left[at : at + 1] == b"R" and left[at + _HEAD : at + _HEAD + 4] == struct.pack(">i", _PLAIN_PASSWORD):
                return False
            self._is_ready = left[at : at + 1] == b"Z"
            at += size + 1
        self._left = b"" if self._is_ready else left[at:]
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """See Protocol."""
        self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        """See Protocol."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """See Protocol."""
        self._inner.resume_writing()

    def eof_received(self) -> bool | None:
        """See Protocol."""
        return self._inner.eof_received()  # type: ignore[no-any-return]  # the driver's


class GuardedLoop:
    """The event loop as asyncpg is given it: it connects with a guard before the driver's protocol."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    async def create_connection(self, factory: Callable[[], Any], *address: Any, **options: Any) -> tuple[Any, Any]:
        """See AbstractEventLoop; nothing has been read yet when it returns."""
        transport, inner = await self._loop.create_connection(factory, *address, **options)
        transport.set_protocol(StartupGuard(inner, transport))
        return transport, inner
