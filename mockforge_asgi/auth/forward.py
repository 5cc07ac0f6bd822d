"""Handing a request on to the wrapped app: with what was read replayed, the caller in its scope, auth's headers put on its response."""

from __future__ import annotations

from mockforge_asgi.auth.user import with_anonymous, with_user
from mockforge_asgi.http.exchange import SCOPE_KEY, Exchange, without_exchange
from mockforge_asgi.http.headers import with_headers
from mockforge_asgi.http.responses import TEMPLATE_EXTENSION
from mockforge_asgi.types import ASGIApp, Headers, Message, Send

_STARTS = ("http.response.start", "websocket.accept", "websocket.http.response.start", TEMPLATE_EXTENSION)


async def forward(app: ASGIApp, exchange: Exchange, *, is_protected: bool = False, share: bool = False) -> None:
    """Let the wrapped app answer. Plugins are done with this request, and errors of the app are its own.

    `share` leaves the exchange in the scope, for middlewares of ours mounted further in.
    """
    scope, send = exchange.scope, exchange.send
    if exchange.principal is not None:
        scope = with_user(scope, exchange.principal, exchange.claims)
    elif is_protected:
        scope = with_anonymous(scope)
    if exchange.cors is not None:
        send = exchange.cors.around(send, exchange.snapshot)
    if exchange.allowed_headers:
        send, exchange.allowed_headers = _adding(exchange.allowed_headers, send), ()
    scope = {**scope, SCOPE_KEY: exchange} if share else without_exchange(scope)
    await app(scope, exchange.request_body.replay(), send)


def _adding(extra: Headers, send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] in _STARTS:
            message = {**message, "headers": with_headers(message.get("headers") or (), extra)}
        await send(message)

    return send_with_headers
