"""CORS preflights that the wrapped app answers before auth, on protected paths whose rule says `preflight: app`.

Browsers send them without credentials (Fetch §3.2.2), and anybody can forge one. Only the status, `Access-Control-*` and `Vary` of its
response are sent, and only if it has `Access-Control-Allow-Origin`. Otherwise the app sees no preflight that auth refuses.
"""

from __future__ import annotations

from mockforge_asgi.http.exchange import Exchange, without_exchange
from mockforge_asgi.http.headers import wire_headers
from mockforge_asgi.http.responses import ALLOW_ORIGIN, MockResponse
from mockforge_asgi.types import ASGIApp, Message


async def answer_preflight(app: ASGIApp, exchange: Exchange) -> bool:
    """Let the app answer a preflight; False when what it said is no response to one and was not sent.

    Middlewares of ours further in have an exchange of their own: in a shared one they would take what is sent here for theirs.
    """
    is_sent = False

    async def send_head(message: Message) -> None:
        nonlocal is_sent
        headers = message.get("headers") or ()
        if message["type"] == "http.response.start" and not is_sent and any(name.lower() == ALLOW_ORIGIN for name, _ in headers):
            is_sent = True
            await exchange.respond(MockResponse(message["status"], wire_headers(pair for pair in headers if _is_shown(pair[0].lower()))))

    await app(without_exchange(exchange.scope), exchange.request_body.preview(), send_head)
    return is_sent


def _is_shown(name: bytes) -> bool:
    return name == b"vary" or name.startswith(b"access-control-")
