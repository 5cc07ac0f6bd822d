"""RequestBody: all that still comes in from the client: its body (bounded, timed), its leaving, and what later readers must see again.

The only reader of ASGI request messages. Nothing is read before somebody asks; what was read is replayed to the next reader,
as one message.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Final

from mockforge_asgi.begun import rest_of
from mockforge_asgi.errors import ClientDisconnected, HostCallError, RequestRejected, UnsupportedEventLoop
from mockforge_asgi.types import Message, Receive, Scope


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """How much of a body is held in memory, and how long its sender may take in all."""

    max_bytes: int = 1024 * 1024
    timeout_s: float = 10.0


DEFAULT_LIMITS: Final = BodyLimits()
_FRAMING: Final = frozenset({b"content-length", b"transfer-encoding"})


class RequestBody:
    """The client's side of one exchange."""

    # What most requests never come to stands in the class until then.
    gone = False
    """Whether the client is known to have left."""
    watched = False
    """Whether a watch over the client is set up (see `disconnect`)."""
    is_lent = False
    """Whether somebody else receives now: what has not been read is theirs to read."""
    _is_whole = False
    """Whether the message that ends the body was read."""
    _is_owed = False
    """Whether a message of the body was read that is still to be replayed."""
    _touched = False
    _refusal: tuple[int, str] | None = None
    _lock: asyncio.Lock | None = None
    _listener: asyncio.Task[Message] | None = None
    _on_departure: Callable[[], None] | None = None
    _before: RequestBody | None = None

    def __init__(self, scope: Scope, receive: Receive, limits: BodyLimits = DEFAULT_LIMITS, *, before: RequestBody | None = None) -> None:
        """`before` is the one that this one takes over from; it ends with this one."""
        self._receive, self.limits = receive, limits
        if before is not None:
            self._before = before
        self.length = _announced(scope)
        """The body's length: announced by the client, or read; None while nobody can know."""
        self.body_now: bytes | None = b"" if self.length == 0 else None
        """The body if it is whole already, without waiting."""
        self._held = bytearray()
        """What was read of the body so far."""

    async def body(self) -> bytes:
        """The whole body.

        Raises RequestRejected (413 over the limit, 408 too slow), ClientDisconnected, HostCallError where the wrapped app has it, and
        UnsupportedEventLoop on another event loop than asyncio.
        """
        if self.body_now is not None:
            return self.body_now
        if self.is_lent:
            raise HostCallError("unavailable", "the request's body was left to the wrapped app; it can no longer be read")
        if asyncio._get_running_loop() is None:
            raise UnsupportedEventLoop("bodies are read on asyncio only, and this is not an asyncio event loop.")
        if self._lock is None:
            self._lock = asyncio.Lock()
            if not self._touched and (self.length is None or self.length <= self.limits.max_bytes):
                return await self._read_at_once(self._lock)
        return await self._read_locked(self._lock)

    async def _read_at_once(self, lock: asyncio.Lock) -> bytes:
        """The body, with neither lock nor time-out if its first message is there and is all of it, as it is nearly always."""
        self._touched, receiving = True, self._receive()
        if not isinstance(receiving, Coroutine):
            return await self._read_locked(lock, receiving)
        try:
            waits_for = receiving.send(None)
        except StopIteration as ended:
            self._keep(ended.value)
        else:
            return await self._read_locked(lock, rest_of(receiving, waits_for))
        if not self._is_whole or len(self._held) > self.limits.max_bytes:
            return await self._read_locked(lock)
        return self._have_read()

    async def _read_locked(self, lock: asyncio.Lock, receiving: Awaitable[Message] | None = None) -> bytes:
        async with lock:
            if self._refusal is not None:
                raise RequestRejected(*self._refusal)
            if self.body_now is not None:
                return self.body_now
            try:
                await self._read(receiving)
            except RequestRejected as refusal:
                self._refusal = refusal.status, refusal.reason  # not the error: it knows this frame, and with it this body
                raise
            return self._have_read()

    def _have_read(self) -> bytes:
        """The body, of which all has been read."""
        body = self.body_now = bytes(self._held)
        self._held.clear()
        self.length = len(body)
        if self._on_departure is not None:
            self._listen()
        return body

    async def _read(self, receiving: Awaitable[Message] | None) -> None:
        most = self.limits.max_bytes
        if self.length is not None and self.length > most:
            raise RequestRejected(413, f"the body has {self.length} bytes, the most is {most}")
        try:
            async with asyncio.timeout(self.limits.timeout_s):
                if receiving is not None:
                    self._keep(await receiving)
                await self._read_rest(most)
        except TimeoutError:
            raise RequestRejected(408, f"the body did not arrive within {self.limits.timeout_s:g} s") from None

    async def _read_rest(self, most: int) -> None:
        while True:
            if len(self._held) > most:
                raise RequestRejected(413, f"the body has more than {most} bytes")
            if self._is_whole:
                return
            if self.gone:
                raise ClientDisconnected("the client left before its body was whole")
            size = len(self._held)
            await self._more()
            if len(self._held) == size and not self._is_whole:
                await asyncio.sleep(0)  # who always has one more empty message at hand would never let the time run out

    async def _more(self) -> None:
        self._touched = True
        self._keep(await self._receive())

    def _keep(self, message: Message) -> None:
        """Add a message to what is replayed. Parts of a body are merged: memory is held for bytes, not for messages."""
        if message["type"] == "http.disconnect":
            self.gone = True
        elif not self._is_whole:
            self._held += message.get("body") or b""
            self._is_owed, self._is_whole = True, not message.get("more_body", False)

    def replay(self) -> Receive:
        """The `receive` for who comes after: the client's own if nothing was read, else what was read and then the client's own."""
        self.is_lent = True
        return self._next if self._touched else self._receive

    def preview(self) -> Receive:
        """A `receive` for who only has a look: an empty body, then the client's leaving. All that it reads is replayed later."""
        is_first = True

        async def receive() -> Message:
            nonlocal is_first
            if is_first:
                is_first = False
                return {"type": "http.request", "body": b"", "more_body": False}
            is_end = False
            while not self.gone and not is_end and len(self._held) <= self.limits.max_bytes:
                is_end = self._is_whole  # after a whole body only the leaving comes
                await self._more()
            return {"type": "http.disconnect"}

        return receive

    async def _next(self) -> Message:
        while not self._is_owed and not self.gone:
            if self._listener is None:
                return await self._receive()
            await asyncio.wait([self._listener])  # a reader that is cancelled here leaves the message to the next one
        if not self._is_owed:
            return {"type": "http.disconnect"}
        self._is_owed, body = False, self.body_now or bytes(self._held)
        self._held.clear()
        if self._is_whole:
            self.body_now = body
        return {"type": "http.request", "body": body, "more_body": not self._is_whole}

    def watch(self, on_departure: Callable[[], None]) -> None:
        """Call that function once when the client leaves; listening begins when the body is whole or known to be empty."""
        self._on_departure = on_departure
        if self.gone:
            on_departure()
        else:
            self._listen()

    def unwatch(self) -> None:
        """Stop caring. A message that is being waited for is kept for `replay`."""
        self._on_departure = None

    def close(self) -> None:
        """The exchange is over."""
        self._on_departure = None
        if self._listener is not None:
            self._listener.cancel()
            self._listener = None
        if self._before is not None:
            self._before.close()

    def _listen(self) -> None:
        if not self.is_lent and self._on_departure is not None and self._listener is None and self.body_now is not None:
            self._touched = True
            self._listener = asyncio.ensure_future(_one(self._receive))
            self._listener.add_done_callback(self._heard)

    def _heard(self, listener: asyncio.Task[Message]) -> None:
        if listener is not self._listener or listener.cancelled():
            return
        self._listener = None
        if listener.exception() is not None:
            return  # whoever receives next meets the same error
        was_whole = self._is_whole
        self._keep(listener.result())
        if self.gone and self._on_departure is not None:
            self._on_departure()
        elif self._is_whole and not was_whole:
            self._listen()


async def _one(receive: Receive) -> Message:
    return await receive()


def _announced(scope: Scope) -> int | None:
    """The body's length as the head tells it; None when only reading can tell.

    A transfer coding overrules a length (RFC 9112 §6.3), and of two lengths nobody knows which the server believed. Beyond HTTP/1 a body
    ends where its stream does, so that no head proves it empty.
    """
    if scope["type"] != "http":
        return 0
    told: bytes | None = None
    for name, value in scope["headers"]:
        if name in _FRAMING:
            if name == b"transfer-encoding" or told not in (None, value):
                return None
            told = value
    if told is not None and not (told.isdigit() and len(told) < 20):
        return None
    length = int(told or b"0")
    return length if length or scope.get("http_version", "1.1")[:1] == "1" else None
