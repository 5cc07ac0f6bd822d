"""ResponseChain: asks its links for an answer, lowest priority number first. Mountable around any ASGI app, and a step of `MockForge`."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final, Literal, Protocol

from mockforge_asgi.errors import ClientDisconnected, MockForgeError, UnsupportedEventLoop
from mockforge_asgi.http.body import DEFAULT_LIMITS, BodyLimits
from mockforge_asgi.http.cors import is_foreign
from mockforge_asgi.http.errors import error_response, response_for
from mockforge_asgi.http.exchange import SCOPE_KEY, Exchange
from mockforge_asgi.http.responses import MockResponse, TemplateResponse
from mockforge_asgi.lifespan import Service, lifespan
from mockforge_asgi.mocks.explain import explain
from mockforge_asgi.mocks.responders import (
    PLUGINS,
    WAIT,
    Later,
    PluginResponder,
    Plugins,
    Responder,
    ResponderResult,
    ResponsePlugin,
    RouteResponder,
)
from mockforge_asgi.routing.passthrough import ClaimedPaths
from mockforge_asgi.types import ASGIApp, Receive, Scope, Send


class Registry(Protocol):
    """The registry of loaded plugins."""

    @property
    def generation(self) -> int:
        """Goes up with every change."""
        ...

    def of_kind(self, kind: str, /) -> Iterable[ResponsePlugin]:
        """The plugins of that kind, lowest priority number first."""
        ...


class ResponseRuntime(Service, Plugins, Protocol):
    """What the chain asks of the runtime."""

    @property
    def registry(self) -> Registry:
        """The loaded plugins."""
        ...


class PluginResponders:
    """The links of response plugins as they are loaded now: one for each that no route names, or that the operator gave a priority."""

    __slots__ = ("_generation", "_links", "_named", "_priorities", "_registry", "_runtime", "expects_any")

    def __init__(
        self,
        runtime: ResponseRuntime,
        *,
        named_by_routes: Collection[str] = (),
        priorities: dict[str, float] | None = None,
        expects_any: bool,
    ) -> None:
        self._runtime, self._named = runtime, frozenset(named_by_routes)
        self._priorities = dict(priorities or {})
        self._registry: Registry | None = None
        self._generation = -1
        self._links: tuple[PluginResponder, ...] = ()
        self.expects_any: Final = expects_any
        """Whether plugins are configured at all; without any, requests need not ask."""

    def current(self) -> tuple[PluginResponder, ...] | None:
        """The links; None while the runtime is not ready."""
        if not self._runtime.is_ready:
            return None
        registry = self._runtime.registry
        if registry is not self._registry or registry.generation != self._generation:
            self._links = tuple(
                PluginResponder(self._runtime, plugin.name, priority=self._priorities.get(plugin.name, PLUGINS))
                for plugin in registry.of_kind("response")
                if plugin.name not in self._named or plugin.name in self._priorities
            )
            self._registry, self._generation = registry, registry.generation
        return self._links


class ResponseChain:
    """Answers HTTP requests that a link claims; everything else goes to the wrapped app, or is a 404 where there is none.

    `links` are built-in links; `plugins` adds those of response plugins. `explains`: a 404 says why nothing matched.
    """

    def __init__(
        self,
        app: ASGIApp | None = None,
        *,
        runtime: ResponseRuntime,
        links: Iterable[Responder] = (),
        plugins: PluginResponders | None = None,
        limits: BodyLimits = DEFAULT_LIMITS,
        explains: bool = False,
    ) -> None:
        self.app, self.runtime, self.limits, self.explains = app, runtime, limits, explains
        self.built_in: Final = tuple(sorted(links, key=lambda link: link.priority))
        self.route_link: Final = next((link for link in self.built_in if isinstance(link, RouteResponder)), None)
        self._plugins = plugins if plugins is not None and plugins.expects_any else None
        self._joined: tuple[tuple[PluginResponder, ...], tuple[Responder, ...]] = ((), self.built_in)

    @property
    def routes(self) -> object:
        """The routes of the wrapped app, for `request.url_for` where this is mounted in Starlette."""
        return getattr(self.app, "routes", [])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, or let the wrapped app do it."""
        if scope["type"] == "lifespan":
            return await lifespan(self.runtime, self.app, scope, receive, send)
        if scope["type"] != "http":
            if self.app is not None:
                return await self.app(scope, receive, send)
            return await send({"type": "websocket.close"}) if scope["type"] == "websocket" else None
        exchange, is_new = Exchange.of(scope, receive, send, limits=self.limits)
        try:
            await self._serve(exchange)
        except ClientDisconnected:
            return
        finally:
            if is_new:
                exchange.close()

    async def _serve(self, exchange: Exchange) -> None:
        try:
            self.locate(exchange)
            answer = await self.answer(exchange)
            if answer is not None:
                return await exchange.respond(answer)
        except ClientDisconnected:
            raise
        except MockForgeError as error:
            return await exchange.respond(response_for(error))
        if self.app is None:
            return await exchange.respond(self.nothing(exchange))
        exchange.release()
        await self.app({**exchange.scope, SCOPE_KEY: exchange}, exchange.replay(), exchange.send)

    def claims(self) -> ClaimedPaths:
        """Which paths any link could answer."""
        links = self.links()
        if links is None or any(link is not self.route_link for link in links):
            return ClaimedPaths(everything=True)
        return ClaimedPaths(route.pattern.text for route in self.route_link.index.routes) if self.route_link is not None else ClaimedPaths()

    def links(self) -> tuple[Responder, ...] | None:
        """Every link as of now, in order; None while plugins are not ready."""
        if self._plugins is None:
            return self.built_in
        current = self._plugins.current()
        if current is None:
            return None
        if self._joined[0] is not current:
            # Plugins go before a built-in link of the same priority; the sort keeps their own order.
            self._joined = (current, tuple(sorted((*current, *self.built_in), key=lambda link: link.priority)))
        return self._joined[1]

    def locate(self, exchange: Exchange) -> None:
        """Find the request's route, so that all who are asked from now on are told of it."""
        if self.explains and exchange.notes is None:
            exchange.notes = []
        if self.route_link is not None and exchange.located is None:
            self.route_link.locate(exchange)

    def names_method(self, exchange: Exchange) -> bool:
        """Whether the route that was found names the request's method, instead of answering any."""
        located = exchange.located
        return isinstance(located, tuple) and exchange.snapshot.method in (located[0].methods or ())

    def answer_now(self, exchange: Exchange) -> ResponderResult | Literal[Later.WAIT]:
        """The answer where no link has to wait, else WAIT."""
        links = self.built_in if self._plugins is None else self.links()
        if links is None:
            return WAIT
        for link in links:
            answer = link.answer_now(exchange)
            if answer is not None:
                return answer
        return None

    async def answer(self, exchange: Exchange) -> MockResponse | TemplateResponse | None:
        """The answer of the first link that has one. Raises MockForgeError."""
        links = self.links()
        if links is None:
            try:
                await self.runtime.ensure()
            except UnsupportedEventLoop:  # no plugins on this event loop: routes that need none answer all the same
                links = self.built_in
            links = links or self.links() or self.built_in
        for link in links:
            quick = link.answer_now(exchange)
            answer = await link.answer(exchange) if quick is WAIT else quick
            if answer is not None:
                return answer
        return None

    def nothing(self, exchange: Exchange) -> MockResponse:
        """The answer when no link has one and there is no app behind: 404, or 405 where only the method is wrong (RFC 9110 §15.5.6)."""
        snapshot, exchange.answered_by = exchange.snapshot, "no route"
        methods = frozenset() if self.route_link is None else self.route_link.index.methods_at(snapshot.match_path)
        message = "nothing is mocked here"
        if self.explains:
            message = self.explain(exchange) if not is_foreign(snapshot) else f"{message}; why is not told to pages of other origins"
        if methods and "*" not in methods and snapshot.method not in methods:
            return error_response(405, message, (("allow", ", ".join(sorted(methods))),), error="Method not allowed")
        return error_response(404, message)

    def explain(self, exchange: Exchange) -> str:
        """Why nothing matched, for developers: the nearest routes and what each of them wants instead, the plugins that were asked."""
        notes = exchange.notes or []
        if isinstance(exchange.located, tuple):
            return "\n".join([f"{exchange.located[0]} fits, and nobody answered.", *notes])
        text = explain(self.route_link.index, exchange.snapshot, exchange.json_body) if self.route_link else "There are no routes."
        return "\n".join([text, *notes])
