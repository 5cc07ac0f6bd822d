"""Instances of all plugins of a runtime: taken, given back, prepared ahead, evicted, thrown away.

One `Pool` holds the memory cap; each plugin generation has a `PluginPool` in it. An instance serves one plugin, one
digest and one grant set for ever; who runs calls on it is `host.py`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Protocol

from mockforge_asgi.contract import Json
from mockforge_asgi.errors import MockForgeError, PluginUnavailable
from mockforge_asgi.wasm.fiber import Fiber


class Instance(Protocol):
    """One live guest."""

    broken: bool

    async def call(self, fiber: Fiber, payload: bytes) -> Json:
        """Run the fiber's operation."""
        ...

    def close(self) -> None:
        """Free it."""
        ...


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """How many instances a plugin may have and when one is replaced."""

    max_instances: int = 16
    max_waiting: int = 256
    warm: int = 1
    """Instances prepared ahead: kept ready while the plugin is loaded."""
    recycle_calls: int = 10_000
    recycle_s: float = 3600.0


@dataclass(slots=True)
class Held:
    """An instance with its age."""

    instance: Instance
    born_s: float
    used_s: float
    calls: int = 0


Make = Callable[[], Awaitable[Instance]]
_DEFAULT_CAP: Final = 2 << 30
_SETTLED_S: Final = 1.0
"""An instance idle for so long may make room for a plugin that only wants one more."""


class Pool:
    """The global memory cap. `charged` sums what every live instance may come to hold, in bytes."""

    __slots__ = ("_plugins", "_starved", "cap_bytes", "charged", "loop")

    def __init__(self, loop: asyncio.AbstractEventLoop, cap_bytes: int = _DEFAULT_CAP) -> None:
        self.loop, self.cap_bytes, self.charged = loop, cap_bytes, 0
        self._plugins: set[PluginPool] = set()
        self._starved: dict[PluginPool, None] = {}

    def add(self, plugin: str, make: Make, limits: PoolLimits, charge: int) -> PluginPool:
        """A pool for one plugin generation, whose instances weigh `charge` bytes each."""
        made = PluginPool(self, plugin, make, limits, charge)
        self._plugins.add(made)
        return made

    def remove(self, pool: PluginPool) -> None:
        """Forget a closed plugin pool."""
        self._plugins.discard(pool)

    def reserve(self, wanted: int, *, patient: bool) -> bool:
        """Charge that many bytes, evicting the longest-idle instances of any plugin if needed; False when none may go.

        Who has an instance already is patient, and only gets room from those not used for a while: two busy plugins would
        otherwise make and evict instances at each call.
        """
        settled = self.loop.time() - _SETTLED_S if patient else float("inf")
        while self.charged + wanted > self.cap_bytes:
            idle = [p for p in self._plugins if p.idle and p.idle[0].used_s <= settled]
            if not idle:
                return False
            min(idle, key=lambda p: p.idle[0].used_s).evict()
        self.charged += wanted
        return True

    def starve(self, pool: PluginPool) -> None:
        """That plugin waits for memory that others hold."""
        self._starved[pool] = None

    def feed(self) -> None:
        """Something became idle or free: wake a plugin that waits for memory."""
        while self._starved:
            pool = next(iter(self._starved))
            del self._starved[pool]
            if pool.wake():
                return


class PluginPool:
    """The instances of one plugin generation."""

    __slots__ = (
        "_closing",
        "_drained",
        "_is_making",
        "_make",
        "_pool",
        "_refill",
        "_waiting",
        "charge",
        "idle",
        "limits",
        "live",
        "plugin",
    )

    def __init__(self, pool: Pool, plugin: str, make: Make, limits: PoolLimits, charge: int) -> None:
        self._pool, self.plugin, self._make, self.limits, self.charge = pool, plugin, make, limits, charge
        self.idle: deque[Held] = deque()
        self.live = 0
        """Instances that exist or are being made."""
        self._is_making = False
        self._waiting: deque[asyncio.Future[Held | None]] = deque()
        self._refill: asyncio.Task[None] | None = None
        self._closing = False
        self._drained: asyncio.Future[None] | None = None

    def take_now(self) -> Held | None:
        """An idle instance at once, or None: then `await take()`."""
        return self.idle.pop() if self.idle else None

    async def take(self, deadline: float) -> Held:
        """An instance: idle, fresh, or the next one given back before the deadline (loop time). Raises PluginUnavailable.

        Only one is made at a time: making one takes longer than most calls, so that those in use come free meanwhile.
        """
        has_waited = False
        while True:
            if self._closing:
                raise PluginUnavailable(self.plugin, "it is being stopped")
            if self.idle:
                return self.idle.pop()
            if self.live < self.limits.max_instances and not self._is_making:
                if self._pool.reserve(self.charge, patient=self.live > 0):
                    return await self._made()
                self._pool.starve(self)
            if (held := await self._wait(deadline, goes_first=has_waited)) is not None:
                return held
            has_waited = True

    async def _made(self) -> Held:
        """Makes an instance whose charge is already taken."""
        self.live += 1
        self._is_making = True
        try:
            instance = await self._make()
        except BaseException:
            self._is_making = False
            self._gone()
            raise
        self._is_making = False
        self.wake()  # the next one may be made
        now = self._pool.loop.time()
        return Held(instance, now, now)

    async def _wait(self, deadline: float, *, goes_first: bool) -> Held | None:
        """An instance handed over by its last user, or None: something has changed, look again."""
        if len(self._waiting) >= self.limits.max_waiting:
            raise PluginUnavailable(
                self.plugin,
                f"{len(self._waiting)} calls already wait for one of its {self.limits.max_instances} instances "
                "(raise pool.max_instances or pool.max_waiting)",
            )
        turn: asyncio.Future[Held | None] = self._pool.loop.create_future()
        if goes_first:
            self._waiting.appendleft(turn)
        else:
            self._waiting.append(turn)
        try:
            async with asyncio.timeout_at(deadline):
                return await turn
        except TimeoutError:
            self._pass_on(turn)
            raise PluginUnavailable(self.plugin, f"none of its {self.limits.max_instances} instances came free in time") from None
        except BaseException:
            self._pass_on(turn)
            raise
        finally:
            if turn in self._waiting:
                self._waiting.remove(turn)

    def _pass_on(self, turn: asyncio.Future[Held | None]) -> None:
        """Whoever waited is gone; what it was given is the next one's."""
        if turn.done() and not turn.cancelled():
            if (held := turn.result()) is not None:
                self._ready(held)
            else:
                self.wake_next()

    def give(self, held: Held) -> None:
        """Take an instance back: for the next call, or thrown away when broken, old or no longer wanted."""
        held.calls += 1
        now = held.used_s = self._pool.loop.time()
        limits = self.limits
        if held.instance.broken or self._closing or held.calls >= limits.recycle_calls or now - held.born_s >= limits.recycle_s:
            self.discard(held)
        elif not self.wake(held):
            self.idle.append(held)
            self._pool.feed()

    def _ready(self, held: Held) -> None:
        if self._closing:
            self.discard(held)
        elif not self.wake(held):
            self.idle.append(held)
            self._pool.feed()

    def discard(self, held: Held) -> None:
        """Free an instance for good."""
        held.instance.close()
        self._gone()

    def _gone(self) -> None:
        self.live -= 1
        self._pool.charged -= self.charge
        self.wake_next()
        if self._closing and self.live == 0 and self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    def wake(self, held: Held | None = None) -> bool:
        """Give the call that has waited longest the instance, or another try; False when none waits."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(held)
                return True
        return False

    def wake_next(self) -> None:
        """Let the call that has waited longest try again; without one, a plugin that waits for memory."""
        if not self.wake():
            self._pool.feed()

    def evict(self) -> None:
        """Free the instance that has been idle longest, to make room for another plugin's."""
        self.discard(self.idle.popleft())

    def prepare(self) -> None:
        """Keep `warm` instances ready, made between requests."""
        if self._refill is None and not self._closing and len(self.idle) < self.limits.warm:
            self._refill = self._pool.loop.create_task(self._prepare())

    def _wants_more(self) -> bool:
        wanted = len(self.idle) < self.limits.warm and self.live < self.limits.max_instances
        return wanted and not self._closing and not self._is_making

    async def _prepare(self) -> None:
        try:
            while self._wants_more() and self._pool.reserve(self.charge, patient=True):
                self._ready(await self._made())
        except MockForgeError:
            pass  # the next call makes its own instance and reports what is wrong
        finally:
            self._refill = None

    async def close(self, drain_s: float) -> None:
        """No new calls; running ones may end within `drain_s` seconds; every idle instance is freed."""
        self._closing = True
        while self.idle:
            self.evict()
        for turn in self._waiting:
            if not turn.done():
                turn.set_result(None)
        if self._refill is not None:
            await asyncio.wait([self._refill])
        if self.live:
            self._drained = self._pool.loop.create_future()
            await asyncio.wait([self._drained], timeout=drain_s)
        self._pool.remove(self)
