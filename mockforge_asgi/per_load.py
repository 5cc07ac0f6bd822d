"""PerLoad: what is worked out from the loaded plugins once, and kept until they change: a pipeline, a policy, responders."""

from __future__ import annotations

from asyncio import _get_running_loop
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from mockforge_asgi.locks import ThisProcess
from mockforge_asgi.plugins.registry import NOT_LOADED, LoadedPlugins
from mockforge_asgi.runtime import PluginRuntime

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class WorkedOut(Generic[T]):
    """A value, and the plugins that it was worked out from; None: without any, since they are not asked for yet."""

    loaded: LoadedPlugins | None
    value: T


class PerLoad(Generic[T]):
    """What is worked out from a runtime's plugins as they are loaded: anew whenever they have changed, and not before.

    Each event loop has plugins of its own; what is theirs is kept with them, and that of the first loop is at hand.
    """

    __slots__ = ("__weakref__", "_build", "_follows_edits", "_runtime", "_without_plugins", "now")

    def __init__(self, runtime: PluginRuntime, build: Callable[[LoadedPlugins], T], *, follows_edits: bool = False) -> None:
        """`follows_edits`: plugins whose files have changed are loaded again first."""
        self._runtime, self._build, self._follows_edits = runtime, build, follows_edits
        self._without_plugins = WorkedOut(None, build(NOT_LOADED))
        self.now: WorkedOut[T] = self._without_plugins
        """As it was worked out last: without any plugins before the first request, and from a change of the plugins to the next one."""

    def forget(self, loaded: LoadedPlugins) -> None:
        """These plugins have changed: keep none that may be gone."""
        if self.now.loaded is loaded:
            self.now = self._without_plugins

    def ready(self) -> T | None:
        """The value that is at hand, if a request may go by it: nothing has changed, and the plugins, if any, run on this event loop in
        this process."""
        now = self.now
        loaded = now.loaded
        if loaded is None or loaded is not self._runtime.loaded or self._follows_edits:
            return None
        return now.value if not loaded.plugins or (loaded.loop is _get_running_loop() and loaded.pid == ThisProcess.pid) else None

    async def current(self) -> T:
        """The value for the plugins as they are loaded on this event loop. Raises MockForgeError."""
        loaded = await self._runtime.current(refreshed=self._follows_edits)
        value: T | None = loaded.derived.get(self)
        if value is None:
            value = loaded.derived[self] = self._build(loaded)
        if loaded is self._runtime.loaded and loaded is not self.now.loaded:
            self.now = WorkedOut(loaded, value)
        return value
