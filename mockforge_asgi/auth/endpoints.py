"""Endpoints: paths that plugins serve themselves (`/callback`, `/acs`, `/metadata`, `/logout`), below their configured prefix.

They are asked before auth: whoever is about to log in has no credentials yet.
"""

from __future__ import annotations

from collections.abc import Iterable

from mockforge_asgi.auth.preflight import is_preflight
from mockforge_asgi.http.answers import MockResponse, TemplateAnswer
from mockforge_asgi.http.claims import Claims
from mockforge_asgi.http.exchange import Exchange
from mockforge_asgi.http.path_glob import PathGlob
from mockforge_asgi.http.refusals import refusal
from mockforge_asgi.plugins.permits import permit_template
from mockforge_asgi.plugins.plugin import Plugin


class Endpoints:
    """Every endpoint of some plugins."""

    __slots__ = ("_entries", "claims")

    def __init__(self, plugins: Iterable[Plugin] = ()) -> None:
        self._entries = tuple((PathGlob(_path(p, e.path)), _methods(e.methods), p, e.name) for p in plugins for e in p.facts.endpoints)
        self.claims = Claims(glob.pattern for glob, _, _, _ in self._entries)

    @property
    def is_any(self) -> bool:
        """Whether there is one."""
        return bool(self._entries)

    async def answer(self, exchange: Exchange) -> MockResponse | TemplateAnswer | None:
        """The answer of the plugin whose endpoint it is, or None. Raises PluginFailed, PluginUnavailable, Refused."""
        path, method = exchange.snapshot.path, exchange.snapshot.method
        allowed: set[str] = set()
        for glob, methods, plugin, name in self._entries:
            if glob.matches(path):
                if not methods or method in methods:
                    return await _call(plugin, name, exchange)
                allowed |= methods
        if not allowed or is_preflight(exchange):
            return None
        return refusal(405, "this method is not served here", (("allow", ", ".join(sorted(allowed))),))


def _path(plugin: Plugin, path: str) -> str:
    return (plugin.facts.prefix or f"/{plugin.name}").rstrip("/") + path


def _methods(methods: frozenset[str]) -> frozenset[str]:
    return methods | {"HEAD"} if "GET" in methods else methods


async def _call(plugin: Plugin, name: str, exchange: Exchange) -> MockResponse | TemplateAnswer:
    with exchange.watched():
        if plugin.view.body:
            await exchange.body()
        answer = await plugin.call_endpoint(exchange, name)
    if isinstance(answer, TemplateAnswer):
        permit_template(plugin.name, plugin.facts, "endpoint.call", answer.template)
    return answer
