"""Decisions as responses: what a refused caller gets, over HTTP and on a websocket handshake."""

from __future__ import annotations

from typing import Final

from mockforge_asgi.auth.challenge import DEFAULT_CHALLENGE
from mockforge_asgi.contract import Deny, Reply
from mockforge_asgi.http.errors import error_response
from mockforge_asgi.http.exchange import Exchange
from mockforge_asgi.http.headers import wire_headers
from mockforge_asgi.http.responses import MockResponse, TemplateResponse

_TITLES: Final = {401: "Authentication failed", 502: "Authentication failed", 503: "Authentication unavailable"}


def denial(deny: Deny) -> MockResponse:
    """The response to a Deny."""
    challenge = deny.challenge or (DEFAULT_CHALLENGE if deny.status == 401 else None)
    headers: tuple[tuple[str, str], ...] = (("www-authenticate", challenge),) if challenge else ()
    headers += (("retry-after", "1"),) if deny.status == 503 else ()
    title = _TITLES.get(deny.status) if deny.reason != "authentication required" else None
    return error_response(deny.status, deny.reason, headers, error=title)


def decision_response(decision: Deny | Reply) -> MockResponse | TemplateResponse:
    """The response to a caller that may not pass."""
    if isinstance(decision, Deny):
        return denial(decision)
    response = decision.response
    headers = wire_headers(response.headers)
    if response.template is not None:
        return TemplateResponse(response.status, headers, response.template, response.vars)
    body = response.body if isinstance(response.body, bytes) else response.body.data or b""
    return MockResponse(response.status, headers, body)


async def refuse(exchange: Exchange, response: MockResponse | TemplateResponse) -> None:
    """Send a response in place of what was asked for, be that a page or a websocket."""
    if exchange.scope["type"] == "websocket":
        await refuse_handshake(exchange, response)
    else:
        await exchange.respond(response)


async def refuse_handshake(exchange: Exchange, response: MockResponse | TemplateResponse) -> None:
    """Refuse a websocket: with the response itself where the server can send one, else by closing, which servers make a 403."""
    await exchange.receive()
    if isinstance(response, MockResponse) and "websocket.http.response" in (exchange.scope.get("extensions") or {}):
        await response.send_denial(exchange.send)
    else:
        await exchange.send({"type": "websocket.close", "code": 1008, "reason": ""})
