"""A cap on the bytes that a connection receives: counted where they come from the network, before any driver keeps them."""

from __future__ import annotations

import asyncio
from typing import Any


class ByteCap:
    """Counts for one connection; beyond the cap the connection is cut."""

    def __init__(self) -> None:
        self.left = 1 << 30
        self.is_over = False

    def allow(self, max_bytes: int) -> None:
        """So many from now on."""
        self.left = max_bytes

    def cut(self, transport: asyncio.Transport) -> None:
        """End the connection: nothing that came is of use now."""
        if not self.is_over:
            self.is_over = True
            transport.abort()


class _PassedOn(asyncio.BaseProtocol):
    """All but the data, as it is."""

    def __init__(self, inner: Any, transport: Any, cap: ByteCap) -> None:
        self._inner, self._transport, self._cap = inner, transport, cap

    def connection_lost(self, exc: Exception | None) -> None:
        """See BaseProtocol."""
        self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        """See BaseProtocol."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """See BaseProtocol."""
        self._inner.resume_writing()

    def eof_received(self) -> bool | None:
        """See Protocol."""
        return self._inner.eof_received()  # type: ignore[no-any-return]  # the driver's


class CountedProtocol(_PassedOn, asyncio.Protocol):
    """Stands before a driver's streaming protocol."""

    def data_received(self, data: bytes) -> None:
        """Count, then pass on."""
        cap = self._cap
        cap.left -= len(data)
        if cap.left < 0:
            cap.cut(self._transport)
        else:
            self._inner.data_received(data)


class CountedBufferedProtocol(_PassedOn, asyncio.BufferedProtocol):
    """Stands before a driver's protocol that lends its buffer."""

    def get_buffer(self, sizehint: int) -> Any:
        """See BufferedProtocol."""
        return self._inner.get_buffer(sizehint)

    def buffer_updated(self, nbytes: int) -> None:
        """Count, then pass on."""
        cap = self._cap
        cap.left -= nbytes
        if cap.left < 0:
            cap.cut(self._transport)
        else:
            self._inner.buffer_updated(nbytes)


def capped(transport: Any, cap: ByteCap) -> None:
    """Have the cap count what comes over the transport."""
    inner = transport.get_protocol()
    made = CountedBufferedProtocol if isinstance(inner, asyncio.BufferedProtocol) else CountedProtocol
    transport.set_protocol(made(inner, transport, cap))
