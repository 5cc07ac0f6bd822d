"""A live guest as the pool holds it: what it can do, how old it is, what it is made from.

Its kinds are `component/guest.py` and `extism/guest.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import CoroutineType
from typing import Protocol

from mockforge_asgi.contract import Json
from mockforge_asgi.errors import PluginFailed
from mockforge_asgi.wasm.fiber import Fiber
from mockforge_asgi.wasm.scheduler import Scheduler


class Instance(Protocol):
    """One live guest."""

    broken: bool

    @property
    def memory_bytes(self) -> int:
        """What its linear memories hold; 0 where the runtime does not tell."""
        ...

    def begin(self, fiber: Fiber, payload: bytes) -> Json:
        """Run the fiber's operation: its answer, or a coroutine that gives it where the guest does not end in its first time slice."""
        ...

    def close(self) -> None:
        """Free it."""
        ...


async def answer_of(begun: Json) -> Json:
    """The answer, of what `Instance.begin` gave."""
    return await begun if type(begun) is CoroutineType else begun


async def call(instance: Instance, fiber: Fiber, payload: bytes) -> Json:
    """Run the fiber's operation."""
    return await answer_of(instance.begin(fiber, payload))


async def raised(error: BaseException) -> Json:
    """For what `begin` raised, in place of the rest of the call."""
    try:
        raise error
    finally:
        del error  # which knows this frame


class GuestInstance(Instance, Protocol):
    """A live guest that can also say what it is."""

    async def describe(self, fiber: Fiber) -> Json:
        """Its own description."""
        ...


class Guest(Protocol):
    """Compiled code that instances are made from. `scheduler` is what runs them."""

    scheduler: Scheduler

    async def instantiate(self, fiber: Fiber) -> GuestInstance:
        """A fresh instance with its code loaded."""
        ...

    def close(self) -> None:
        """Free what instances share."""
        ...


class Watch(Protocol):
    """Who is told how making instances goes: the plugin's breaker."""

    def made(self) -> None:
        """One was made."""
        ...

    def unmade(self, error: PluginFailed, /) -> None:
        """One could not be made, and none is alive."""
        ...


@dataclass(slots=True)
class PooledInstance:
    """An instance with its age, in seconds of `time.monotonic`."""

    instance: Instance
    born_s: float = 0.0
    used_s: float = 0.0
    calls: int = 0
