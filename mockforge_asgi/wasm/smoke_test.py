"""A guest run once, end to end, in a process of its own: `python -m mockforge_asgi.wasm.smoke_test`. Exit status 0: guests run here.

It goes through everything that an interpreter could refuse: a callback on the guest's stack, a door that is waited for, time slices,
and a guest that is ended in mid-call. What is compiled here is this file's own.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from typing import Final

import wasmtime

from mockforge_asgi.contract import BodyReader, Json
from mockforge_asgi.errors import LimitExceeded
from mockforge_asgi.wasm.engine import Engines
from mockforge_asgi.wasm.extism.guest import ExtismGuest
from mockforge_asgi.wasm.extism.kernel import kernel_wasm
from mockforge_asgi.wasm.extism.linking import Kernel
from mockforge_asgi.wasm.fiber import Budget, Fiber
from mockforge_asgi.wasm.scheduler import Scheduler
from mockforge_asgi.wasm.store import StoreLimits
from mockforge_asgi.wasm.ticker import Ticker

_GUEST: Final = """(module
  (import "extism:host/env" "http_request" (func $ask (param i64 i64) (result i64)))
  (import "extism:host/env" "input_offset" (func $input (result i64)))
  (import "extism:host/env" "input_length" (func $size (result i64)))
  (import "extism:host/env" "output_set" (func $answer (param i64 i64)))
  (memory (export "memory") 1)
  (func (export "asks") (result i32)
    (drop (call $ask (call $input) (i64.const 0)))
    (call $answer (call $input) (call $size)) (i32.const 0))
  (func (export "spins") (result i32) (loop $on (br $on)) (i32.const 0)))"""
_ASKED: Final = b'{"url":"http://localhost/","method":"GET"}'


class _Doors:
    """Answers after a turn of the loop."""

    def __init__(self) -> None:
        self.asked = 0

    def call_now(self, name: str, payload: Mapping[str, Json]) -> Json:
        return NotImplemented

    async def call(self, name: str, payload: Mapping[str, Json], request: BodyReader | None) -> Json:
        await asyncio.sleep(0.001)
        self.asked += 1
        return {"status": 200, "headers": [], "body": {"text": ""}}

    async def close(self) -> None:
        pass


async def trial() -> None:
    """Run the guest. Raises whatever goes wrong."""
    engines, doors = Engines(), _Doors()
    engine, ticker = engines.get("core"), Ticker(engines)
    scheduler = Scheduler(asyncio.get_running_loop(), ticker)
    kernel, wasi = (wasmtime.Module(engine, kernel_wasm(name)) for name in ("kernel", "wasi"))
    module = wasmtime.Module(engine, bytes(wasmtime.wat2wasm(_GUEST)))
    guest = ExtismGuest("trial", Kernel(engine, scheduler, kernel, wasi), module, StoreLimits(memories=2, instances=3))

    def fiber(op: str, cpu_s: float) -> Fiber:
        return Fiber("trial", op, Budget(cpu_s=cpu_s, timeout_s=30.0), doors, None)

    try:
        instance = await guest.instantiate(fiber("plugin.load", 10.0))
        said = await instance.invoke(fiber("asks", 10.0), "asks", _ASKED)
        if said != _ASKED or doors.asked != 1:
            raise RuntimeError(f"the guest answered {said!r} after {doors.asked} questions")
        try:
            await instance.invoke(spinning := fiber("spins", 0.01), "spins", b"")
        except LimitExceeded:
            if spinning.slices < 2:
                raise RuntimeError("the guest was never interrupted") from None
        else:
            raise RuntimeError("an endless loop came to an end")
        instance.close()
    finally:
        await ticker.stop()


if __name__ == "__main__":
    sys.exit(asyncio.run(trial()))
