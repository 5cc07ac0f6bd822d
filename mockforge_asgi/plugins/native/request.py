"""NativeRequest: a request as code in this process is given it, under its view, read when it is asked for.

What may be seen is decided where documents are made (`http/request_document.py`); the same is seen here, from what the request was when
the call began, without a document in between. Each call has one of its own, and shares nothing with others that could be changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from mockforge_asgi.exact_json import dumps, loads
from mockforge_asgi.http.exchange import Exchange
from mockforge_asgi.http.fingerprint import fingerprint
from mockforge_asgi.http.request_document import (
    INLINE_BODY_BYTES,
    RequestView,
    check_number,
    head_document,
    principal_document,
    visible_headers,
    visible_query,
    visible_query_string,
)
from mockforge_asgi.http.snapshot import MAX_FIELDS, bounded
from mockforge_plugin.pairs import Headers, Query
from mockforge_plugin.request import Request
from mockforge_plugin.values import Body, Json, Principal, body_document

_AT_HOST: Final = Body(None, 0)


class NativeRequest(Request):
    """One request for one call of one plugin. Copied or pickled it is a plain `Request`.

    Everything is taken here that may change while the plugin still holds it, or that only the event loop may look at. What is worked out
    when it is asked for has its place in the class until then: most plugins ask for little.
    """

    _body: Body | None = _AT_HOST
    _headers: Headers | None = None
    _query: Query | None = None
    _cookies: dict[str, str] | None = None
    _principal: Principal | None = None
    _own_params: dict[str, str | int | float] | None = None
    _own_claims: dict[str, Json] | None = None
    _made: dict[str, Any] | None = None
    _is_by_hand = False
    _raw_body: bytes | None = None

    def __init__(self, exchange: Exchange, view: RequestView, raw_body: bytes | None = None) -> None:
        """With the body as it came it has a fingerprint, made when it is asked for.

        Raises RequestRejected for more headers, cookies or query fields than are read.
        """
        snapshot, consumed = exchange.snapshot, exchange.consumed
        self._snapshot, self._view, self._consumed = snapshot, view, consumed
        self._route, self._params = exchange.route, exchange.path_params
        self._caller, self._claims = exchange.principal, exchange.claims
        if view.sees_cookies or snapshot.query_string or len(snapshot.raw_headers) > MAX_FIELDS:
            check_number(snapshot, view, consumed)
            if raw_body is not None:
                bounded(len(snapshot.raw_headers), "header fields", 431)
        if view.body and exchange.request_body.length != 0:
            data, length, self._consumed = exchange.shown_body()
            is_inline = data is not None and len(data) <= INLINE_BODY_BYTES
            self._body = Body(data) if is_inline else Body(None, -1 if length is None else length)
        if raw_body is not None:
            self._raw_body, self._known_fingerprint, self._hidden = raw_body, exchange.known_fingerprint, consumed

    @property
    def fingerprint(self) -> str:  # type: ignore[override]  # never assigned
        """The request's fingerprint; empty where the operation has none."""
        if self._raw_body is None:
            return ""
        if self._known_fingerprint is None:
            hidden = self._hidden
            self._known_fingerprint = fingerprint(self._snapshot, self._raw_body, secret_headers=hidden.headers, secret_query=hidden.query)
        return self._known_fingerprint

    def header(self, name: str, default: str | None = None) -> str | None:
        """See Request."""
        view = self._view
        low, wanted = view.asked.get(name) or view.ask(name)
        if wanted is None:
            return next((value for key, value in self.headers if key == low), default)
        if wanted and low not in self._consumed.headers:
            size = len(wanted)
            for key, value in self._snapshot.raw_headers:
                if len(key) == size and (key == wanted or key.lower() == wanted):
                    return value.decode("latin-1")
        return default

    def header_values(self, name: str) -> list[str]:
        """See Request."""
        view = self._view
        low, wanted = view.asked.get(name) or view.ask(name)
        if wanted is None:
            return [value for key, value in self.headers if key == low]
        if not wanted or low in self._consumed.headers:
            return []
        size, raw = len(wanted), self._snapshot.raw_headers
        return [value.decode("latin-1") for key, value in raw if len(key) == size and (key == wanted or key.lower() == wanted)]

    @property
    def headers(self) -> Headers:
        """See Request."""
        if self._headers is None:
            view = self._view
            self._headers = Headers(visible_headers(self._snapshot, view, self._consumed) if view.sees_headers else ())
        return self._headers

    @property
    def query(self) -> Query:
        """See Request."""
        if self._query is None:
            snapshot = self._snapshot
            self._query = Query(visible_query(snapshot, self._view, self._consumed) if snapshot.query_string else ())
        return self._query

    @property
    def query_string(self) -> str | None:
        """See Request."""
        return visible_query_string(self._snapshot, self.query) if self._view.query is None else None

    @property
    def method(self) -> str:
        """See Request."""
        return self._snapshot.method

    @property
    def path(self) -> str:
        """See Request."""
        return self._snapshot.path

    @property
    def path_params(self) -> dict[str, str | int | float]:
        """See Request."""
        if self._own_params is None:
            self._own_params = dict(self._params)
        return self._own_params

    @property
    def principal(self) -> Principal | None:
        """See Request."""
        if self._principal is None and self._caller is not None and self._view.principal:
            self._principal = Principal.from_document(loads(dumps(principal_document(self._caller))))
        return self._principal

    @property
    def claims(self) -> Mapping[str, Json]:
        """See Request."""
        if self._own_claims is None:
            is_shown = self._view.principal and self._caller is not None
            self._own_claims = loads(dumps(dict(self._claims))) if self._claims and is_shown else {}
        return self._own_claims

    @property
    def _document(self) -> Mapping[str, Any]:  # type: ignore[override]  # never assigned
        """Its document, for what is seldom asked for."""
        if self._made is None:
            caller = self.principal
            self._made = {
                **loads(head_document(self._snapshot)[:-1] + b"}"),
                "query": list(self.query),
                "headers": list(self.headers),
                "client": self._snapshot.client if self._view.client else None,
                "route": self._route,
                "path_params": self.path_params,
                "principal": None if caller is None else principal_document(caller),
                "body": body_document(self._body or _AT_HOST),
                "claims": self.claims,
                **({} if (sent := self.query_string) is None else {"query_string": sent}),
            }
        return self._made

    def __reduce__(self) -> tuple[Any, ...]:
        return Request.from_document, (dict(self._document), self.fingerprint)
