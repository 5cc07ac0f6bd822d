"""START HERE: the life of one request. Everything else serves one of these steps.

no claim        the wrapped app, with the very same scope, receive and send objects: nothing read, nothing buffered
path check      a path with more than one reading, one of them protected, is refused
cors            preflights are answered from the configuration, before auth
auth            by path rules: pass, refuse, or answer in the app's place; endpoints that log callers in come before it
endpoints       plugins' own paths
responders      the first that answers; none: the wrapped app, or a 404 that says why
templates       rendered by the host
modifiers       change a response already made; the wrapped app's where the operator says so
send            length and framing are always ours
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from time import perf_counter
from typing import Any

from mockforge_asgi.auth.forward import forward
from mockforge_asgi.auth.preflight import answer_preflight
from mockforge_asgi.auth.responses import decision_response, refuse_handshake
from mockforge_asgi.config import Config, load_config
from mockforge_asgi.config.objects import ProtectRule
from mockforge_asgi.contract import Allow
from mockforge_asgi.errors import ClientDisconnected, ConfigError, MockForgeError, PluginFailed, PluginUnavailable
from mockforge_asgi.http.errors import error_response
from mockforge_asgi.http.exchange import Exchange
from mockforge_asgi.http.paths import own_root_path, route_path
from mockforge_asgi.http.responses import MockResponse, TemplateResponse
from mockforge_asgi.lifespan import lifespan
from mockforge_asgi.per_load import PerLoad
from mockforge_asgi.pipeline import Pipeline, PipelineBuilder
from mockforge_asgi.request_events import answered, traced
from mockforge_asgi.routing.ambiguity import is_plain
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
        builder = PipelineBuilder(self.config, self.runtime, root_path=own_root_path(app, root_path), is_alone=app is None)
        self._pipelines = PerLoad(self.runtime, builder.build, follows_edits=self.config.dev)

    @property
    def routes(self) -> object:
        """The routes of the wrapped app, for `request.url_for` where this is mounted in Starlette."""
        return getattr(self.app, "routes", [])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection of the server's."""
        kind = scope["type"]
        if kind == "http" or kind == "websocket":
            now, path = self._pipelines.now, route_path(scope) if scope.get("root_path") else scope["path"]
            pipeline = now.value
            if self.app is not None and now.loaded is self.runtime.loaded and pipeline.claims.passes_through(path, scope.get("raw_path")):
                return await self.app(scope, receive, send)
            await self._serve(Exchange(scope, receive, send, path, pipeline.limits, pipeline.proxies), pipeline)
        elif kind == "lifespan":
            await lifespan(self.runtime, self.app, scope, receive, send)
        elif self.app is not None:
            await self.app(scope, receive, send)

    async def _serve(self, exchange: Exchange, pipeline: Pipeline) -> None:
        """Answer the request, or hand it on. Errors of ours and of plugins become responses; those of the app are its own."""
        begun, snapshot, auth = perf_counter(), exchange.snapshot, pipeline.auth
        rule = auth.protection.rule_for(snapshot.method, snapshot.path) if auth.protection.is_any else None
        if pipeline.cors is not None and exchange.is_http and (rule is None or pipeline.guards_cors):
            is_simple = rule is None and snapshot.method != "OPTIONS"
            exchange.cors = pipeline.cors if is_simple else pipeline.cors_for(exchange, rule)
        try:
            is_for_app = rule is not None and rule.preflight == "app" and auth.allows_preflight(exchange)
            if is_for_app and self.app is not None and await answer_preflight(self.app, exchange):
                return
            try:
                pipeline = self._pipelines.ready() or await self._pipelines.current()
                response = await self._respond(exchange, pipeline, rule)
            except ClientDisconnected:
                return
            except MockForgeError as error:
                response = pipeline.failures.response_for(exchange, error)
            if response is not None:
                await (exchange.respond(response) if exchange.is_http else refuse_handshake(exchange, response))
            elif self.app is not None:
                exchange.release()
                await forward(pipeline.modifiers.around(self.app, exchange), exchange, is_protected=rule is not None)
        finally:
            exchange.close()
        events = self.runtime.events
        if exchange.trace is not None and events.is_tracing:
            events.emit(traced(exchange))
        if response is not None and begun >= events.unanswered_until_s and events.hears_answers(begun):
            events.emit(answered(exchange, response, perf_counter() - begun))

    async def _respond(self, exchange: Exchange, pipeline: Pipeline, rule: ProtectRule | None) -> MockResponse | None:
        """Our response, ready to be sent; None leaves the request to the wrapped app."""
        auth, snapshot, routes = pipeline.auth, exchange.snapshot, pipeline.responders.routes
        if auth.protection.is_any and not is_plain(snapshot.path, exchange.scope.get("raw_path")):
            auth.check_path(exchange)
        if pipeline.is_traced or self.runtime.events.is_tracing:
            exchange.trace = []
        endpoint = pipeline.endpoints.find(exchange) if pipeline.endpoints.by_path and exchange.is_http else None
        if endpoint is not None and endpoint.is_public:
            return await pipeline.rendered(exchange, await endpoint.respond(exchange))
        if endpoint is None and exchange.is_http:
            if routes is not None:
                routes.note_route(exchange)
            if (
                snapshot.method == "OPTIONS"
                and exchange.cors is not None
                and exchange.is_preflight
                and not pipeline.responders.names_method(exchange)
            ):
                exchange.answered_by = "cors"
                return exchange.cors.preflight(snapshot)
        if rule is not None:
            decision = await auth.decide(exchange, rule)
            if decision is not None and not isinstance(decision, Allow):
                return await pipeline.rendered(exchange, decision_response(decision))
        if endpoint is not None:
            return await pipeline.rendered(exchange, await endpoint.respond(exchange))
        if not exchange.is_http:
            exchange.answered_by = "no route"
            return None if self.app else error_response(404, "no websocket is served here")
        try:
            found = pipeline.responders.respond(exchange)
            if not isinstance(found, MockResponse):
                if found is not None and not isinstance(found, TemplateResponse):
                    found = await found
                if isinstance(found, TemplateResponse):
                    found = await pipeline.templates.render(exchange, found)
            if found is not None:
                return await pipeline.modifiers.change(exchange, found) if pipeline.modifiers.plugins else found
        except (PluginFailed, PluginUnavailable) as error:
            return pipeline.failures.in_place_of(exchange, error)
        return None if self.app is not None else pipeline.responders.not_found(exchange, self.runtime.events.redact)
