"""Exchange: one request on its way through the pipeline: what came in, what was found out, and how to respond.

Built only for requests that somebody here claims. Nothing of it outlives the request; `close` ends it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Final, Protocol, TypeVar, cast

from mockforge_asgi.errors import ConfigError, HostCallError, RequestRejected
from mockforge_asgi.events import Step
from mockforge_asgi.forwarded import TrustedProxies
from mockforge_asgi.http.body import DEFAULT_LIMITS, BodyLimits, RequestBody
from mockforge_asgi.http.cors import Cors
from mockforge_asgi.http.disconnect import DisconnectWatcher
from mockforge_asgi.http.fingerprint import fingerprint
from mockforge_asgi.http.inflate import CODINGS, inflated
from mockforge_asgi.http.json_body import EMPTY, JsonBody
from mockforge_asgi.http.request_document import NOTHING_CONSUMED, Consumed, RequestView, head_document, request_document
from mockforge_asgi.http.responses import TEMPLATE_EXTENSION, MockResponse, TemplateResponse
from mockforge_asgi.http.snapshot import RequestSnapshot
from mockforge_asgi.types import Headers, Json, Receive, Scope, Send
from mockforge_plugin.values import Principal

SCOPE_KEY: Final = "mockforge.exchange"
"""Where middlewares that are mounted apart find the exchange of their request."""

_HEAD: Final = ("method", "scheme", "path", "root_path", "raw_path", "query_string", "headers")
"""What of a scope the snapshot tells."""
_OF_CODING: Final = Consumed(frozenset({"content-encoding", "content-length"}))
"""Headers that say nothing of a body without its coding."""


class Releasable(Protocol):
    """What an exchange holds for its length: a plugin's lease."""

    def release(self) -> None:
        """Give back what is held."""
        ...


L = TypeVar("L", bound=Releasable)


def without_exchange(scope: Scope) -> Scope:
    """The scope for those who are to make an exchange of their own."""
    return {key: value for key, value in scope.items() if key != SCOPE_KEY} if SCOPE_KEY in scope else scope


class Exchange:
    """One request in work. Facts that change what plugins see (`route`, `principal`, …) are set through its methods."""

    __slots__ = (
        "_body", "_coding", "_content", "_documents", "_head", "_json_body", "_limits", "allowed_by", "allowed_headers", "answered_by",
        "claims", "consumed", "cors", "is_http", "known_fingerprint", "leases", "matched_route", "path_params", "principal", "reason",
        "receive", "route", "scope", "send", "snapshot", "trace", "wrong_by",
    )  # fmt: skip

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        path: str | None = None,
        limits: BodyLimits = DEFAULT_LIMITS,
        proxies: TrustedProxies | None = None,
    ) -> None:
        self.scope, self.receive, self.send = scope, receive, send
        self.is_http: Final = scope["type"] == "http"
        self.snapshot = RequestSnapshot(scope, path, proxies)
        self._limits = limits
        self._body: RequestBody | None = None
        self.route: str | None = None
        self.path_params: Mapping[str, Json] = {}
        self.principal: Principal | None = None
        self.claims: Mapping[str, Json] = {}
        self.allowed_headers: Headers = ()
        """Headers that an Allow put on the eventual response."""
        self.consumed: Consumed = NOTHING_CONSUMED
        self.leases: dict[Hashable, Releasable] = {}
        self.matched_route: object = None
        """The mock route for this request; False: there is none; None: not known, for nobody has looked yet, or the body decides."""
        self.cors: Cors | None = None
        """Which pages may read the response; None leaves that to the wrapped app, or to nobody."""
        self.answered_by = self.allowed_by = self.wrong_by = self.reason = ""
        """For events: who answered, whose Allow let the request pass, who was first to call credentials wrong, why it was refused."""
        self.trace: list[Step] | None = None
        """Where somebody listens: who was asked about this request, and what came of it."""
        self._documents: dict[Hashable, bytes] | None = None
        self._head: bytes | None = None
        self.known_fingerprint: str | None = None
        self._json_body: JsonBody | None = None
        self._coding: str | None = None
        self._content: bytes | None = None

    @classmethod
    def of(
        cls, scope: Scope, receive: Receive, send: Send, *, limits: BodyLimits | None = None, proxies: TrustedProxies | None = None
    ) -> tuple[Exchange, bool]:
        """The exchange of this request, and whether it is new: middlewares mounted inside one another share one.

        What is read from now on is read within `limits`, if they are given; `proxies` are whom a new one believes.
        """
        found = scope.get(SCOPE_KEY)
        if not isinstance(found, Exchange):
            return cls(scope, receive, send, limits=limits or DEFAULT_LIMITS, proxies=proxies), True
        found._follow(scope, receive, send)
        if limits is not None:
            found._limits = found.request_body.limits = limits
        return found, False

    def _follow(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Be what the request has become on its way in: below another mount, behind somebody else's middleware."""
        if any(scope.get(key) != self.scope.get(key) for key in _HEAD):
            self.snapshot = RequestSnapshot(scope, proxies=self.snapshot.proxies)
            self._documents = self.known_fingerprint = None
            self._head = self._coding = self._content = self._json_body = None
        before = self.request_body
        if receive != before.replay():
            self._documents = self.known_fingerprint = self._json_body = self._content = None
            self.receive, self._body = receive, RequestBody(scope, receive, self._limits, before=before)
        self.scope, self.send, self.matched_route, self.request_body.is_lent = scope, send, None, False

    @property
    def request_body(self) -> RequestBody:
        """What comes in from the client; nothing is looked at before somebody asks."""
        if self._body is None:
            self._body = RequestBody(self.scope, self.receive, self._limits)
        return self._body

    @property
    def is_preflight(self) -> bool:
        """Whether it is a preflight of CORS: OPTIONS without a body, from an origin, about another method (Fetch §3.2.2)."""
        snapshot = self.snapshot
        return (
            snapshot.method == "OPTIONS"
            and self.is_http
            and not self.request_body.length
            and snapshot.header("origin") is not None
            and snapshot.header("access-control-request-method") is not None
        )

    def matched(self, route: str, path_params: Mapping[str, Json]) -> None:
        """A route was found: its template and the parameters of the path."""
        self.route, self.path_params, self._documents = route, path_params, None

    def allowed(
        self, principal: Principal, claims: Mapping[str, Json], headers: Headers = (), consumed: Consumed = NOTHING_CONSUMED
    ) -> None:
        """Auth let the caller pass, by what is hidden from every document from now on."""
        self.principal, self.claims, self._documents, self.answered_by = principal, claims, None, ""
        if headers:
            self.allowed_headers = (*self.allowed_headers, *headers)
        self.consumed = consumed if self.consumed is NOTHING_CONSUMED else self.consumed | consumed

    def consume(self, consumed: Consumed) -> None:
        """Hide what carried credentials from every document that is made from now on."""
        self.consumed, self._documents = self.consumed | consumed, None

    def document(self, view: RequestView) -> bytes:
        """The request document for a view; a body is in it if it was read before and is small."""
        documents = self._documents
        if documents is None:
            documents = self._documents = {}
        document = documents.get(view.key)
        if document is None:
            if self._head is None:
                self._head = head_document(self.snapshot)
            body, length, consumed = self.shown_body() if view.body else (None, 0, self.consumed)
            document = documents[view.key] = request_document(
                self.snapshot,
                view,
                head=self._head,
                route=self.route,
                path_params=self.path_params,
                principal=self.principal,
                claims=self.claims,
                body=body,
                body_length=length,
                consumed=consumed,
            )
        return document

    def shown_body(self) -> tuple[bytes | None, int | None, Consumed]:
        """The body and its length for those who may see it, as far as they are known now, and what is then hidden from them."""
        length, body, consumed = self.request_body.length, self.body_now, self.consumed
        if length != 0 and self.coding:  # an empty one is told as text: as it came it is not empty
            length, consumed = (body is not None and len(body)) or None, consumed | _OF_CODING
        return body, length, consumed

    @property
    def coding(self) -> str:
        """The coding of the body (gzip, deflate) that everybody here sees it without; empty for any other, which is seen as it came."""
        if self._coding is None:
            told = b",".join(value for name, value in self.snapshot.raw_headers if name.lower() == b"content-encoding")
            coding = told.decode("latin-1").strip().lower()
            self._coding = coding if coding in CODINGS else ""
        return self._coding

    @property
    def body_now(self) -> bytes | None:
        """The body as `body` gives it, where nothing has to be waited for."""
        body = self.request_body.body_now
        return self._content if body and self.coding else body

    async def body(self) -> bytes:
        """The whole body, without its coding: the wrapped app alone gets it as it came.

        Raises RequestRejected (413, 408, 400), ClientDisconnected, and HostCallError once the wrapped app has it.
        """
        body = self.body_now
        if body is None:
            body = await self.raw_body()
            if body and self.coding:
                try:
                    body = self._content = await inflated(body, self.coding, self.request_body.limits.max_bytes, "the body")
                except HostCallError as error:
                    raise RequestRejected(413 if error.code == "limit" else 400, error.message) from error
                self._documents = None
        return body

    async def raw_body(self) -> bytes:
        """The whole body as it came. Raises as `body` does."""
        body = self.request_body.body_now
        if body is None:
            body = await self.request_body.body()
            self._documents = None
        return body

    @property
    def json_body(self) -> JsonBody | None:
        """The body as JSON, read once for all who ask; None while it is not whole."""
        found = self._json_body
        if found is None and (body := self.body_now) is not None:
            found = self._json_body = JsonBody(body, self.snapshot.header("content-type") or "") if body else EMPTY
        return found

    async def read_body(self, of: str) -> bytes:
        """The request's body for a host call, `request.raw` as it came. Raises HostCallError for any other."""
        if of not in ("request", "request.raw"):
            raise HostCallError("not_found", f"there is no body of a '{of}' here")
        return await (self.body() if of == "request" else self.raw_body())

    @property
    def fingerprint_now(self) -> str | None:
        """The request's fingerprint, body included, made once; None while the body is not there."""
        if self.known_fingerprint is None and (body := self.request_body.body_now) is not None:
            hidden = self.consumed
            self.known_fingerprint = fingerprint(self.snapshot, body, secret_headers=hidden.headers, secret_query=hidden.query)
        return self.known_fingerprint

    async def fingerprint(self) -> str:
        """The same, waited for."""
        while (made := self.fingerprint_now) is None:
            await self.raw_body()
        return made

    def watched(self) -> AbstractContextManager[None]:
        """`with exchange.watched(): await …` ends with ClientDisconnected once the client has left. May be nested; the outermost counts."""
        request_body = self.request_body
        return nullcontext() if request_body.watched or request_body.is_lent or not self.is_http else DisconnectWatcher(request_body)

    def lease(self, key: Hashable, make: Callable[[], L]) -> L:
        """The lease under that key, made on first use and released with the exchange. One key always holds one type."""
        held = self.leases.get(key)
        if held is None:
            held = self.leases[key] = make()
        return cast(L, held)

    def respond(self, response: MockResponse | TemplateResponse) -> Awaitable[None]:
        """Send the response, with the headers of auth and CORS; to be awaited. One that must still be rendered goes to the
        `TemplateMiddleware` around us.

        Raises ConfigError where there is none.
        """
        if self.allowed_headers:
            response = response.adding(self.allowed_headers)
        if isinstance(response, TemplateResponse):
            if TEMPLATE_EXTENSION not in (self.scope.get("extensions") or {}):
                raise ConfigError(
                    f"a response asks for template '{response.template}', but nothing renders it: mount `TemplateMiddleware` around it."
                )
            return self.send(response.message)
        cors, snapshot = self.cors, self.snapshot
        extra = () if cors is None else cors.shared or cors.granted(snapshot.header("origin"))
        return response.send(self.send, snapshot.method == "HEAD", extra)

    def release(self) -> None:
        """Give every lease back: no plugin works for this request any more, though the wrapped app may."""
        while self.leases:
            self.leases.popitem()[1].release()

    def close(self) -> None:
        """The request is over."""
        if self.leases:
            self.release()
        if self._body is not None:
            self._body.close()
