"""PerLoad: what is worked out from the loaded plugins once, and kept until they change: a pipeline, a policy, responders."""

from __future__ import annotations

from asyncio import _get_running_loop
from collections.abc import Callable
from os import getpid
from typing import Generic, TypeVar

from mockforge_asgi.plugins.registry import NOT_LOADED, LoadedPlugins
from mockforge_asgi.runtime import PluginRuntime

T = TypeVar("T")


class PerLoad(Generic[T]):
    """What is worked out from a runtime's plugins as they are loaded: anew whenever they have changed, and not before."""

    __slots__ = ("__weakref__", "_build", "_follows_edits", "_runtime", "_without_plugins", "loaded", "value")

    def __init__(self, runtime: PluginRuntime, build: Callable[[LoadedPlugins], T], *, follows_edits: bool = False) -> None:
        """`follows_edits`: plugins whose files have changed are loaded again first."""
        self._runtime, self._build, self._follows_edits = runtime, build, follows_edits
        self.loaded: LoadedPlugins | None = None
        """The plugins that the value was worked out from; None before the first request."""
        self._without_plugins = build(NOT_LOADED)
        self.value: T = self._without_plugins
        """As it was worked out last: without any plugins before the first request, and from a change of the plugins to the next one."""
        runtime.derived.add(self)

    def forget(self) -> None:
        """The plugins have changed: keep none that may be gone."""
        self.loaded, self.value = None, self._without_plugins

    def is_current(self) -> bool:
        """Whether a request may go by the value: nothing has changed, and the plugins, if any, run on this event loop in this process."""
        loaded = self.loaded
        if loaded is not self._runtime.loaded or self._follows_edits:
            return False
        return not loaded.plugins or (loaded.loop is _get_running_loop() and loaded.pid == getpid())

    async def current(self) -> T:
        """The value for the plugins as they are loaded on this event loop. Raises MockForgeError."""
        loaded = await self._runtime.current(refreshed=self._follows_edits)
        if loaded is not self.loaded:
            self.value = self._build(loaded)
            self.loaded = loaded
        return self.value
