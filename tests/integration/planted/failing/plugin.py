"""A responder that fails, and says all that it was shown."""

from __future__ import annotations

from mockforge_plugin import Request, Response, ResponsePlugin, log


class Failing(ResponsePlugin):
    """Logs the request, and raises it."""

    def generate(self, request: Request) -> Response:
        """Fail."""
        shown = f"{list(request.headers)} {list(request.query)} {request.query_string} {request.cookies} {request.principal} {request.url}"
        log.error(shown)
        raise ValueError(shown)
