"""START HERE: the life of one request. Everything else serves one of these steps.

no claim        the wrapped app, with the very same scope, receive and send objects: nothing read, nothing buffered
path check      a path with more than one reading, one of them protected, is refused
cors            preflights are answered from the configuration, before auth
auth            by path rules: pass, refuse, or answer in the app's place; endpoints that log callers in come before it
endpoints       plugins' own paths
responses       the first link of the chain that answers; none: the wrapped app, or a 404 that says why
templates       rendered by the host
modifiers       change an answer already made; the wrapped app's where the operator says so
send            length and framing are always ours
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from time import perf_counter
from typing import Any

from mockforge_asgi.auth.forward import forward
from mockforge_asgi.auth.preflight import answer_preflight, is_preflight
from mockforge_asgi.auth.responses import decision_response, refuse_handshake
from mockforge_asgi.config import Config, load_config
from mockforge_asgi.contract import Allow
from mockforge_asgi.errors import ClientDisconnected, ConfigError, MockForgeError
from mockforge_asgi.events import RequestAnswered
from mockforge_asgi.http.cors import Cors
from mockforge_asgi.http.errors import error_response
from mockforge_asgi.http.exchange import Exchange
from mockforge_asgi.http.paths import own_root_path, route_path
from mockforge_asgi.http.responses import MockResponse, TemplateResponse
from mockforge_asgi.lifespan import lifespan
from mockforge_asgi.mocks.responders import WAIT
from mockforge_asgi.pipeline import Pipeline
from mockforge_asgi.runtime import PluginRuntime
from mockforge_asgi.types import ASGIApp, Receive, Scope, Send


class MockForge:
    """Mocks, guards and answers in front of `app`, or alone.

    `config` is a file, a mapping or a `Config`; `plugins` are the developer's own objects, trusted; `runtime` is shared between
    mounts, and must be made from the same configuration. `root_path` is one that the app sets for itself whatever the server says (as
    `FastAPI(root_path="/api")` does, which is seen): `protect:` rules then hold for paths with it and without.
    """

    def __init__(
        self,
        app: ASGIApp | None = None,
        config: Config | str | os.PathLike[str] | Mapping[str, Any] | None = None,
        *,
        plugins: Iterable[object] = (),
        runtime: PluginRuntime | None = None,
        dev: bool | None = None,
        root_path: str | None = None,
    ) -> None:
        self.app = app
        if plugins and runtime is not None:
            raise ConfigError("a shared runtime holds the plugins: write PluginRuntime(config, plugins=[...]), without `plugins` here.")
        self.runtime = runtime or PluginRuntime(config, plugins=plugins, dev=dev)
        self.config = load_config(self.runtime.config if runtime is None or config is None else config, dev=dev, own=self.runtime.own_names)
        self._pipeline = Pipeline(self.config, self.runtime, own_root_path(app, root_path))

    @property
    def routes(self) -> object:
        """The routes of the wrapped app, for `request.url_for` where this is mounted in Starlette."""
        return getattr(self.app, "routes", [])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection of the server's."""
        kind = scope["type"]
        if kind == "http" or kind == "websocket":
            path = route_path(scope)
            if self.app is not None and self._pipeline.passes_through(path, scope.get("raw_path")):
                await self.app(scope, receive, send)
            else:
                await self._serve(Exchange(scope, receive, send, path, limits=self._pipeline.limits))
        elif kind == "lifespan":
            await lifespan(self.runtime, self.app, scope, receive, send)
        elif self.app is not None:
            await self.app(scope, receive, send)

    async def _serve(self, exchange: Exchange) -> None:
        """Answer the request, or hand it on. Errors of ours and of plugins become answers; those of the app are its own."""
        begun, auth = perf_counter(), self._pipeline.auth
        if (cors := self._pipeline.cors(exchange, is_alone=self.app is None)) is not None:
            exchange.send = cors.around(exchange.send, exchange.snapshot)
        try:
            if self.app is not None and auth.allows_preflight(exchange) and await answer_preflight(self.app, exchange):
                return
            try:
                answer = await self._answer_or_refuse(exchange, cors)
            except ClientDisconnected:
                return
            if answer is not None:
                await self._send(exchange, answer)
            elif self.app is not None:
                exchange.release()
                await forward(self._pipeline.modifiers.around(self.app, exchange), exchange, is_protected=auth.is_protected(exchange))
        finally:
            exchange.close()
        if answer is not None and self.runtime.events.wants(RequestAnswered, "info"):
            self.runtime.events.emit(_answered(exchange, answer, perf_counter() - begun))

    async def _answer_or_refuse(self, exchange: Exchange, cors: Cors | None) -> MockResponse | None:
        try:
            await self._pipeline.ready()
            return await self._answer(exchange, self._pipeline, cors)
        except ClientDisconnected:
            raise
        except MockForgeError as error:
            return self._pipeline.response_for(exchange, error)

    async def _answer(self, exchange: Exchange, pipeline: Pipeline, cors: Cors | None) -> MockResponse | None:
        """Our answer, ready to be sent; None leaves the request to the wrapped app."""
        auth, is_http = pipeline.auth, exchange.scope["type"] == "http"
        auth.check(exchange)
        endpoint = pipeline.endpoints.find(exchange) if is_http else None
        if endpoint is not None and endpoint.is_public:
            return await self._finish(exchange, await endpoint.answer(exchange))
        if is_http and endpoint is None:
            pipeline.responses.locate(exchange)
            if cors is not None and is_preflight(exchange) and not pipeline.responses.names_method(exchange):
                exchange.answered_by = "cors"
                return cors.preflight(exchange.snapshot)
        if auth.is_protected(exchange):
            decision = await auth.decide(exchange)
            if decision is not None and not isinstance(decision, Allow):
                return await self._finish(exchange, decision_response(decision))
        if endpoint is not None:
            return await self._finish(exchange, await endpoint.answer(exchange))
        if not is_http:
            exchange.answered_by = "no route"
            return None if self.app else error_response(404, "no websocket is served here")
        return await pipeline.backed(exchange, self._respond(exchange, pipeline))

    async def _respond(self, exchange: Exchange, pipeline: Pipeline) -> MockResponse | None:
        quick = pipeline.responses.answer_now(exchange)
        found = await pipeline.responses.answer(exchange) if quick is WAIT else quick
        if found is not None:
            answer = await self._finish(exchange, found)
            return await pipeline.modifiers.change(exchange, answer) if pipeline.modifiers.plugins else answer
        if self.app is not None:
            return None
        return pipeline.responses.nothing(exchange)

    async def _finish(self, exchange: Exchange, answer: MockResponse | TemplateResponse) -> MockResponse:
        if isinstance(answer, MockResponse):
            return answer
        return await self._pipeline.templates.render(exchange, answer)

    async def _send(self, exchange: Exchange, answer: MockResponse) -> None:
        if exchange.scope["type"] == "websocket":
            return await refuse_handshake(exchange, answer)
        await exchange.respond(answer)


def _answered(exchange: Exchange, answer: MockResponse, wall_s: float) -> RequestAnswered:
    shot, by, reason = exchange.snapshot, exchange.answered_by or f"route {exchange.route}", exchange.reason
    if reason and is_preflight(exchange) and answer.status in (401, 403) and by != "cors":
        reason += " (a CORS preflight, which carries no credentials: `cors:` would answer it)"
    who = exchange.principal.id if exchange.principal is not None else None
    return RequestAnswered(
        method=shot.method, path=shot.path, status=answer.status, answered_by=by, wall_s=wall_s, principal=who, reason=reason
    )
