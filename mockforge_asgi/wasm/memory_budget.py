"""The memory that instances of all plugins share, and which plugin gets it when there is not enough for all.

What one plugin's instances are, and who waits for them, is `pool.py`.
"""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, Final

from mockforge_asgi.wasm.instance import PooledInstance

if TYPE_CHECKING:
    from mockforge_asgi.wasm.pool import PluginPool

_DEFAULT_CAP: Final = 2 << 30
_SETTLED_S: Final = 1.0
"""An instance idle for so long may make room for a plugin that only wants one more; one alive for so long, for a plugin that has none."""


class MemoryBudget:
    """The memory cap. `charged` sums what every live instance may come to hold, in bytes."""

    __slots__ = ("_plugins", "_turns", "cap_bytes", "charged", "leaving", "loop", "starved")

    def __init__(self, loop: asyncio.AbstractEventLoop, cap_bytes: int = _DEFAULT_CAP) -> None:
        self.loop, self.cap_bytes, self.charged = loop, cap_bytes, 0
        self.leaving = 0
        """How much of it belongs to instances that run `destroy` before they are freed."""
        self._turns = 0
        self._plugins: set[PluginPool] = set()
        self.starved: dict[PluginPool, None] = {}
        """Plugins that wait for memory that others hold, in the order they came."""

    def enter(self, pool: PluginPool) -> None:
        """Count that plugin's idle instances among those that may go."""
        self._plugins.add(pool)

    def remove(self, pool: PluginPool) -> None:
        """Keep no room for that plugin any more: it closes."""
        self._plugins.discard(pool)
        self.starved.pop(pool, None)
        self.feed()

    def reserve(self, pool: PluginPool) -> bool:
        """Charge one instance of that plugin, evicting the longest-idle ones of others if needed; False when none may go."""
        found = self._evictions_for(pool)
        if found is None:
            return False
        for other in found:
            other.evict()
        if self.charged + pool.charge > self.cap_bytes:
            return False  # there will be room once `destroy` has ended in those that go
        self.charged += pool.charge
        self._turns += 1
        pool.turn = self._turns
        return True

    @property
    def one_each_bytes(self) -> int:
        """What one instance of each plugin comes to, generations that are being replaced left out."""
        return sum({pool.plugin: pool.charge for pool in self._plugins}.values())

    @property
    def _reserved(self) -> int:
        """What plugins without an instance will take; where one of each does not fit, nothing can be kept for them."""
        is_enough = self.one_each_bytes <= self.cap_bytes
        return sum(pool.charge for pool in self._plugins if pool.live == pool.leaving) if is_enough else 0

    def _evictions_for(self, pool: PluginPool) -> list[PluginPool] | None:
        """The plugins that must each give up an idle instance, longest idle first, for one more of that plugin; None: it cannot have one.

        Memory for one instance of each plugin is kept, whatever others do; further instances share what is left. The last instance of a
        plugin is evicted only where one of each does not fit, and only for a plugin that has none. A plugin that has an instance already
        gets memory that no plugin without one waits for, and evicts only instances that were not used for a while: two busy plugins would
        otherwise evict each other's instances at each call.
        """
        if pool.is_patient and self._is_owed:
            return None
        missing = self.charged - self.leaving + pool.charge - self.cap_bytes
        if pool.live > pool.leaving:
            missing += self._reserved
        if missing <= 0:
            return []
        settled = monotonic() - _SETTLED_S if pool.is_patient else float("inf")
        idle = [
            (is_last, held.used_s, other)
            for other in self._plugins
            if other is not pool
            for place, held in enumerate(other.idle)
            if held.used_s <= settled and not ((is_last := place >= other.live - other.leaving - 1) and pool.is_patient)
        ]
        found = []
        for _, _, other in sorted(idle, key=lambda each: each[:2]):
            found.append(other)
            missing -= other.charge
            if missing <= 0:
                return found
        return None  # evicting them all would not do

    @property
    def _is_owed(self) -> bool:
        """Whether a plugin that has no instance at all waits for memory."""
        return any(pool.live == 0 and pool.is_waited_for for pool in self.starved)

    def wants(self, pool: PluginPool, held: PooledInstance) -> bool:
        """Whether that busy plugin's instance should go for one that has none: its last one only after a while, so that none thrash."""
        return bool(self.starved) and self._is_owed and (pool.live > 1 or held.used_s - held.born_s >= _SETTLED_S)

    def starve(self, pool: PluginPool) -> None:
        """That plugin waits for memory that others hold."""
        self.starved[pool] = None

    def feed(self) -> None:
        """Something became idle or free: let plugins that wait for memory try again; first those without an instance, in turn."""
        for pool in sorted(self.starved, key=lambda each: (each.live > 0, each.turn)) if self.starved else ():
            if not pool.is_waited_for:
                del self.starved[pool]
            elif self._evictions_for(pool) is not None:
                del self.starved[pool]
                pool.grow()
