"""Plans: what answers at a route, ready before the first request. A compiler makes them: of `routes:` now, of other descriptions later.

A plan is a response that is ready as it is, one that is rendered, or an object that is asked. Whoever compiles plans gives them to the
route index with their patterns.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from time import perf_counter
from typing import Final, Protocol, TypeAlias

from mockforge_asgi.errors import PluginFailed, PluginUnavailable
from mockforge_asgi.events import Step
from mockforge_asgi.http.exchange import Exchange
from mockforge_asgi.http.responses import MockResponse, TemplateResponse
from mockforge_asgi.plugins.plugin import Plugin
from mockforge_asgi.plugins.registry import LoadedPlugins
from mockforge_asgi.routing.index import Route, RouteIndex

ResponderResult: TypeAlias = MockResponse | TemplateResponse | None
"""A response; None: not mine, ask the next."""

READY: Final = (MockResponse, TemplateResponse)
"""What needs no waiting for."""


class Plan(Protocol):
    """What is asked for the response at a route."""

    def respond(self, exchange: Exchange, loaded: LoadedPlugins) -> ResponderResult | Awaitable[ResponderResult]:
        """Its response, or what is to be awaited for it. Raises MockForgeError."""
        ...


RoutePlan: TypeAlias = MockResponse | TemplateResponse | Plan
Routes: TypeAlias = RouteIndex[RoutePlan]
PlannedRoute: TypeAlias = Route[RoutePlan]


@dataclass(frozen=True, slots=True)
class PluginPlan:
    """The response is whatever that response plugin generates."""

    plugin: str

    def respond(self, exchange: Exchange, loaded: LoadedPlugins) -> Awaitable[ResponderResult]:
        """The plugin's response, without asking whether it wants to. Raises PluginUnavailable where it is not loaded."""
        return ask(loaded.plugins.get(self.plugin) or loaded.get(self.plugin), exchange, directly=True)


async def ask(plugin: Plugin, exchange: Exchange, *, directly: bool) -> ResponderResult:
    """A plugin's response; `directly`: without asking whether it wants to.

    Raises PluginFailed and PluginUnavailable unless the plugin is to be skipped when it fails.
    """
    begun = 0.0 if exchange.trace is None else perf_counter()
    why, response = "", None
    try:
        if directly or await plugin.can_handle(exchange):
            response = await plugin.generate(exchange)
            why = "" if response is not None else f"Plugin '{plugin.name}' was asked, and generate gave no answer."
        else:
            why = f"Plugin '{plugin.name}' was asked, and said in can_handle that it does not answer this."
        if isinstance(response, TemplateResponse) and response.template not in plugin.facts.templates:
            plugin.permit_template("response.generate", response.template)
    except (PluginFailed, PluginUnavailable) as error:
        is_skipped = plugin.facts.on_failure == "skip"
        _trace(plugin, exchange, "failed", f"skipped: {error}" if is_skipped else str(error), begun)
        if not is_skipped:
            raise
        return None
    if exchange.trace is not None:
        _trace(plugin, exchange, "response" if response is not None else "nothing", why, begun)
    if response is not None:
        exchange.answered_by = f"plugin {plugin.name}"
    return response


def _trace(plugin: Plugin, exchange: Exchange, outcome: str, why: str, begun: float) -> None:
    if exchange.trace is not None:
        exchange.trace.append(Step(f"plugin {plugin.name}", outcome, perf_counter() - begun, why))
