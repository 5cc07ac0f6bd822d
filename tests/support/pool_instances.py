"""Instances that are no guests, for tests of the pool."""

from __future__ import annotations

import asyncio

from mockforge_asgi.contract import Json
from mockforge_asgi.wasm.fiber import Fiber


class Thing:
    """An instance that only knows whether it is open."""

    def __init__(self) -> None:
        self.broken = self.closed = False
        self.memory_bytes = 0

    def begin(self, fiber: Fiber, payload: bytes) -> Json:
        """Nothing."""
        return None

    def close(self) -> None:
        """Freed, once."""
        assert not self.closed
        self.closed = True


async def make() -> Thing:
    """A new one."""
    return Thing()


def soon() -> float:
    """A deadline that no test waits for."""
    return asyncio.get_running_loop().time() + 30
