"""CORS of a server that holds nothing but mocks: pages of any origin may call it, without credentials (Fetch §3.2).

Where an app is wrapped, CORS is that app's own affair.
"""

from __future__ import annotations

from typing import Final

from mockforge_asgi.errors import Refused
from mockforge_asgi.http.answers import MockResponse
from mockforge_asgi.http.headers import BadHeader, wire_headers
from mockforge_asgi.http.snapshot import RequestSnapshot

_ORIGIN: Final = b"access-control-allow-origin"
_OPEN: Final = ((_ORIGIN, b"*"), (b"access-control-expose-headers", b"*"))


def open_preflight(snapshot: RequestSnapshot) -> MockResponse:
    """The answer to a preflight: every origin, method and header. Raises Refused where it asks for what no header can carry."""
    asked = snapshot.header("access-control-request-headers")
    headers = {
        "access-control-allow-origin": "*",
        "access-control-allow-methods": snapshot.header("access-control-request-method") or "GET",
        "access-control-max-age": "600",
        **({"access-control-allow-headers": asked} if asked else {}),
    }
    try:
        return MockResponse(204, wire_headers(headers))
    except BadHeader:
        raise Refused(400, "the preflight asks for a method or headers that do not exist") from None


def opened(snapshot: RequestSnapshot, answer: MockResponse) -> MockResponse:
    """The answer, readable for the page that asked; one that speaks of CORS itself stays as it is."""
    if snapshot.header("origin") is None or any(name == _ORIGIN for name, _ in answer.headers):
        return answer
    return answer.adding(_OPEN)
