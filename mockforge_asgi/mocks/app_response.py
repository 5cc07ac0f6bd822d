"""AppResponse: one response of the wrapped app on its way through modifiers.

It is whole where its length is told and within the bound, or where its first part is its last: then it is held, changed and sent at once.
Any other streams, and so do server-sent events, responses with trailers, files the server sends itself (pathsend) and whatever else is no
body: modifiers are given its head, and the rest goes past as the app sends it. Of a response that nobody changes only the parts that were
held are sent as one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mockforge_asgi.errors import MockForgeError
from mockforge_asgi.http.exchange import Exchange
from mockforge_asgi.http.headers import OURS, wire_headers
from mockforge_asgi.http.responses import MockResponse, ResponseHead
from mockforge_asgi.types import Headers, Message, Send

if TYPE_CHECKING:
    from mockforge_asgi.mocks.modifiers import Modifiers

_LENGTH: Final = b"content-length"
_OF_THE_BODY: Final = frozenset({_LENGTH, b"transfer-encoding", b"trailer"})


class AppResponse:
    """`send` is what the wrapped app sends to; `send` of the constructor is the server's."""

    __slots__ = (
        "_exchange",
        "_has_begun",
        "_head",
        "_held",
        "_is_refused",
        "_length",
        "_max_bytes",
        "_modifiers",
        "_send",
        "_start",
    )

    def __init__(self, modifiers: Modifiers, exchange: Exchange, send: Send, max_bytes: int) -> None:
        self._modifiers, self._exchange, self._send, self._max_bytes = modifiers, exchange, send, max_bytes
        self._start: Message | None = None
        """The first message while it is held."""
        self._head = ResponseHead(0, ())
        self._length: int | None = None
        self._held = bytearray()
        self._has_begun = self._is_refused = False

    async def send(self, message: Message) -> None:
        """Take a message of the app. Raises OSError when what it streams was refused, so that it ends."""
        if self._is_refused:
            if message.get("more_body", False):
                raise OSError("a modifier failed: the client was sent an error instead of this response")
        elif self._start is not None:
            await self._go_on(self._start, message)
        elif message["type"] == "http.response.start" and not self._has_begun:
            await self._begin(message)
        else:
            await self._send(message)

    async def _begin(self, start: Message) -> None:
        self._has_begun = True
        pairs = tuple((name.lower(), value) for name, value in start.get("headers") or ())
        is_head = self._exchange.snapshot.method == "HEAD"
        self._head = ResponseHead(start["status"], tuple(pair for pair in pairs if pair[0] not in OURS), is_head)
        if not 200 <= start["status"] <= 599 or not self._modifiers.want(self._exchange, self._head):
            return await self._send(start)
        self._length = _length(pairs)
        if is_head or start.get("trailers") or _streams(pairs) or (self._length or 0) > self._max_bytes:
            return await self._change_head(start)
        self._start = start

    async def _go_on(self, start: Message, message: Message) -> None:
        is_part = message["type"] == "http.response.body"
        if is_part:
            self._held += message.get("body") or b""
            if len(self._held) <= self._max_bytes:
                if not message.get("more_body", False):
                    return await self._change_whole(start, message)
                if self._length is not None:
                    return
        self._start = None
        await self._change_head(start)
        if is_part:
            message = {**message, "body": bytes(self._held)}
        elif self._held:
            await self.send({"type": "http.response.body", "body": bytes(self._held), "more_body": True})
        self._held.clear()
        await self.send(message)

    async def _change_whole(self, start: Message, end: Message) -> None:
        self._start = None
        response = MockResponse(self._head.status, self._head.headers, bytes(self._held))
        try:
            changed = await self._modifiers.change_app(self._exchange, response)
        except MockForgeError as error:
            return await self._refuse(error)
        if changed is response:
            await self._send(start)
            return await self._send({**end, "body": response.body})
        ours = _ours(start, but=_OF_THE_BODY)

        async def send(message: Message) -> None:
            await self._send({**message, "headers": [*message["headers"], *ours]} if "headers" in message else message)

        await changed.send(send)

    async def _change_head(self, start: Message) -> None:
        try:
            changed = await self._modifiers.change_app(self._exchange, self._head)
        except MockForgeError as error:
            return await self._refuse(error)
        if changed is not self._head:
            ours = _ours(start, but=_OF_THE_BODY if changed.has_new_body else frozenset())
            start = {**start, "status": changed.status, "headers": [*wire_headers(changed.headers), *ours]}
        await self._send(start)

    async def _refuse(self, error: MockForgeError) -> None:
        self._is_refused = True
        await self._modifiers.in_place_of(self._exchange, error).send(self._send, head=self._exchange.snapshot.method == "HEAD")


def _length(headers: Headers) -> int | None:
    told = next((value for name, value in headers if name == _LENGTH), b"")
    return int(told) if told.isdigit() and len(told) < 20 else None


def _streams(headers: Headers) -> bool:
    kind = next((value for name, value in headers if name == b"content-type"), b"")
    return kind.partition(b";")[0].strip().lower() in (b"text/event-stream", b"multipart/x-mixed-replace")


def _ours(start: Message, *, but: frozenset[bytes]) -> Headers:
    """What the app said about framing and connection, in place of what is otherwise ours to say."""
    return tuple((name, value) for name, value in start.get("headers") or () if name.lower() in OURS and name.lower() not in but)
