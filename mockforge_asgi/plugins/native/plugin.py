"""NativePlugin: a loaded plugin that runs in this process, called with values: its requests and its usual results are never JSON.

What it may see, what its results may be and what becomes of its failures is as for any other plugin; a result that is not one of the
usual is read as theirs are. Data sources are asked with documents, as everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mockforge_asgi.contract import Decision, Description, Json, PluginHost
from mockforge_asgi.contract.results import ResultReader
from mockforge_asgi.contract.usual import UNUSUAL, UsualResults
from mockforge_asgi.errors import PluginUnavailable
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


def native_plugin(
    facts: PluginMeta, description: Description, host: PluginHost, rights: EffectivePermissions, reader: ResultReader, breaker: Breaker
) -> Plugin:
    """The plugin of a native host that was opened; one that is called with documents where its code runs in worker processes."""
    if isinstance(host, NativeHost) and isinstance(host.runner, InProcess):
        return NativePlugin(facts, description, host, host.runner, rights, reader, breaker)
    return Plugin(facts, description, host, rights, reader, breaker=breaker)


class NativePlugin(Plugin):
    """See Plugin."""

    __slots__ = ("_authenticate", "_can_handle", "_endpoints", "_functions", "_generate", "_modify", "_usual")

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
        self._usual = usual = UsualResults(reader, host.options.output_bytes)

        def call(op: str, read: Callable[[Any], Any], name: str = "") -> NativeCall | None:
            method = runner.method(op, name)
            return None if method is None else NativeCall(host, runner, self.breaker, op, name, read, method)

        self._authenticate = call("auth.authenticate", usual.decision)
        self._can_handle = call("response.can_handle", usual.flag)
        self._generate = call("response.generate", usual.generated)
        self._modify = call("response.modify", usual.modified)
        self._functions = {f.name: call("template.call", usual.data, f.name) for f in description.functions}
        self._endpoints = {name: call("endpoint.call", usual.response, name) for name in description.endpoints or ()}

    # A call that this generation has not begun, since an edit came between the request and it, is left to the next one.

    async def authenticate(self, exchange: Exchange) -> Decision:
        """See Plugin."""
        if (call := self._authenticate) is None:
            return await super().authenticate(exchange)
        try:
            found = await call.run(exchange, NativeRequest(exchange, self.view))
        except PluginUnavailable as error:
            if self.successor is None or not error.is_replaced:
                raise
            return await self.successor.authenticate(exchange)
        return self._reader.decision("auth.authenticate", found.value) if type(found) is ByJson else found

    async def can_handle(self, exchange: Exchange) -> bool:
        """See Plugin."""
        if (call := self._can_handle) is None:
            return await super().can_handle(exchange)
        body = exchange.request_body.body_now
        if body is None:
            body = await exchange.raw_body()
        try:
            found = await call.run(exchange, NativeRequest(exchange, self.view, body))
        except PluginUnavailable as error:
            if self.successor is None or not error.is_replaced:
                raise
            return await self.successor.can_handle(exchange)
        return self._reader.flag("response.can_handle", found.value) if type(found) is ByJson else found

    async def generate(self, exchange: Exchange) -> MockResponse | TemplateResponse | None:
        """See Plugin."""
        if (call := self._generate) is None:
            return await super().generate(exchange)
        body = exchange.request_body.body_now
        if body is None:
            body = await exchange.raw_body()
        try:
            found = await call.run(exchange, NativeRequest(exchange, self.view, body))
        except PluginUnavailable as error:
            if self.successor is None or not error.is_replaced:
                raise
            return await self.successor.generate(exchange)
        if type(found) is ByJson:
            return None if found.value is None else self._reader.response("response.generate", found.value)
        return found  # type: ignore[no-any-return]  # what `UsualResults.generated` gives

    async def modify(self, exchange: Exchange, response: A) -> A | None:
        """See Plugin."""
        if (call := self._modify) is None:
            return await super().modify(exchange, response)
        shown = Answer(response_document(response, self.rights.response_headers))
        try:
            found = await call.run(ModifiedResponse(exchange, response), NativeRequest(exchange, self.view), shown)
        except PluginUnavailable as error:
            if self.successor is None or not error.is_replaced:
                raise
            return await self.successor.modify(exchange, response)
        if type(found) is ByJson:
            return None if found.value is None else self._modified(response, found.value)
        return None if found is None else self._changed(response, found[0], has_body=found[1])

    async def call_function(self, exchange: Exchange | None, name: str, args: Sequence[Json], kwargs: Mapping[str, Json]) -> Json:
        """See Plugin."""
        if (call := self._functions.get(name)) is None:
            return await super().call_function(exchange, name, args, kwargs)
        given, named = self._usual.data(args) if args else [], self._usual.data(kwargs) if kwargs else {}
        if given is UNUSUAL or named is UNUSUAL:
            given, named = loads(dumps([list(args), dict(kwargs)]))
        try:
            found = await call.run(exchange, given, named)
        except PluginUnavailable as error:
            if self.successor is None or not error.is_replaced:
                raise
            return await self.successor.call_function(exchange, name, args, kwargs)
        return found.value if type(found) is ByJson else found

    async def call_endpoint(self, exchange: Exchange, name: str) -> MockResponse | TemplateResponse:
        """See Plugin."""
        if (call := self._endpoints.get(name)) is None:
            return await super().call_endpoint(exchange, name)
        try:
            found = await call.run(exchange, NativeRequest(exchange, self.view))
        except PluginUnavailable as error:
            if self.successor is None or not error.is_replaced:
                raise
            return await self.successor.call_endpoint(exchange, name)
        return self._reader.response("endpoint.call", found.value) if type(found) is ByJson else found
