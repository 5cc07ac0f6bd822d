"""Endpoints: paths that plugins serve themselves (`/callback`, `/acs`, `/metadata`, `/logout`), below their configured prefix.

Those of plugins that the operator lets guard something, and of built-in identity providers, are asked before auth: whoever is about to log
in has no credentials yet. All others come after it, whatever a manifest says of itself; `plugins.NAME.endpoints` says otherwise.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from mockforge_asgi.config.objects import Config
from mockforge_asgi.http.errors import error_response
from mockforge_asgi.http.exchange import Exchange
from mockforge_asgi.http.responses import MockResponse, TemplateResponse
from mockforge_asgi.http.snapshot import with_head
from mockforge_asgi.plugins.plugin import Plugin, endpoint_prefix
from mockforge_asgi.routing.passthrough import ClaimedPaths


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint of a loaded plugin; `methods` empty: all."""

    methods: frozenset[str]
    plugin: Plugin
    name: str
    is_public: bool
    """Whether it is asked before auth."""

    async def respond(self, exchange: Exchange) -> MockResponse | TemplateResponse:
        """The plugin's response; 405 for a method that it does not have. Raises PluginFailed, PluginUnavailable, RequestRejected."""
        exchange.answered_by = f"plugin {self.plugin.name}"
        if self.methods and exchange.snapshot.method not in self.methods:
            return error_response(405, "this method is not served here", (("allow", ", ".join(sorted(self.methods))),))
        if self.plugin.view.body:
            await exchange.body()
        response = await self.plugin.call_endpoint(exchange, self.name)
        if isinstance(response, TemplateResponse):
            self.plugin.permit_template("endpoint.call", response.template)
        return response


class Endpoints:
    """Every endpoint of some plugins; `public` names those whose endpoints are asked before auth."""

    __slots__ = ("by_path", "claims")

    def __init__(self, plugins: Iterable[Plugin] = (), public: Collection[str] = ()) -> None:
        self.by_path: Final = {
            _path(p, e.path): Endpoint(with_head(e.methods), p, e.name, p.name in public) for p in plugins for e in p.facts.endpoints
        }
        self.claims: Final = ClaimedPaths(self.by_path)

    def find(self, exchange: Exchange) -> Endpoint | None:
        """The endpoint at that path. A preflight reaches only one that names OPTIONS."""
        endpoint = self.by_path.get(exchange.snapshot.match_path)
        return None if endpoint is None or ("OPTIONS" not in endpoint.methods and exchange.is_preflight) else endpoint


def public_plugins(config: Config) -> frozenset[str]:
    """The plugins whose endpoints are asked before auth: those that `protect` names, and built-in identity providers (`use: idp-…`), unless
    their entries say otherwise."""
    found = {name for rule in config.protect for name in rule.auth}
    found |= {name for name, use in config.plugins.items() if use.endpoints == "public" or (use.is_builtin and use.use.startswith("idp-"))}
    return frozenset(found - {name for name, use in config.plugins.items() if use.endpoints == "protected"})


def _path(plugin: Plugin, path: str) -> str:
    return endpoint_prefix(plugin.name, plugin.facts.prefix) + path
