"""Requests of the tests of routing: a snapshot with just these parts."""

from __future__ import annotations

from mockforge_asgi.http.snapshot import Pairs, RequestSnapshot


class Request(RequestSnapshot):
    """The parts of a request that routes look at."""

    def __init__(self, method: str = "GET", path: str = "/", headers: Pairs = (), query: Pairs = ()) -> None:
        super().__init__({"type": "http", "method": method, "path": path, "headers": []})
        self._headers, self._query = headers, query
