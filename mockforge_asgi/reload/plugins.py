"""Which plugins were edited since they were loaded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mockforge_asgi.config import PluginUse
from mockforge_asgi.plugins.package.package import is_left_out
from mockforge_asgi.reload.watcher import Watch, Watcher


class PluginEdits:
    """A watch on each plugin's folder or archive. Made before the plugins are read."""

    __slots__ = ("_loaded", "_seen", "_watcher", "_watches")

    def __init__(self, watcher: Watcher, plugins: Iterable[PluginUse]) -> None:
        self._watcher, self._seen = watcher, -1
        self._watches: dict[str, Watch] = {}
        self._loaded: dict[str, int] = {}
        for use in plugins:
            if use.enabled:
                watch = self._watches[use.name] = watcher.watch()
                watch.add_tree(use.path, is_left_out)
                self._loaded[use.name] = watch.version

    def is_any(self) -> bool:
        """Whether there may be some: anything was edited since all of them were gone through."""
        return self._watcher.look() != self._seen

    def each(self) -> Iterator[str]:
        """The name of each edited plugin, which counts as loaded when the next is asked for: not before, so that a request that ends
        meanwhile does not take the edit with it."""
        seen = self._watcher.version
        for name, watch in self._watches.items():
            if (version := watch.version) != self._loaded[name]:
                yield name
                self._loaded[name] = version
        self._seen = seen
