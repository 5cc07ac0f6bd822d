"""Instances of all plugins of a runtime: acquired, released, prepared ahead, evicted, thrown away.

Each plugin generation has a `PluginPool`; all share one `MemoryBudget`, which decides who gets memory when it is short. An instance
serves one plugin, one digest and one grant set for ever; who runs calls on it is `host.py`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Final, Protocol

from mockforge_asgi.config import InstancesConfig
from mockforge_asgi.errors import PluginUnavailable
from mockforge_asgi.wasm.instance import Instance, PooledInstance
from mockforge_asgi.wasm.memory_budget import MemoryBudget

Make = Callable[[], Awaitable[Instance]]
Dismiss = Callable[[Instance], Awaitable[None]]
_TRIES: Final = 3
"""After so many failures in a row no more instances are made for the calls that wait now."""
_ENDING_S: Final = 1.0
"""How long calls that were ended may take to release their instances."""


class Turn(Protocol):
    """Who waits for an instance: a future, or what behaves like one."""

    def done(self) -> bool:
        """Whether it waits no more."""
        ...

    def set_result(self, held: PooledInstance, /) -> None:
        """Here it is."""
        ...

    def set_exception(self, error: BaseException, /) -> None:
        """It gets none."""
        ...


class PluginPool:
    """The instances of one plugin generation.

    Calls wait in line for what comes free or is made. Instances are made one at a time, in the background: a call takes
    whichever is ready first, and one that gives up leaves what was begun for it to the others. Each instance weighs `charge` bytes.
    """

    def __init__(self, memory: MemoryBudget, plugin: str, make: Make, limits: InstancesConfig, charge: int) -> None:
        self._memory, self.plugin, self._make, self.limits, self.charge = memory, plugin, make, limits, charge
        self.idle: deque[PooledInstance] = deque()
        self.live = self.leaving = self.turn = 0
        """Instances that exist or are being made; how many of these run `destroy` before they go; when memory was last reserved for one."""
        self._waiting: deque[Turn] = deque()
        self.arriving = 0
        """Calls that wait for their turn before they ask for an instance."""
        self._making: asyncio.Task[None] | None = None
        self._is_preparing = self._closing = False
        self._unmade = ""
        """Why the last instance could not be made."""
        self._drained: asyncio.Future[None] | None = None
        self._leaving: set[asyncio.Task[None]] = set()
        self.dismiss: Dismiss | None = None
        """Runs `destroy` in an instance that is whole, and frees it; None where the plugin has no `destroy`."""
        memory.enter(self)

    @property
    def is_waited_for(self) -> bool:
        """Whether a call waits for an instance."""
        return bool(self._waiting)

    @property
    def is_patient(self) -> bool:
        """Whether it can do without one more: it has one, or nobody waits."""
        return self.live > 0 or not self._waiting

    def acquire_now(self) -> PooledInstance | None:
        """An idle instance at once, or None: then `await acquire()`."""
        return self.idle.pop() if self.idle else None

    async def acquire(self, deadline: float) -> PooledInstance:
        """An instance before the deadline (loop time). Raises PluginUnavailable, and what making one raises."""
        if self.idle and not self._closing:
            return self.idle.pop()
        turn: asyncio.Future[PooledInstance] = self._memory.loop.create_future()
        self.join(turn)
        try:
            async with asyncio.timeout_at(deadline):
                return await turn
        except TimeoutError:
            self._pass_on(turn)
            raise PluginUnavailable(self.plugin, self.why_none_came()) from None
        except BaseException:
            self._pass_on(turn)
            raise

    def join(self, turn: Turn) -> None:
        """Wait in line for an instance, which `turn` is given, or why it gets none; until `leave`. Raises PluginUnavailable."""
        if self._closing:
            raise self._stopped()
        if len(self._waiting) >= self.limits.max_waiting:
            raise self.crowded(len(self._waiting))
        self._waiting.append(turn)
        self.grow()

    def leave(self, turn: Turn) -> bool:
        """Wait no more; False for one that waits no more already."""
        if turn not in self._waiting:
            return False
        self._waiting.remove(turn)
        return True

    def crowded(self, waiting: int) -> PluginUnavailable:
        """The refusal of a call beside so many others."""
        return PluginUnavailable(
            self.plugin,
            f"{waiting} calls already wait for one of its {self.limits.max} instances "
            f"(raise plugins.{self.plugin}.instances.max or .max_waiting)",
        )

    def why_none_came(self) -> str:
        """Why a call has waited for an instance in vain."""
        if self.live >= self.limits.max:
            return f"none of its {self.limits.max} instances came free in time (raise plugins.{self.plugin}.instances.max)"
        if self._unmade:
            return f"no instance came free in time, and no new one can be made: {self._unmade}"
        if self._making is not None:
            return "no instance came free, and a new one was not ready in time"
        return "no instance came free in time, and those of all plugins, with room for one of each, fill limits.pool_memory_mb"

    def _stopped(self) -> PluginUnavailable:
        return PluginUnavailable(self.plugin, "it is being stopped", is_replaced=True)

    def _pass_on(self, turn: asyncio.Future[PooledInstance]) -> None:
        """A call has stopped waiting: an instance that it was given meanwhile goes to the next one."""
        if not self.leave(turn) and not turn.cancelled() and turn.exception() is None:
            self.ready(turn.result())

    def release(self, held: PooledInstance) -> None:
        """Take an instance back: for the next call, or thrown away when broken, old or no longer wanted."""
        held.calls += 1
        now = held.used_s = monotonic()
        limits = self.limits
        if held.instance.broken:
            self.discard(held)
        elif held.calls >= limits.recycle_calls or now - held.born_s >= limits.recycle_s:
            self.discard(held)
            self.prepare()
        elif not self._waiting and not self._closing:  # as `ready` does it, for nearly every call
            self.idle.append(held)
            if self._memory.starved:
                self._memory.feed()
        elif self._waiting and self._memory.wants(self, held):
            self.discard(held)
        else:
            self.ready(held)

    def ready(self, held: PooledInstance) -> None:
        """Hand an instance to the call that has waited longest; without one it is idle."""
        if self._closing:
            return self.discard(held)
        if (turn := self._next()) is not None:
            turn.set_result(held)
        else:
            self.idle.append(held)
            self._memory.feed()

    def _next(self) -> Turn | None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                return turn
        return None

    def discard(self, held: PooledInstance) -> None:
        """Free an instance for good; in one that is whole `destroy` is run first, where the plugin has it."""
        if self.dismiss is None or held.instance.broken:
            held.instance.close()
            self._gone()
        else:
            self.leaving, self._memory.leaving = self.leaving + 1, self._memory.leaving + self.charge
            task = self._memory.loop.create_task(self._dismissed(held.instance, self.dismiss))
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)

    async def _dismissed(self, instance: Instance, dismiss: Dismiss) -> None:
        try:
            await dismiss(instance)
        finally:
            self.leaving, self._memory.leaving = self.leaving - 1, self._memory.leaving - self.charge
            self._gone()

    def _gone(self) -> None:
        self.live -= 1
        self._memory.charged -= self.charge
        if self._closing and self.live == 0 and self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._memory.feed()
        if self._waiting:
            self.grow()

    def evict(self) -> None:
        """Free the instance that has been idle longest, to make room for another plugin's."""
        self.discard(self.idle.popleft())

    def prepare(self) -> None:
        """Have instances made until `warm` are idle."""
        self._is_preparing = True
        self.grow()
        self._is_preparing = self._making is not None

    def grow(self) -> None:
        """Have instances made while calls wait for one, as far as the limits and the memory cap let it."""
        if self._making is None and self._wants_more():
            self._making = self._memory.loop.create_task(self._grow(), name=f"mockforge-instances-{self.plugin}")

    def _wants_more(self) -> bool:
        is_wanted = bool(self._waiting) or (self._is_preparing and len(self.idle) < self.limits.warm)
        return is_wanted and self.live < self.limits.max and not self._closing

    async def _grow(self) -> None:
        failures = 0
        try:
            while self._wants_more():
                if not self._memory.reserve(self):
                    if self._waiting:
                        self._memory.starve(self)
                    return
                self.live += 1
                try:
                    instance = await self._make()
                except BaseException as error:
                    failures, self._unmade = failures + 1, str(error).partition("\n")[0]
                    is_waited_for = self._refuse(error)
                    self._gone()
                    if not is_waited_for or not isinstance(error, Exception):
                        return  # nobody asked: the next call has its own made and is told what is wrong
                    if failures == _TRIES:
                        return self._give_up()
                else:
                    failures, self._unmade = 0, ""
                    now = monotonic()
                    self.ready(PooledInstance(instance, now, now))
        finally:
            self._making, self._is_preparing = None, False

    def _give_up(self) -> None:
        """Make no more for now; calls that wait may still get an instance that comes free, where there is one."""
        if self.live == 0:
            self.refuse_waiting(lambda: PluginUnavailable(self.plugin, f"no instance of it can be made: {self._unmade}"))

    def _refuse(self, error: BaseException) -> bool:
        """Tell the call that has waited longest why it gets no instance; False when none waits."""
        turn = self._next() if isinstance(error, Exception) else None
        if turn is not None:
            turn.set_exception(error)
        return turn is not None

    def refuse_waiting(self, refusal: Callable[[], Exception]) -> None:
        """Tell every call that waits for an instance that it gets none."""
        while (turn := self._next()) is not None:
            turn.set_exception(refusal())

    async def close(self, drain_s: float, end: Callable[[], None] | None = None) -> None:
        """No new calls; running ones may end within `drain_s` seconds, then `end` ends them; every idle instance is freed."""
        self._closing = True
        self._memory.remove(self)
        while self.idle:
            self.evict()
        self.refuse_waiting(self._stopped)
        if self._making is not None:
            self._making.cancel()
            await asyncio.wait([self._making])
        if self.live:
            self._drained = self._memory.loop.create_future()
            _, late = await asyncio.wait([self._drained], timeout=drain_s)
            if late and end is not None:
                end()
                await asyncio.wait([self._drained], timeout=_ENDING_S)
