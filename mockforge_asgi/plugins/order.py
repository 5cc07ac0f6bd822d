"""In which order plugins start: what a plugin depends on comes first."""

from __future__ import annotations

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter

from mockforge_asgi.errors import PluginRejected
from mockforge_asgi.plugins.approval import Approval


def start_order(approved: Mapping[str, Approval]) -> tuple[Approval, ...]:
    """Dependencies first, otherwise as configured. Raises PluginRejected when plugins depend on each other in a circle."""
    graph = {
        name: {n for wanted in a.manifest.dependencies for n, b in approved.items() if b.manifest.id == wanted.id}
        for name, a in approved.items()
    }
    try:
        return tuple(approved[name] for name in TopologicalSorter(graph).static_order())
    except CycleError as error:
        circle = error.args[1]
        raise PluginRejected(
            circle[0], f"plugins depend on each other in a circle: {' → '.join(circle)}. Remove one of these dependencies."
        ) from None
