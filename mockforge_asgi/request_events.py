"""What events tell of a request once it is over: who answered and why, and who was asked on the way."""

from __future__ import annotations

from mockforge_asgi.events import RequestAnswered, RequestTraced
from mockforge_asgi.http.exchange import Exchange
from mockforge_asgi.http.responses import MockResponse


def answered(exchange: Exchange, response: MockResponse, wall_s: float) -> RequestAnswered:
    """Who answered it, with which response."""
    snapshot, by, reason = exchange.snapshot, exchange.answered_by or f"route {exchange.route}", exchange.reason
    if reason and exchange.is_preflight and response.status in (401, 403) and by != "cors":
        reason += " (a CORS preflight, which carries no credentials: `cors:` would answer it)"
    return RequestAnswered(
        method=snapshot.method,
        path=snapshot.path,
        status=response.status,
        answered_by=by,
        allowed_by=exchange.allowed_by,
        wall_s=wall_s,
        principal=exchange.principal.id if exchange.principal is not None else None,
        reason=reason,
    )


def traced(exchange: Exchange) -> RequestTraced:
    """Who was asked about it."""
    snapshot = exchange.snapshot
    by = exchange.answered_by or ("" if exchange.route is None else f"route {exchange.route}")
    return RequestTraced(method=snapshot.method, path=snapshot.path, answered_by=by, steps=tuple(exchange.trace or ()))
