"""A loaded plugin: one generation, with the typed operations that the chains call.

Builds the documents under the plugin's grants, calls the host, has the result checked (`contract/results.py`). How the code runs is
the affair of its host.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import CoroutineType
from typing import Any, Final, TypeVar

from mockforge_asgi.config.objects import ResponseFilter
from mockforge_asgi.contract import NOTHING, BodyReader, Decision, Description, FunctionMetadata, Json, Lease, PluginHost
from mockforge_asgi.contract.codec import around
from mockforge_asgi.contract.results import ResultReader
from mockforge_asgi.contract.source_query import SourceQuery
from mockforge_asgi.errors import HostCallError, PluginFailed, PluginUnavailable
from mockforge_asgi.exact_json import dumps
from mockforge_asgi.http.exchange import Exchange
from mockforge_asgi.http.headers import OF_CONTENT, is_restricted
from mockforge_asgi.http.request_document import RequestView, response_document
from mockforge_asgi.http.responses import BODILESS, MockResponse, ResponseHead, TemplateResponse
from mockforge_asgi.plugins.breaker import Breaker
from mockforge_asgi.plugins.package.manifest import Endpoint
from mockforge_asgi.security.permissions import EffectivePermissions
from mockforge_asgi.text import clip
from mockforge_asgi.types import Headers

DEFAULT_PRIORITY: Final = 100.0
ALL_RESPONSES: Final = ResponseFilter()
A = TypeVar("A", MockResponse, ResponseHead)
T = TypeVar("T")


def _unchecked(op: str, result: Json) -> Any:
    return result


def alias_of(name: str) -> str:
    """The name under which templates call a plugin, unless the operator gives another: `my-names` is `my_names`."""
    return name.replace("-", "_")


def endpoint_prefix(name: str, prefix: str | None) -> str:
    """What the paths of a plugin's endpoints begin with; `prefix` is what the operator says."""
    return (prefix or f"/{name}").rstrip("/")


@dataclass(frozen=True, slots=True)
class PluginMeta:
    """What is known of a plugin without running it. `name` is the operator's, `id` the author's."""

    name: str
    id: str
    version: str
    digest: str
    runtime: str
    kinds: frozenset[str]
    priority: float = DEFAULT_PRIORITY
    alias: str = ""
    prefix: str | None = None
    endpoints: tuple[Endpoint, ...] = ()
    on_failure: str = "error"
    templates: frozenset[str] = frozenset()
    modifies: ResponseFilter = ALL_RESPONSES
    needs: frozenset[str] = frozenset()
    """Ids of the plugins that it depends on: they start before it and stop after it."""


class Plugin:
    """One generation of one plugin. Its methods raise PluginFailed, LimitExceeded and PluginUnavailable."""

    __slots__ = ("_reader", "_shared", "breaker", "description", "facts", "functions", "host", "name", "rights", "successor", "view")

    def __init__(
        self,
        facts: PluginMeta,
        description: Description,
        host: PluginHost,
        rights: EffectivePermissions,
        reader: ResultReader,
        *,
        leases_per_request: bool = False,
        breaker: Breaker | None = None,
    ) -> None:
        self.facts, self.description, self.host, self.rights, self._reader = facts, description, host, rights, reader
        self.name: str = facts.name
        """The operator's name for it."""
        self.functions: tuple[FunctionMetadata, ...] = description.functions
        """The template functions it offers."""
        self.breaker = breaker or Breaker(facts.name)
        self.view: RequestView = rights.request_view
        """What of a request it may see."""
        self._shared: Lease | None = None if leases_per_request else host.lease()
        """The lease of all its calls (`wasm/host.py`, `plugins/native/host.py`); None where each request has one of its own."""
        self.successor: Plugin | None = None
        """The generation that took over from this one."""

    @property
    def kinds(self) -> frozenset[str]:
        """What it is: auth, template, response, modifier, data_source, endpoint."""
        return self.facts.kinds

    @property
    def keeps_deadlines(self) -> bool:
        """Whether it is trusted to end its queries in time by itself, as it says."""
        return self.facts.runtime == "native" and self.description.capabilities.get("keeps_deadlines") is True

    @property
    def priority(self) -> float:
        """Its place in a chain; lowest first."""
        return self.facts.priority

    async def _call(
        self,
        exchange: Exchange | None,
        op: str,
        document: bytes,
        request: BodyReader | None = None,
        check: Callable[[str, Json], T] = _unchecked,
    ) -> T:
        """Run one operation, unless the plugin is in quarantine: on the lease of the request, or without a request on one of its own.

        Gives what `check` makes of the operation's name and result. Raises PluginFailed, LimitExceeded, PluginUnavailable.
        """
        breaker, shared = self.breaker, self._shared
        is_trial = breaker.until_s is not None and breaker.enter()
        try:
            if shared is not None:
                answer = shared.begin(op, document, request)
                if type(answer) is CoroutineType:
                    answer = await answer
            elif exchange is not None:
                answer = await exchange.lease(self, self.host.lease).call(op, document, request=request)
            else:
                answer = await self._call_apart(op, document, request)
        except BaseException as error:
            breaker.ended(op, is_trial, error)
            if self.successor is None or not (isinstance(error, PluginUnavailable) and error.is_replaced):
                raise
            return await self.successor._call(exchange, op, document, request, check)  # an edit came between the request and its call
        if is_trial or not breaker.has_served:
            breaker.ended(op, is_trial)
        return check(op, answer)

    async def _call_apart(self, op: str, document: bytes, request: BodyReader | None) -> Json:
        lease = self.host.lease()
        try:
            return await lease.call(op, document, request=request)
        finally:
            lease.release()

    def permit_template(self, op: str, template: str) -> None:
        """Raises PluginFailed for a template that is not on the operator's list for the plugin; `*` on it allows all."""
        allowed = self.facts.templates
        if template not in allowed and "*" not in allowed:
            template = clip(template)
            what = f"it asks for template {template!r}; allow it with `templates: [{template}]` under plugins.{self.name}"
            raise PluginFailed(self.name, op, what, code="denied")

    # Some give the call itself to be awaited: one coroutine more would cost every request.

    def authenticate(self, exchange: Exchange) -> Coroutine[Any, Any, Decision]:
        """Who sends this request? None: it leaves the decision to the next."""
        return self._call(exchange, "auth.authenticate", exchange.document(self.view), exchange, self._reader.decision)

    async def can_handle(self, exchange: Exchange) -> bool:
        """Whether it wants to answer; a plugin without that operation is asked to answer."""
        if "response.can_handle" not in self.description.ops:
            return True
        document = around("request", exchange.document(self.view), {"fingerprint": await exchange.fingerprint()})
        return await self._call(exchange, "response.can_handle", document, exchange, self._reader.flag)

    def generate(self, exchange: Exchange) -> Coroutine[Any, Any, MockResponse | TemplateResponse | None]:
        """Its response to the request. None: it leaves the request to the next."""
        if (fingerprint := exchange.fingerprint_now) is None:
            return self._generate_later(exchange)
        document = b"".join((b'{"request":', exchange.document(self.view), b',"fingerprint":"', fingerprint.encode(), b'"}'))
        return self._call(exchange, "response.generate", document, exchange, self._reader.generated)

    async def _generate_later(self, exchange: Exchange) -> MockResponse | TemplateResponse | None:
        """The same once the body is there, which the fingerprint needs."""
        await exchange.raw_body()
        return await self.generate(exchange)

    async def modify(self, exchange: Exchange, response: A) -> A | None:
        """The response changed, or None: as it was.

        What the result leaves out of the body stays as it was, and so do restricted headers that the plugin has no grant to set.
        """
        shown = response_document(response, self.rights.response_headers)
        document = around("request", exchange.document(self.view), {"response": shown})
        result: Json = await self._call(exchange, "response.modify", document, ModifiedResponse(exchange, response))
        return None if result is None else self._modified(response, result)

    def _modified(self, response: A, result: Json) -> A:
        changed = self._reader.changed("response.modify", result, response.headers)
        return self._changed(response, changed, has_body=result.get("body") is not None)

    def _changed(self, response: A, changed: MockResponse, *, has_body: bool) -> A:
        headers = (*self._kept(response.headers, changed.headers, OF_CONTENT if has_body else frozenset()), *changed.headers)
        if isinstance(response, MockResponse):
            return MockResponse(changed.status, headers, changed.body if has_body else response.body, None if has_body else response.length)
        if not response.is_bodiless and (has_body or (changed.status in BODILESS and changed.status != response.status)):
            what = "a body" if has_body else f"status {changed.status}, which has no body,"
            raise self._reader.invalid("response.modify", f"{what} for a response that streams; only its status and headers can be changed")
        return ResponseHead(changed.status, headers, response.is_bodiless, response.has_new_body or has_body)

    def _kept(self, headers: Headers, changed: Headers, but: frozenset[bytes]) -> Headers:
        """Headers of a response that the plugin was not shown and did not set, or may not set; `but` those."""
        shown, may_set, set_anew = self.rights.response_headers, self._reader.granted_headers, {pair[0] for pair in changed}
        return tuple(
            (name, value)
            for name, value in headers
            if name not in but
            and (
                (is_restricted(name) and name.decode("latin-1") not in may_set)
                or (shown is not None and name.decode("latin-1") not in shown and name not in set_anew)
            )
        )

    def call_function(
        self, exchange: Exchange | None, name: str, args: Sequence[Json], kwargs: Mapping[str, Json]
    ) -> Coroutine[Any, Any, Json]:
        """The value of one of its template functions."""
        return self._call(exchange, "template.call", dumps({"function": name, "args": list(args), "kwargs": dict(kwargs)}), exchange)

    def call_endpoint(self, exchange: Exchange, name: str) -> Coroutine[Any, Any, MockResponse | TemplateResponse]:
        """Its response at one of its own endpoints."""
        document = around("request", exchange.document(self.view), {"endpoint": name})
        return self._call(exchange, "endpoint.call", document, exchange, self._reader.response)

    def query(self, exchange: Exchange | None, asked: SourceQuery) -> Coroutine[Any, Any, Json]:
        """Rows of a query, as it gave them."""
        return self._call(exchange, "data.query", dumps(asked.document()), exchange)

    async def schema(self) -> Json:
        """The tables it offers."""
        return await self._call(None, "data.schema", NOTHING)

    async def health(self) -> Json:
        """How it is; a plugin that does not say so is well."""
        if "plugin.health" not in self.description.ops:
            return {"status": "ok"}
        return await self._call(None, "plugin.health", NOTHING)


class ModifiedResponse:
    """The request of a modifier's call, which may also read the body of the response that it changes."""

    __slots__ = ("_exchange", "_response")

    def __init__(self, exchange: BodyReader, response: MockResponse | ResponseHead) -> None:
        self._exchange, self._response = exchange, response

    async def read_body(self, of: str) -> bytes:
        """The body of the `request` or the `response`."""
        if of == "response":
            if isinstance(self._response, MockResponse):
                return self._response.body
            raise HostCallError("unavailable", "the response streams, or answers HEAD: there is no body here to read")
        if of in ("request", "request.raw"):
            return await self._exchange.read_body(of)
        raise HostCallError("invalid_input", f"there is no body of '{of}'; say 'request' or 'response'")

    def watched(self) -> AbstractContextManager[None]:
        """The watch over the request's client."""
        return self._exchange.watched()
