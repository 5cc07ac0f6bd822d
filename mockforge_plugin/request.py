"""What a plugin is given of one exchange: the request, and for modifiers the answer already made.

Both hold the host's document and look into it when asked; bodies that stayed at the host are read by host calls.
"""

from __future__ import annotations

import json as _json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

from mockforge_plugin.charset import decoded, decoded_json
from mockforge_plugin.host import read_body
from mockforge_plugin.host_call import HostCall, settled
from mockforge_plugin.pairs import Headers, Pairs, Query, pairs
from mockforge_plugin.values import Body, Json, Principal, Response, body_document, body_of


class _WithBody:
    """Whatever has headers and a body at the host."""

    __slots__ = ("_body", "_document", "_headers")
    _of = "request"

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._headers: Headers | None = None
        self._body: Body | None = None

    def _get(self, name: str, default: Json = None) -> Json:
        """A member of the document."""
        return self._document.get(name, default)

    @property
    def headers(self) -> Headers:
        """Header pairs in order, as far as they are granted; names in lower case."""
        if self._headers is None:
            self._headers = Headers((k, v) for k, v in self._get("headers"))
        return self._headers

    def header(self, name: str, default: str | None = None) -> str | None:
        """The first header of that name, whatever its case, or the default."""
        low = name.lower()
        for key, value in self._get("headers"):
            if key == low or key.lower() == low:
                return str(value)
        return default

    def header_values(self, name: str) -> list[str]:
        """Every value of the headers of that name, whatever its case, in order: for those that must not be there twice."""
        low = name.lower()
        return [str(value) for key, value in self._document["headers"] if key == low or key.lower() == low]

    @property
    def body(self) -> Body:
        """The body as it came: whole, or its size when it stayed at the host. `read()` works for both."""
        if self._body is None:
            self._body = body_of(self._get("body"))
        return self._body

    def read(self, *, offset: int = 0, length: int | None = None) -> HostCall[bytes]:
        """The body, or a part of it. Await it, or call `.result()` in plain functions."""
        body = self.body
        if body.data is not None:
            return settled(body.data[offset:] if length is None else body.data[offset : offset + length])
        if not body.available:
            return settled(b"")
        return read_body(self._of, offset, length)

    def text(self, encoding: str | None = None) -> HostCall[str]:
        """The body as text, in the charset of its byte order mark or `content-type` (where that is granted), else UTF-8.

        Raises: UnicodeDecodeError, and ValueError for other charsets, when awaited.
        """
        kind = self.header("content-type", "") or ""
        return self.read().then(lambda data: decoded(data, kind) if encoding is None else data.decode(encoding))

    def json(self) -> HostCall[Json]:
        """The body as JSON. Raises: ValueError when awaited."""
        kind = self.header("content-type", "") or ""
        return self.read().then(lambda data: _json.loads(decoded_json(data, kind), parse_constant=_no_constant))


def _no_constant(name: str) -> Json:
    raise ValueError(f"{name} is not JSON")


def _form(data: bytes) -> Query:
    if data.startswith(b"--") and b"\r\n" in data:
        raise ValueError("the body is multipart/form-data, and form() reads application/x-www-form-urlencoded: take its parts from read()")
    return Query(parse_qsl(data.decode(), keep_blank_values=True))


class Request(_WithBody):
    """One HTTP request, as far as the plugin's grants let it see."""

    __slots__ = ("_cookies", "_is_by_hand", "_principal", "_query", "fingerprint")
    _principal: Principal | None
    _cookies: dict[str, str] | None
    _query: Query | None

    def __init__(
        self,
        method: str = "GET",
        path: str = "/",
        *,
        headers: Mapping[str, str] | Iterable[Iterable[str]] | None = None,
        query: Mapping[str, str] | Iterable[Iterable[str]] | None = None,
        body: bytes | str = b"",
        scheme: str = "http",
        host: str = "localhost",
        client: str | None = None,
        route: str | None = None,
        path_params: Mapping[str, str | int | float] | None = None,
        principal: Principal | None = None,
        claims: Mapping[str, Json] | None = None,
        fingerprint: str = "",
    ) -> None:
        """A request made by hand, for tests of a plugin."""
        data = body.encode() if isinstance(body, str) else body
        document = {
            "method": method,
            "scheme": scheme,
            "host": host,
            "path": path,
            "raw_path": path,
            "query": pairs(query),
            "query_string": urlencode(pairs(query)),
            "headers": [(k.lower(), v) for k, v in pairs(headers)],
            "client": client,
            "route": route,
            "path_params": dict(path_params or {}),
            "principal": None,
            "claims": dict(claims or {}),
            "body": body_document(data),
        }
        self._document, self.fingerprint, self._is_by_hand = document, fingerprint, True
        self._headers = self._body = self._cookies = self._query = None
        self._principal = principal

    @classmethod
    def from_document(cls, document: Mapping[str, Any], fingerprint: str = "") -> Request:
        """The request of a request document; nothing is copied until it is looked at."""
        self = cls.__new__(cls)
        self._document, self.fingerprint, self._is_by_hand = document, fingerprint, False
        self._headers = self._body = self._cookies = self._query = self._principal = None
        return self

    @property
    def method(self) -> str:
        """`GET`, `POST`, ..."""
        return str(self._get("method"))

    @property
    def scheme(self) -> str:
        """`http` or `https`."""
        return str(self._get("scheme", "http"))

    @property
    def host(self) -> str:
        """Host and port as the client named them."""
        return str(self._get("host", ""))

    @property
    def path(self) -> str:
        """The decoded path."""
        return str(self._get("path"))

    @property
    def raw_path(self) -> str:
        """The path as sent, percent-encoded."""
        raw = self._get("raw_path")
        return self.path if raw is None else str(raw)

    @property
    def query(self) -> Query:
        """Query pairs in order, as far as they are granted."""
        if self._query is None:
            self._query = Query((k, v) for k, v in self._get("query") or ())
        return self._query

    @property
    def query_string(self) -> str | None:
        """The query as sent, percent-encoded, without `?`; None where not all of it may be seen."""
        found: str | None = self._get("query_string")
        return found

    @property
    def cookies(self) -> dict[str, str]:
        """Cookies by name; of a repeated name the first counts (RFC 6265 §5.4 order)."""
        if self._cookies is None:
            found: dict[str, str] = {}
            for line in self.headers.all("cookie"):
                for part in line.split(";"):
                    name, separator, value = part.strip(" \t").partition("=")
                    if separator:
                        found.setdefault(name, value.strip('"'))
            self._cookies = found
        return self._cookies

    @property
    def client(self) -> str | None:
        """The client's address, when granted."""
        found: str | None = self._get("client")
        return found

    @property
    def route(self) -> str | None:
        """The template of the matched route, such as `/hello/{name}`."""
        found: str | None = self._get("route")
        return found

    @property
    def path_params(self) -> dict[str, str | int | float]:
        """Values of the route's placeholders: numbers for `{id:int}` and `{x:float}`, else text."""
        return self._get("path_params") or {}

    @property
    def principal(self) -> Principal | None:
        """Who auth found the caller to be, when granted."""
        if self._principal is None:
            found = self._get("principal")
            if found:
                self._principal = Principal.from_document(found)
        return self._principal

    def read_raw(self, *, offset: int = 0, length: int | None = None) -> HostCall[bytes]:
        """The body, or a part of it, in its content coding: the bytes as they came, over which signatures are made."""
        body = self.body
        if self._is_by_hand or (body.data is None and not body.available):
            return self.read(offset=offset, length=length)
        return read_body("request.raw", offset, length)

    @property
    def claims(self) -> Mapping[str, Json]:
        """What auth found said of the caller, such as the claims of its token, when `request.principal` is granted."""
        return self._get("claims") or {}

    @property
    def url(self) -> str:
        """Scheme, host and raw path; no query."""
        return f"{self.scheme}://{self.host}{self.raw_path}"

    def form(self) -> HostCall[Query]:
        """The body as `application/x-www-form-urlencoded` pairs. Raises: ValueError for `multipart/form-data` when awaited."""
        return self.read().then(_form)

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.path}>"


class Answer(_WithBody):
    """The answer that a modifier may change: `status`, `headers`, `body.available`, `read()`."""

    __slots__ = ()
    _of = "response"

    @property
    def status(self) -> int:
        """The status code."""
        return int(self._get("status"))

    def replace(
        self,
        *,
        status: int | None = None,
        headers: Mapping[str, str] | Iterable[Iterable[str]] | None = None,
        body: bytes | str | None = None,
    ) -> Response:
        """This answer with parts replaced; a body that is not given stays as it is, unread, at the host."""
        kept: Pairs = self.headers if headers is None else pairs(headers)
        new: bytes | Body = self.body if body is None else body.encode() if isinstance(body, str) else body
        return Response(self.status if status is None else status, kept, new)

    def with_headers(self, changes: Mapping[str, str | None]) -> Response:
        """This answer with headers set, or removed where the value is None; the body stays."""
        gone = {name.lower() for name in changes}
        kept = [pair for pair in self.headers if pair[0].lower() not in gone]
        return self.replace(headers=[*kept, *((name, value) for name, value in changes.items() if value is not None)])

    def __repr__(self) -> str:
        return f"<Answer {self.status}>"
