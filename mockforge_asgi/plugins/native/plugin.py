"""NativePlugin: a loaded plugin that runs in this process, called with values: its requests and its usual results are never JSON.

What it may see, what its results may be and what becomes of its failures is as for any other plugin; a result that is not one of the
usual is read as theirs are.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from mockforge_asgi.contract import Decision, Description, Json, PluginHost
from mockforge_asgi.contract.results import ResultReader
from mockforge_asgi.contract.source_query import SourceQuery
from mockforge_asgi.contract.usual import UNUSUAL, UsualResults
from mockforge_asgi.exact_json import dumps, loads
from mockforge_asgi.http.exchange import Exchange
from mockforge_asgi.http.request_document import response_document
from mockforge_asgi.http.responses import MockResponse, TemplateResponse
from mockforge_asgi.plugins.breaker import Breaker
from mockforge_asgi.plugins.native.calls import ByJson, NativeCall
from mockforge_asgi.plugins.native.host import NativeHost
from mockforge_asgi.plugins.native.request import NativeRequest
from mockforge_asgi.plugins.native.runner import InProcess
from mockforge_asgi.plugins.plugin import A, ModifiedResponse, Plugin, PluginMeta
from mockforge_asgi.security.permissions import EffectivePermissions
from mockforge_plugin.request import Answer

T = TypeVar("T")


def native_plugin(
    facts: PluginMeta, description: Description, host: PluginHost, rights: EffectivePermissions, reader: ResultReader, breaker: Breaker
) -> Plugin:
    """The plugin of a native host that was opened; one that is called with documents where its code runs in worker processes."""
    if isinstance(host, NativeHost) and isinstance(host.runner, InProcess):
        return NativePlugin(facts, description, host, host.runner, rights, reader, breaker)
    return Plugin(facts, description, host, rights, reader, breaker=breaker)


class NativePlugin(Plugin):
    """See Plugin."""

    __slots__ = ("_authenticate", "_can_handle", "_endpoints", "_functions", "_generate", "_modify", "_native", "_query", "_usual")

    def __init__(
        self,
        facts: PluginMeta,
        description: Description,
        host: NativeHost,
        runner: InProcess,
        rights: EffectivePermissions,
        reader: ResultReader,
        breaker: Breaker,
    ) -> None:
        super().__init__(facts, description, host, rights, reader, breaker=breaker)
        self._native = host
        self._usual = usual = UsualResults(reader, host.options.output_bytes)

        def call(op: str, read: Callable[[Any], Any], check: Callable[[Json], Any], name: str = "") -> NativeCall | None:
            method = runner.method(op, name)
            return None if method is None else NativeCall(host, runner, self.breaker, method, op, name, read=read, check=check)

        self._authenticate = call("auth.authenticate", usual.decision, partial(reader.decision, "auth.authenticate"))
        self._can_handle = call("response.can_handle", usual.flag, partial(reader.flag, "response.can_handle"))
        self._generate = call("response.generate", usual.generated, partial(reader.generated, "response.generate"))
        self._modify = call("response.modify", usual.modified, ByJson)
        self._functions = {f.name: call("template.call", usual.data, _same, f.name) for f in description.functions}
        served = partial(reader.response, "endpoint.call")
        self._endpoints = {name: call("endpoint.call", usual.response, served, name) for name in description.endpoints or ()}
        asks = None if "data.connect" in description.ops else runner.asks_for_rows()
        self._query = (
            None if asks is None else NativeCall(host, runner, self.breaker, asks, "data.query", "", read=runner.read_rows, check=_same)
        )

    # What a plugin takes no more of, since an edit came between a request and its call, is left to the next generation.
    # Calls are given to be awaited: each coroutine in between would cost every request.

    def authenticate(self, exchange: Exchange) -> Coroutine[Any, Any, Decision]:
        """See Plugin."""
        if (call := self._authenticate) is None:
            return super().authenticate(exchange)
        if not self._native.is_serving and self.successor is not None:
            return self.successor.authenticate(exchange)
        return call.run(exchange, NativeRequest(exchange, self.view))

    def can_handle(self, exchange: Exchange) -> Coroutine[Any, Any, bool]:
        """See Plugin."""
        if (call := self._can_handle) is None:
            return super().can_handle(exchange)
        if not self._native.is_serving and self.successor is not None:
            return self.successor.can_handle(exchange)
        if (body := exchange.request_body.body_now) is None:
            return self._with_body(exchange, self.can_handle)
        return call.run(exchange, NativeRequest(exchange, self.view, body))

    def generate(self, exchange: Exchange) -> Coroutine[Any, Any, MockResponse | TemplateResponse | None]:
        """See Plugin."""
        if (call := self._generate) is None:
            return super().generate(exchange)
        if not self._native.is_serving and self.successor is not None:
            return self.successor.generate(exchange)
        if (body := exchange.request_body.body_now) is None:
            return self._with_body(exchange, self.generate)
        return call.run(exchange, NativeRequest(exchange, self.view, body))

    async def _with_body(self, exchange: Exchange, ask: Callable[[Exchange], Awaitable[T]]) -> T:
        """What it is asked once the body is there, which the fingerprint needs."""
        await exchange.raw_body()
        return await ask(exchange)

    async def modify(self, exchange: Exchange, response: A) -> A | None:
        """See Plugin."""
        if (call := self._modify) is None:
            return await super().modify(exchange, response)
        if not self._native.is_serving and self.successor is not None:
            return await self.successor.modify(exchange, response)
        shown = Answer(response_document(response, self.rights.response_headers))
        found = await call.run(ModifiedResponse(exchange, response), NativeRequest(exchange, self.view), shown)
        if type(found) is ByJson:
            return None if found.value is None else self._modified(response, found.value)
        return None if found is None else self._changed(response, found[0], has_body=found[1])

    def call_function(
        self, exchange: Exchange | None, name: str, args: Sequence[Json], kwargs: Mapping[str, Json]
    ) -> Coroutine[Any, Any, Json]:
        """See Plugin."""
        if (call := self._functions.get(name)) is None:
            return super().call_function(exchange, name, args, kwargs)
        if not self._native.is_serving and self.successor is not None:
            return self.successor.call_function(exchange, name, args, kwargs)
        given, named = self._usual.data(args) if args else [], self._usual.data(kwargs) if kwargs else {}
        if given is UNUSUAL or named is UNUSUAL:
            given, named = loads(dumps([list(args), dict(kwargs)]))
        return call.run(exchange, given, named)

    def query(self, exchange: Exchange | None, asked: SourceQuery) -> Coroutine[Any, Any, Json]:
        """See Plugin."""
        if (call := self._query) is None or not asked.is_plain:
            return super().query(exchange, asked)
        if not self._native.is_serving and self.successor is not None:
            return self.successor.query(exchange, asked)
        return call.run(exchange, asked.document())

    def call_endpoint(self, exchange: Exchange, name: str) -> Coroutine[Any, Any, MockResponse | TemplateResponse]:
        """See Plugin."""
        if (call := self._endpoints.get(name)) is None:
            return super().call_endpoint(exchange, name)
        if not self._native.is_serving and self.successor is not None:
            return self.successor.call_endpoint(exchange, name)
        return call.run(exchange, NativeRequest(exchange, self.view))


def _same(value: Json) -> Json:
    return value
