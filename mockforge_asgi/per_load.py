"""PerLoad: what is worked out from the loaded plugins once, and kept until they change: a pipeline, a policy, responders."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from mockforge_asgi.plugins.registry import NOT_LOADED, LoadedPlugins
from mockforge_asgi.runtime import PluginRuntime

T = TypeVar("T")


class PerLoad(Generic[T]):
    """What is worked out from a runtime's plugins as they are loaded: anew whenever they have changed, and not before."""

    __slots__ = ("_build", "_follows_edits", "_loaded", "_runtime", "value")

    def __init__(self, runtime: PluginRuntime, build: Callable[[LoadedPlugins], T], *, follows_edits: bool = False) -> None:
        """`follows_edits`: plugins whose files have changed are loaded again first."""
        self._runtime, self._build, self._follows_edits = runtime, build, follows_edits
        self._loaded: LoadedPlugins | None = None
        self.value: T = build(NOT_LOADED)
        """As it was worked out last: before the first request, without any plugins."""

    @property
    def is_unchanged(self) -> bool:
        """Whether the plugins are those that the value was worked out from, wherever they run."""
        return self._loaded is self._runtime.loaded

    def is_current(self) -> bool:
        """Whether a request may go by the value."""
        loaded = self._loaded
        return loaded is self._runtime.loaded and not self._follows_edits and loaded.are_here()

    async def current(self) -> T:
        """The value for the plugins as they are loaded on this event loop. Raises MockForgeError."""
        loaded = await self._runtime.current(refreshed=self._follows_edits)
        if loaded is not self._loaded:
            self.value = self._build(loaded)
            self._loaded = loaded
        return self.value
