"""In which order plugins start: what a plugin depends on comes first."""

from __future__ import annotations

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Protocol, TypeVar

from mockforge_asgi.errors import PluginRejected
from mockforge_asgi.plugins.package.manifest import Manifest


class Described(Protocol):
    """Something with a manifest."""

    @property
    def manifest(self) -> Manifest:
        """What the author says of it."""
        ...


D = TypeVar("D", bound=Described)


def start_order(plugins: Mapping[str, D]) -> tuple[D, ...]:
    """Dependencies first, otherwise as given. Raises PluginRejected when plugins depend on each other in a cycle."""
    if cycle := cycle_of(plugins):
        raise PluginRejected(cycle[0], f"plugins depend on each other in a cycle: {' → '.join(cycle)}. Remove one of these dependencies.")
    return tuple(plugins[name] for name in _sorter(plugins).static_order())


def cycle_of(plugins: Mapping[str, Described]) -> tuple[str, ...]:
    """The names of plugins that depend on each other, the first once more at the end; empty where there is no cycle."""
    try:
        _sorter(plugins).prepare()
    except CycleError as error:
        return tuple(reversed(error.args[1]))
    return ()


def _sorter(plugins: Mapping[str, Described]) -> TopologicalSorter[str]:
    return TopologicalSorter(
        {
            name: {n for wanted in plugin.manifest.dependencies for n, other in plugins.items() if other.manifest.id == wanted.id}
            for name, plugin in plugins.items()
        }
    )
