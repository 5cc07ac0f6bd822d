"""Responders: who may answer a request, asked one after the other, lowest priority number first. Knows nothing of how it is mounted.

A responder answers, or gives None: not mine, ask the next. The routes of the configuration and response plugins are responders; so is
whatever else may answer (fixtures 0, scenarios 1, failures 2, proxy 3, plugins 3.5, routes 4).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Final, Protocol, Self

from mockforge_asgi.http.cors import is_foreign
from mockforge_asgi.http.errors import error_response
from mockforge_asgi.http.exchange import Exchange
from mockforge_asgi.http.responses import MockResponse
from mockforge_asgi.mocks.explain import explain
from mockforge_asgi.mocks.plans import READY, PlannedRoute, ResponderResult, Routes, ask
from mockforge_asgi.plugins.plugin import Plugin
from mockforge_asgi.plugins.registry import NOT_LOADED, LoadedPlugins
from mockforge_asgi.routing.index import NEEDS_BODY
from mockforge_asgi.routing.passthrough import ClaimedPaths

PLUGINS: Final = 3.5
"""The priority of response plugins, unless the operator gives another."""
ROUTES: Final = 4.0
"""The priority of the configuration's routes."""


class Responder(Protocol):
    """One of those that may answer."""

    @property
    def name(self) -> str:
        """What logs and explanations call it."""
        ...

    @property
    def priority(self) -> float:
        """Its place: lowest first."""
        ...

    def respond(self, exchange: Exchange) -> ResponderResult | Awaitable[ResponderResult]:
        """Its response where nothing has to be waited for, else what is to be awaited for it. Raises MockForgeError."""
        ...


class PluginResponder:
    """A response plugin that is asked about every request."""

    __slots__ = ("_plugin", "name", "priority")

    def __init__(self, plugin: Plugin, priority: float = PLUGINS) -> None:
        self._plugin = plugin
        self.name: Final = plugin.name
        self.priority: Final = priority

    def respond(self, exchange: Exchange) -> Awaitable[ResponderResult]:
        """The plugin's response."""
        return ask(self._plugin, exchange, directly=False)


class RouteResponder:
    """The routes of an index, with the plugins that some of them name."""

    __slots__ = ("_loaded", "index", "name", "priority")

    def __init__(self, index: Routes, loaded: LoadedPlugins = NOT_LOADED) -> None:
        self.index: Final = index
        self._loaded = loaded
        self.name: Final = "routes"
        self.priority: Final = ROUTES

    def note_route(self, exchange: Exchange) -> None:
        """Find the route and note it in the exchange, before anybody needs it: plugins are told the route and the path's parameters.

        A route that only the body decides is found later, since the body is not read before auth.
        """
        found = self.index.match(exchange.snapshot)
        if found is NEEDS_BODY and (body := exchange.json_body) is not None:
            found = self.index.match(exchange.snapshot, body)
        if found is None:
            exchange.matched_route = False
        elif found is not NEEDS_BODY:
            exchange.matched_route = route = found[0]
            exchange.matched(route.pattern.text, found[1])

    def respond(self, exchange: Exchange) -> ResponderResult | Awaitable[ResponderResult]:
        """What the route's plan gives."""
        if exchange.matched_route is None:
            self.note_route(exchange)
            if exchange.matched_route is None:
                return self._respond_by_body(exchange)
        if exchange.matched_route is False:
            return None
        route: PlannedRoute = exchange.matched_route  # type: ignore[assignment]  # what `note_route` put there
        plan = route.plan
        return plan if isinstance(plan, READY) else plan.respond(exchange, self._loaded)

    async def _respond_by_body(self, exchange: Exchange) -> ResponderResult:
        await exchange.body()
        self.note_route(exchange)
        response = None if exchange.matched_route is None else self.respond(exchange)
        return response if response is None or isinstance(response, READY) else await response


class Responders:
    """All that may answer, with the response plugins that are loaded now: each that no route names, or that has a priority of its own."""

    __slots__ = ("_alone", "_built_in", "_index", "_named", "_priorities", "explains", "ordered", "routes")

    def __init__(
        self,
        index: Routes | None = None,
        built_in: Iterable[Responder] = (),
        *,
        named_by_routes: Collection[str] = (),
        priorities: Mapping[str, float] = MappingProxyType({}),
        explains: bool = False,
        loaded: LoadedPlugins = NOT_LOADED,
    ) -> None:
        """`built_in` are those besides routes and plugins; `priorities` are plugins' own. `explains`: a 404 says why nothing matched."""
        self._index, self._built_in, self._named, self._priorities = index, tuple(built_in), named_by_routes, priorities
        self.explains: Final = explains
        self.routes: Final = None if index is None else RouteResponder(index, loaded)
        plugins = [
            PluginResponder(plugin, priorities.get(plugin.name, PLUGINS))
            for plugin in loaded.of_kind("response")
            if plugin.name not in named_by_routes or plugin.name in priorities
        ]
        # Plugins go before a built-in responder of the same priority; the sort keeps their own order.
        everyone: list[Responder] = [*plugins, *self._built_in, *([] if self.routes is None else [self.routes])]
        self.ordered: Final = tuple(sorted(everyone, key=lambda responder: responder.priority))
        self._alone = self.ordered[0] if len(self.ordered) == 1 else None

    def of(self, loaded: LoadedPlugins) -> Self:
        """The same with those plugins."""
        return type(self)(
            self._index,
            self._built_in,
            named_by_routes=self._named,
            priorities=self._priorities,
            explains=self.explains,
            loaded=loaded,
        )

    def claims(self) -> ClaimedPaths:
        """Which paths any of them could answer."""
        if any(responder is not self.routes for responder in self.ordered):
            return ClaimedPaths(everything=True)
        return ClaimedPaths(route.pattern.text for route in self._index.routes) if self._index is not None else ClaimedPaths()

    def names_method(self, exchange: Exchange) -> bool:
        """Whether the route that was found names the request's method, instead of answering any."""
        route: PlannedRoute = exchange.matched_route  # type: ignore[assignment]  # what `note_route` put there
        return bool(route) and exchange.snapshot.method in (route.methods or ())

    def respond(self, exchange: Exchange) -> ResponderResult | Awaitable[ResponderResult]:
        """The response of the first that has one, as a Responder gives it. Raises MockForgeError."""
        return self._first(exchange) if self._alone is None else self._alone.respond(exchange)

    async def _first(self, exchange: Exchange) -> ResponderResult:
        for responder in self.ordered:
            response = responder.respond(exchange)
            if response is not None and not isinstance(response, READY):
                response = await response
            if response is not None:
                return response
        return None

    def not_found(self, exchange: Exchange, redact: Callable[[str], str]) -> MockResponse:
        """The response when none has one and there is no app behind: 404, or 405 where only the method is wrong (RFC 9110 §15.5.6).

        `redact` takes secrets out of what a developer is told.
        """
        snapshot, exchange.answered_by = exchange.snapshot, "no route"
        methods = frozenset() if self._index is None else self._index.methods_at(snapshot.match_path)
        message = "nothing is mocked here"
        if self.explains:
            foreign = f"{message}; why is not told to pages of other origins"
            message = foreign if is_foreign(snapshot) else redact(self.explain(exchange))
        if methods and "*" not in methods and snapshot.method not in methods:
            return error_response(405, message, (("allow", ", ".join(sorted(methods))),), error="Method not allowed")
        return error_response(404, message)

    def explain(self, exchange: Exchange) -> str:
        """Why nothing matched, for developers: the nearest routes and what each of them wants instead, the plugins that were asked."""
        asked = [step.why for step in exchange.trace or () if step.why and step.outcome in ("nothing", "failed")]
        if exchange.matched_route:
            return "\n".join([f"{exchange.matched_route} fits, and nobody answered.", *asked])
        text = explain(self._index, exchange.snapshot, exchange.json_body) if self._index is not None else "There are no routes."
        return "\n".join([text, *asked])
