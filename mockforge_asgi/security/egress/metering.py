"""What comes over one connection, counted before anybody parses it, and handed on in small parts.

A server decides how many bytes lie around a body: heads before the head, tiny chunks, extensions of chunks. The caps of
`http/inflate.py` see none of them, and parsing a large part of such bytes would hold the loop.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Any, Final

from mockforge_asgi.errors import HostCallError

HEAD_BYTES: Final = 32 * 1024
"""Room for an answer's head, interim answers (1xx) and the end of a chunked body included."""
READ_BYTES: Final = 4096
"""Handed on at once: a part that the parser has done with in some milliseconds, whatever it is made of."""


class Allowance:
    """How many bytes may still come over one connection; set anew for each answer, for its head and then for its body."""

    __slots__ = ("_left", "_most", "_what")

    def __init__(self) -> None:
        self.head()

    def head(self) -> None:
        """From here on a head is read."""
        self._what, self._most = "head of the server's answer", HEAD_BYTES
        self._left = self._most

    def body(self, max_body_bytes: int) -> None:
        """From here on a body is read, in whatever chunks: as much again may go into these."""
        self._what, self._most = "server's answer, with all that lies around its body,", 2 * max_body_bytes + HEAD_BYTES
        self._left = self._most

    def take(self, n: int) -> None:
        """That many have come. Raises HostCallError."""
        self._left -= n
        if self._left < 0:
            raise HostCallError("limit", f"the {self._what} has more than {self._most} bytes")


class Metered:
    """An `httpcore2.AsyncNetworkStream` whose reads are small and counted; it belongs to the connection made of it."""

    __slots__ = ("_allowance", "_stream")

    def __init__(self, stream: Any, allowance: Allowance) -> None:  # httpcore2 is imported in client.py alone
        self._stream, self._allowance = stream, allowance

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Some bytes; none at the end. Raises HostCallError once there are too many."""
        await asyncio.sleep(0)  # what lies ready in a buffer is read without waiting: others get their turn all the same
        data: bytes = await self._stream.read(min(max_bytes, READ_BYTES), timeout)
        self._allowance.take(len(data))
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of them."""
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        """Close it."""
        await self._stream.aclose()

    async def start_tls(self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None) -> Metered:
        """The stream inside a TLS connection, counted as well. Closed where the handshake fails or nobody waits for its end any more."""
        try:
            return Metered(await self._stream.start_tls(ssl_context, server_hostname, timeout), self._allowance)
        except BaseException:
            await self._stream.aclose()
            raise

    def get_extra_info(self, info: str) -> Any:
        """What the transport knows."""
        return self._stream.get_extra_info(info)
