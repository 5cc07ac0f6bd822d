"""Error responses: what a client is told when its request cannot be served. It never sees a plugin's inside."""

from __future__ import annotations

import logging
from math import ceil

from mockforge_asgi.errors import (
    LimitExceeded,
    MockForgeError,
    PluginFailed,
    PluginUnavailable,
    RequestRejected,
    SourceFailed,
    TemplateFailed,
)
from mockforge_asgi.http.responses import MockResponse

logger = logging.getLogger("mockforge")

_TITLES = {
    400: "Bad request",
    401: "Authentication required",
    403: "Forbidden",
    404: "Not found",
    408: "Request timeout",
    413: "Body too large",
    431: "Header fields too large",
    502: "Plugin failed",
    503: "Unavailable",
    504: "Plugin timed out",
}


_OF_DATA = {
    400: ("Bad request", "the cursor or the order is not one of this list"),
    409: ("Conflict", "this is there already, or changed meanwhile"),
    422: ("Unprocessable content", "a value of the request is not what the data accept"),
    502: ("Bad gateway", "the data could not be read"),
    503: ("Unavailable", "the data cannot be reached now; try again later"),
    504: ("Gateway timeout", "the data took too long"),
}
"""What a client is told of a data source's failure: the same whatever the cause."""


def error_response(status: int, message: str, headers: tuple[tuple[str, str], ...] = (), *, error: str | None = None) -> MockResponse:
    """`{"error", "message"}` under that status."""
    named = (("cache-control", "no-store"), *headers)
    return MockResponse.json({"error": error or _TITLES.get(status, "Refused"), "message": message}, status, named)


def response_for(error: MockForgeError, told: str = "") -> MockResponse:
    """What a client sees of an error of ours or of a plugin's; `told` is what a developer may be told of the latter."""
    if isinstance(error, RequestRejected):
        return error_response(error.status, error.reason, error.headers)
    if isinstance(error, PluginUnavailable):
        return error_response(503, told or "try again later", (("retry-after", str(max(1, ceil(error.retry_after_s)))),))
    if isinstance(error, LimitExceeded) and error.limit in ("timeout_ms", "cpu_ms"):
        return error_response(504, told or "the plugin that should answer took too long")
    if isinstance(error, PluginFailed):
        return error_response(502, told or "the plugin that should answer failed")
    if isinstance(error, SourceFailed) and error.status in _OF_DATA:
        title, message = _OF_DATA[error.status]
        after = (("retry-after", str(max(1, ceil(error.retry_after_s)))),) if error.status == 503 else ()
        return error_response(error.status, told or message, after, error=title)
    if not isinstance(error, TemplateFailed):  # of which an event tells
        logger.error("a request could not be answered: %s", error)  # the operator's to mend, and nobody else reports it
    return error_response(500, "the mock server could not answer; its log says why", error="Internal error")
