"""The plugins loaded in one runtime, by the operator's name: the current generation of each.

`LoadedPlugins` is one state of it, replaced and never mutated, so that a request sees one. How a generation is made is `loader.py`; when
one takes over from another is decided here.
"""

from __future__ import annotations

import asyncio
import os
from asyncio import _get_running_loop
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final
from weakref import WeakKeyDictionary

from mockforge_asgi.errors import ConfigError, MockForgeError, PluginUnavailable, Problem, UnsupportedEventLoop
from mockforge_asgi.events import EventStream, PluginRefused, PluginStopped
from mockforge_asgi.plugins.plugin import Plugin


@dataclass(frozen=True, slots=True, eq=False)
class LoadedPlugins:
    """Every plugin between two changes of a registry. What is worked out from them stays right until the runtime holds another one."""

    plugins: Mapping[str, Plugin] = field(default_factory=dict)
    loop: asyncio.AbstractEventLoop | None = None
    """The event loop that they run on, in the process `pid`."""
    pid: int = 0
    unavailable: str = ""
    """Why none can be asked at all: the event loop is one that cannot have any."""
    derived: WeakKeyDictionary[Any, Any] = field(init=False, repr=False, default_factory=WeakKeyDictionary)
    """What mounts have worked out from them, each for itself."""

    def of_kind(self, kind: str) -> tuple[Plugin, ...]:
        """The plugins of that kind, lowest priority number first, then by name."""
        return tuple(sorted((p for p in self.plugins.values() if kind in p.kinds), key=lambda p: (p.priority, p.name)))

    def get(self, name: str, why: str = "it is not loaded") -> Plugin:
        """The plugin of that name. Raises PluginUnavailable with those words, and UnsupportedEventLoop where there can be none."""
        plugin = self.plugins.get(name)
        if plugin is not None:
            return plugin
        raise UnsupportedEventLoop(self.unavailable) if self.unavailable else PluginUnavailable(name, why)


NOT_LOADED: Final = LoadedPlugins()
"""What a runtime holds before its start."""


class Registry:
    """Name → current generation. Old generations end their calls in the background. `changed` is called after every change."""

    __slots__ = ("_changed", "_retiring", "events", "generation", "loaded")

    def __init__(self, events: EventStream, changed: Callable[[], None] = lambda: None) -> None:
        self.events, self._changed = events, changed
        self._retiring: set[asyncio.Task[None]] = set()
        self.generation = 0
        """Goes up with every change."""
        self.loaded = LoadedPlugins(loop=_get_running_loop(), pid=os.getpid())

    def __getitem__(self, name: str) -> Plugin:
        return self.loaded.plugins[name]

    def __contains__(self, name: str) -> bool:
        return name in self.loaded.plugins

    def __iter__(self) -> Iterator[Plugin]:
        return iter(self.loaded.plugins.values())

    def get(self, name: str, place: str) -> Plugin:
        """The plugin of that name. Raises ConfigError, which names the place that asked for it."""
        try:
            return self.loaded.plugins[name]
        except KeyError:
            known = ", ".join(sorted(self.loaded.plugins)) or "none"
            raise ConfigError(
                "a plugin is asked for that is not loaded:", [Problem(place, f"no plugin is called '{name}'.", f"Loaded: {known}.")]
            ) from None

    def put(self, plugin: Plugin) -> Plugin | None:
        """Let a started generation answer from now on; gives the one it took over from, which is being retired."""
        old = self.loaded.plugins.get(plugin.name)
        self._hold({**self.loaded.plugins, plugin.name: plugin})
        if old is not None:
            old.successor = plugin
            self.retire(old)
        return old

    def remove(self, name: str) -> None:
        """Take a plugin out and retire it."""
        old = self.loaded.plugins.get(name)
        if old is not None:
            self._hold({n: p for n, p in self.loaded.plugins.items() if n != name})
            self.retire(old)

    def _hold(self, plugins: dict[str, Plugin]) -> None:
        self.loaded = replace(self.loaded, plugins=MappingProxyType(plugins))
        self.generation += 1
        self._changed()

    def retire(self, plugin: Plugin) -> None:
        """End a generation in the background: its running calls end first."""
        task = asyncio.get_running_loop().create_task(self._close(plugin), name=f"mockforge-retire-{plugin.name}")
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    async def _close(self, plugin: Plugin) -> None:
        try:
            await plugin.host.close()
        except MockForgeError as error:
            self.events.emit(PluginRefused(plugin=plugin.name, reason=f"did not stop cleanly: {error}"))
        self.events.emit(PluginStopped(plugin=plugin.name, digest=plugin.facts.digest))

    async def close(self) -> None:
        """Retire everything and wait until all have ended: a plugin stops before those that it needs."""
        while self.loaded.plugins:
            needed = {id for plugin in self for id in plugin.facts.needs}
            first = [plugin.name for plugin in self if plugin.facts.id not in needed]
            for name in first or list(self.loaded.plugins):
                self.remove(name)
            await self._retired()
        await self._retired()

    async def _retired(self) -> None:
        while self._retiring:
            await asyncio.wait(self._retiring)
