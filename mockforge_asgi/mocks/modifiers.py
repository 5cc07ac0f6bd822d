"""Modifiers: plugins that change an answer already made, one after the other, lowest priority number first."""

from __future__ import annotations

from collections.abc import Iterable

from mockforge_asgi.errors import PluginFailed, PluginUnavailable
from mockforge_asgi.http.answers import MockResponse
from mockforge_asgi.http.exchange import Exchange
from mockforge_asgi.plugins.plugin import Plugin


class Modifiers:
    """The modifiers of one state of the registry."""

    __slots__ = ("plugins",)

    def __init__(self, plugins: Iterable[Plugin] = ()) -> None:
        self.plugins = tuple(plugins)

    async def change(self, exchange: Exchange, answer: MockResponse) -> MockResponse:
        """The answer after all of them; one that fails is left out where the operator says `on_failure: skip`.

        Raises PluginFailed and PluginUnavailable.
        """
        for plugin in self.plugins:
            try:
                with exchange.watched():
                    answer = await plugin.modify(exchange, answer) or answer
            except (PluginFailed, PluginUnavailable):
                if plugin.facts.on_failure != "skip":
                    raise
        return answer
