"""How long an instance is held for isolation `per_request`: as long as the request. For `reused` the host itself is the lease."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from mockforge_asgi.contract import BodyReader, Json
from mockforge_asgi.errors import PluginUnavailable
from mockforge_asgi.wasm.fiber import Fiber
from mockforge_asgi.wasm.instance import PooledInstance
from mockforge_asgi.wasm.pool import PluginPool

if TYPE_CHECKING:
    from mockforge_asgi.wasm.host import WasmHost


class RequestLease:
    """One instance for all calls of one request, then thrown away."""

    __slots__ = ("_held", "_host", "_is_over", "_lock", "_pool")

    def __init__(self, host: WasmHost, pool: PluginPool) -> None:
        self._host, self._pool = host, pool
        self._held: PooledInstance | None = None
        self._lock = asyncio.Lock()
        self._is_over = False

    async def call(self, op: str, document: bytes, request: BodyReader | None = None) -> Json:
        """Run one operation. Raises PluginFailed, LimitExceeded, PluginUnavailable."""
        fiber = self._host.fiber(op, request=request)
        async with self._lock:
            try:
                self._refuse_when_over(fiber)
                if self._held is None:
                    self._held = self._pool.acquire_now() or await self._host.acquire(fiber)
                    self._refuse_when_over(fiber)
                elif self._held.instance.broken:
                    raise PluginUnavailable(fiber.plugin, "an earlier call of this request ended its instance")
                answer = await self._host.run(self._held, fiber, document)
                if self._held.instance.broken:  # it answered and exited: the next call takes another
                    self._throw_away()
                return answer
            finally:
                if self._is_over:
                    self._throw_away()

    begin = call

    def _refuse_when_over(self, fiber: Fiber) -> None:
        if self._is_over:
            raise PluginUnavailable(fiber.plugin, "the request that it was called for is over")
        if self._host.is_over:
            raise PluginUnavailable(fiber.plugin, "it is being stopped")

    def release(self) -> None:
        """Throw the instance away and have another one made ready; a call that still runs in it ends first."""
        self._is_over = True
        if not self._lock.locked():
            self._throw_away()

    def _throw_away(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            self._pool.discard(held)
            self._pool.prepare()
