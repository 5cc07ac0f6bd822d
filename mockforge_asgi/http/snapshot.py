"""RequestSnapshot: one request's head, whole and immutable.

Built on every claimed request, so nothing is decoded before somebody asks. Bodies belong to `body`, documents for plugins to
`request_document`.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl, quote

from mockforge_asgi.errors import RequestRejected
from mockforge_asgi.forwarded import Origin, TrustedProxies
from mockforge_asgi.http.paths import match_path, route_path
from mockforge_asgi.types import Scope

Pairs = tuple[tuple[str, str], ...]

MAX_FIELDS: Final = 1000
"""The most headers, query fields and cookies that are read: each costs a microsecond, and servers let tens of thousands through."""


def _text(value: str) -> str:
    """The text without lone surrogates, which JSON cannot carry (a server may decode a path with `surrogateescape`)."""
    return value.encode("utf-8", "surrogatepass").decode("utf-8", "replace")


def bounded(number: int, what: str, status: int) -> None:
    """Raises RequestRejected over `MAX_FIELDS`."""
    if number > MAX_FIELDS:
        raise RequestRejected(status, f"the request has {number:,} {what}; the most that are read is {MAX_FIELDS:,}")


def with_head(methods: frozenset[str]) -> frozenset[str]:
    """The methods, with HEAD where GET is among them: what holds for GET holds for HEAD (RFC 9110 §9.3.2)."""
    return methods | {"HEAD"} if "GET" in methods else methods


_PERCENT: Final = ord("%")  # looked for as a number, which takes a tenth of the time


class RequestSnapshot:
    """A request's head. `path` is decoded and without the mount's root path; header names are lower-case.

    `match_path` is the path as patterns match it: an encoded slash is data of its segment (`paths.ENCODED_SLASH`).
    """

    __slots__ = (
        "_headers",
        "_host",
        "_origin",
        "_query",
        "_scope",
        "match_path",
        "method",
        "path",
        "proxies",
        "query_string",
        "raw_headers",
    )

    def __init__(self, scope: Scope, path: str | None = None, proxies: TrustedProxies | None = None) -> None:
        self._scope, self.proxies = scope, proxies
        """Whose word of where a request comes from is believed: `proxies`."""
        self.method: Final[str] = scope.get("method", "GET")  # a websocket handshake is a GET
        path = route_path(scope) if path is None else path
        self.path: Final[str] = path if path.isascii() else _text(path)
        raw: bytes | None = scope.get("raw_path")
        self.match_path: Final[str] = self.path if raw is None or _PERCENT not in raw else match_path(scope, self.path, raw)
        self.query_string: Final[bytes] = scope.get("query_string", b"")
        self.raw_headers: Final[tuple[tuple[bytes, bytes], ...]] = tuple(scope["headers"])
        self._headers: Pairs | None = None
        self._query: Pairs | None = None
        self._host: str | None = None
        self._origin: Origin | None = None

    @property
    def headers(self) -> Pairs:
        """Every header, in order, names lower-case, values as latin-1 text (RFC 9110 §5.5). Raises RequestRejected for too many."""
        if self._headers is None:
            self.check_headers()
            self._headers = tuple((n.decode("latin-1").lower(), v.decode("latin-1")) for n, v in self.raw_headers)
        return self._headers

    def header(self, name: str, default: str | None = None) -> str | None:
        """The first value of a header, by lower-case name; decodes only that one."""
        wanted, size = name.encode("latin-1"), len(name)
        for key, value in self.raw_headers:
            if len(key) == size and (key == wanted or key.lower() == wanted):
                return value.decode("latin-1")
        return default

    def check_headers(self) -> None:
        """Raises RequestRejected for too many headers."""
        if len(self.raw_headers) > MAX_FIELDS:
            bounded(len(self.raw_headers), "header fields", 431)

    @property
    def query(self) -> Pairs:
        """The query's pairs, percent-decoded, in order, repeated names kept, blank values kept. Raises RequestRejected for too many."""
        if self._query is None:
            self.check_query()
            text = self.query_string.decode("latin-1")
            self._query = tuple(parse_qsl(text, keep_blank_values=True, errors="replace")) if text else ()
        return self._query

    def check_query(self) -> None:
        """Raises RequestRejected for too many fields in the query."""
        bounded(self.query_string.count(b"&") + 1, "fields in the query", 400)

    @property
    def host(self) -> str:
        """The Host header, or the server's own address where a client sent none."""
        if self._host is None:
            host = ""
            for name, value in self.raw_headers:  # as `header` does it: this is asked for every document
                if name == b"host" or name.lower() == b"host":
                    host = value.decode("latin-1")
                    break
            if not host and (server := self._scope.get("server")) and server[1] is not None:
                host = f"{server[0]}:{server[1]}"
            self._host = host
        return self._host

    @property
    def raw_path(self) -> str:
        """The path as the client sent it, still percent-encoded, root path included, without the query."""
        raw: bytes | None = self._scope.get("raw_path")
        if raw is None:
            return quote(_text(self._scope["path"]), safe="/:@!$&'()*+,;=~%-._")
        return raw.partition(b"?")[0].decode("latin-1")

    @property
    def client(self) -> str | None:
        """The client's address, without the port: the peer's as the server tells it, or what a trusted proxy tells."""
        return self._peer if self.proxies is None else self._told(self.proxies).client

    @property
    def scheme(self) -> str:
        """`http` or `https`, of a websocket `ws` or `wss`: as the server tells it, or what a trusted proxy tells."""
        told = None if self.proxies is None else self._told(self.proxies).scheme
        return told or self._scope.get("scheme", "http")

    @property
    def _peer(self) -> str | None:
        client = self._scope.get("client")
        return str(client[0]) if client else None

    def _told(self, proxies: TrustedProxies) -> Origin:
        if self._origin is None:
            self._origin = proxies.origin(self._peer, self.raw_headers, self._scope.get("type", "http"))
        return self._origin

    def __repr__(self) -> str:
        return f"RequestSnapshot({self.method} {self.path})"
