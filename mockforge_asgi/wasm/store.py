"""A store of our own: the limits of one instance, armed before any guest code runs."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

from wasmtime import Engine
from wasmtime import _bindings as ffi

from mockforge_asgi.wasm.engine import MIB
from mockforge_asgi.wasm.ffi import ONE_TICK, arm


@dataclass(frozen=True, slots=True)
class StoreLimits:
    """What one instance may hold. wasmtime limits each memory by itself, so their number is limited too."""

    memory_bytes: int = 16 * MIB
    memories: int = 2
    tables: int = 4
    table_elements: int = 100_000
    instances: int = 8

    @property
    def charge(self) -> int:
        """The most memory that the store can come to hold, in bytes."""
        return self.memory_bytes * self.memories


_NO_FINALIZER: Any = ctypes.CFUNCTYPE(None, ctypes.c_void_p)()


class GuestStore:
    """Owns a C store. Closing it while a call is in flight is the caller's fault: drop the call first."""

    __slots__ = ("_ptr", "address", "context")

    def __init__(self, engine: Engine, limits: StoreLimits) -> None:
        self._ptr: Any = ffi._wasmtime_store_new(engine.ptr(), None, _NO_FINALIZER)
        self.context: Any = ffi._wasmtime_store_context(self._ptr)
        self.address: Any = ctypes.cast(self.context, ctypes.c_void_p)
        """The same, as the functions of `wasm/ffi.py` take it."""
        ffi._wasmtime_store_limiter(self._ptr, limits.memory_bytes, limits.table_elements, limits.instances, limits.tables, limits.memories)
        self.arm()
        ffi._wasmtime_context_epoch_deadline_async_yield_and_update(self.context, 1)

    def arm(self) -> None:
        """Give the coming call its first slice: until the next tick."""
        arm(self.address, ONE_TICK)

    def close(self) -> None:
        """Free everything the instance held."""
        ptr, self._ptr = self._ptr, None
        if ptr is not None:
            ffi._wasmtime_store_delete(ptr)
