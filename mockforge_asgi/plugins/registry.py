"""The plugins loaded in one runtime, by the operator's name: the current generation of each.

The mapping is replaced, never mutated, so a request sees one state of it. How a generation is made is `loader.py`; when
one takes over from another is decided here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from mockforge_asgi.errors import ConfigError, MockForgeError, Problem
from mockforge_asgi.events import EventStream, PluginRefused, PluginStopped
from mockforge_asgi.plugins.plugin import Plugin


class Registry:
    """Name → current generation. Old generations end their calls in the background."""

    __slots__ = ("_events", "_plugins", "_retiring", "generation")

    def __init__(self, events: EventStream) -> None:
        self._events = events
        self._plugins: Mapping[str, Plugin] = MappingProxyType({})
        self._retiring: set[asyncio.Task[None]] = set()
        self.generation = 0
        """Goes up with every change: who derives something from the registry compares it."""

    def __getitem__(self, name: str) -> Plugin:
        return self._plugins[name]

    def __contains__(self, name: str) -> bool:
        return name in self._plugins

    def __iter__(self) -> Iterator[Plugin]:
        return iter(self._plugins.values())

    def get(self, name: str, place: str) -> Plugin:
        """The plugin of that name. Raises ConfigError, which names the place that asked for it."""
        try:
            return self._plugins[name]
        except KeyError:
            known = ", ".join(sorted(self._plugins)) or "none"
            raise ConfigError(
                "a plugin is asked for that is not loaded:", [Problem(place, f"no plugin is called '{name}'.", f"Loaded: {known}.")]
            ) from None

    def of_kind(self, kind: str) -> tuple[Plugin, ...]:
        """The plugins of that kind, lowest priority number first, then by name."""
        return tuple(sorted((p for p in self._plugins.values() if kind in p.kinds), key=lambda p: (p.priority, p.name)))

    def put(self, plugin: Plugin) -> Plugin | None:
        """Let a started generation answer from now on; gives the one it took over from, which is being retired."""
        old = self._plugins.get(plugin.name)
        self._plugins = MappingProxyType({**self._plugins, plugin.name: plugin})
        self.generation += 1
        if old is not None:
            self.retire(old)
        return old

    def remove(self, name: str) -> None:
        """Take a plugin out and retire it."""
        old = self._plugins.get(name)
        if old is not None:
            self._plugins = MappingProxyType({n: p for n, p in self._plugins.items() if n != name})
            self.generation += 1
            self.retire(old)

    def retire(self, plugin: Plugin) -> None:
        """End a generation in the background: its running calls end first."""
        task = asyncio.get_running_loop().create_task(self._close(plugin), name=f"mockforge-retire-{plugin.name}")
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    async def _close(self, plugin: Plugin) -> None:
        try:
            await plugin.host.close()
        except MockForgeError as error:
            self._events.emit(PluginRefused(plugin=plugin.name, reason=f"did not stop cleanly: {error}"))
        self._events.emit(PluginStopped(plugin=plugin.name, digest=plugin.facts.digest))

    async def close(self) -> None:
        """Retire everything and wait until all have ended: a plugin stops before those that it needs."""
        while self._plugins:
            needed = {id for plugin in self for id in plugin.facts.needs}
            first = [plugin.name for plugin in self if plugin.facts.id not in needed]
            for name in first or list(self._plugins):
                self.remove(name)
            await self._retired()
        await self._retired()

    async def _retired(self) -> None:
        while self._retiring:
            await asyncio.wait(self._retiring)
