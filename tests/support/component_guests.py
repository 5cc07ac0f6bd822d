"""Guests written in WebAssembly text, and what it takes to run them without a whole runtime."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import wasmtime
from wasmtime.component import Component

from mockforge_asgi.contract import BodyReader, Json
from mockforge_asgi.errors import HostCallError
from mockforge_asgi.wasm.component.guest import ComponentGuest
from mockforge_asgi.wasm.engine import Engines
from mockforge_asgi.wasm.fiber import Budget, Fiber
from mockforge_asgi.wasm.scheduler import Scheduler
from mockforge_asgi.wasm.store import StoreLimits
from mockforge_asgi.wasm.ticker import Ticker
from mockforge_asgi.wasm.timers import Timer, new_timer

DESCRIPTION = '{\\"contract\\":\\"0.1\\",\\"ops\\":[\\"auth.authenticate\\",\\"response.generate\\"]}'

COMPONENT = r"""
(component
  (import "mockforge:plugin/host@0.1.0" (instance $host
    (export "call" (func (param "door" string) (param "payload" string) (result (result string (error string)))))))
  (core module $libc
    (memory (export "memory") 2)
    (global $top (mut i32) (i32.const 4096))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (local $at i32)
      (local.set $at (global.get $top))
      (global.set $top (i32.and (i32.add (i32.add (global.get $top) (local.get 3)) (i32.const 7)) (i32.const -8)))
      (loop $grow
        (if (i32.gt_u (global.get $top) (i32.mul (memory.size) (i32.const 65536)))
          (then (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then (unreachable))) (br $grow))))
      (local.get $at))
    (func (export "reset") (global.set $top (i32.const 4096))))
  (core instance $libc (instantiate $libc))
  (core func $door (canon lower (func $host "call")
    (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
  (core module $main
    (import "host" "call" (func $door (param i32 i32 i32 i32 i32)))
    (import "libc" "memory" (memory 2))
    (import "libc" "reset" (func $reset))
    (data (i32.const 1024) "DESCRIPTION")
    (global $calls (mut i32) (i32.const 0))
    (func (export "describe") (result i32)
      (i32.store (i32.const 0) (i32.const 1024)) (i32.store (i32.const 4) (i32.const LENGTH)) (i32.const 0))
    (func $answer (param $failed i32) (param $at i32) (param $length i32) (result i32)
      (i32.store8 (i32.const 512) (local.get $failed))
      (i32.store (i32.const 516) (local.get $at)) (i32.store (i32.const 520) (local.get $length)) (i32.const 512))
    (func $recurse (param i32) (result i32) (i32.add (call $recurse (local.get 0)) (i32.const 1)))
    ;; The operation's first letter says what the guest does:
    ;; spin, recurse, trap, grow memory, count calls, fail with the payload as error, door named by the op; else echo.
    (func (export "call") (param $op i32) (param $op_length i32) (param $payload i32) (param $length i32) (result i32)
      (local $letter i32)
      (local.set $letter (i32.load8_u (local.get $op)))
      (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
      (if (i32.eq (local.get $letter) (i32.const 115)) (then (loop $forever (br $forever))))
      (if (i32.eq (local.get $letter) (i32.const 114)) (then (drop (call $recurse (i32.const 0)))))
      (if (i32.eq (local.get $letter) (i32.const 116)) (then (unreachable)))
      (if (i32.eq (local.get $letter) (i32.const 109))
        (then (loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) (unreachable)))
      (if (i32.eq (local.get $letter) (i32.const 99))
        (then (i32.store8 (i32.const 600) (i32.add (i32.const 48) (global.get $calls)))
              (return (call $answer (i32.const 0) (i32.const 600) (i32.const 1)))))
      (if (i32.eq (local.get $letter) (i32.const 102))
        (then (return (call $answer (i32.const 1) (local.get $payload) (local.get $length)))))
      (if (i32.eq (local.get $letter) (i32.const 100))
        (then (call $door (local.get $op) (local.get $op_length) (local.get $payload) (local.get $length) (i32.const 512))
              (return (i32.const 512))))
      (call $answer (i32.const 0) (local.get $payload) (local.get $length)))
    (func (export "after") (param i32) (call $reset)))
  (core instance $main (instantiate $main
    (with "host" (instance (export "call" (func $door)))) (with "libc" (instance $libc))))
  (func (export "describe") (result string) (canon lift (core func $main "describe") (memory (core memory $libc "memory"))))
  (func (export "call") (param "op" string) (param "payload" string) (result (result string (error string)))
    (canon lift (core func $main "call") (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))
      (post-return (core func $main "after")))))
""".replace("DESCRIPTION", DESCRIPTION).replace("LENGTH", str(len(DESCRIPTION.replace("\\", ""))))


class TestDoors:
    """Doors of the test: `door.now` answers at once, `door.wait` when `open` is set, `door.denied` never."""

    __test__ = False

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.waiting = 0

    async def close(self) -> None:
        """Nothing is kept open."""

    def call_now(self, name: str, payload: Mapping[str, Json]) -> Json:
        """Echoes for the quick door."""
        if name == "door.denied":
            raise HostCallError("denied", "not granted")
        return {"now": payload} if name == "door.now" else NotImplemented

    async def call(self, name: str, payload: Mapping[str, Json], request: BodyReader | None) -> Json:
        """Echoes once the test has opened the door."""
        self.waiting += 1
        await self.open.wait()
        return {"waited": payload}


@dataclass(slots=True)
class Bench:
    """What a sandbox test needs at hand."""

    engines: Engines
    ticker: Ticker
    scheduler: Scheduler
    doors: TestDoors

    def fiber(self, op: str, *, cpu_s: float = 0.05, timeout_s: float = 30.0, output_bytes: int = 1 << 16) -> Fiber:
        """A fiber for one call."""
        return Fiber("guest", op, Budget(cpu_s, timeout_s, output_bytes), self.doors, None)

    def guest(self, text: str = COMPONENT, limits: StoreLimits | None = None) -> ComponentGuest:
        """A component guest from WebAssembly text."""
        engine = self.engines.get("component")
        return ComponentGuest("guest", engine, Component(engine, text), self.scheduler, limits or StoreLimits(memory_bytes=4 << 20))


def idle_scheduler() -> Scheduler:
    """A scheduler on the running loop, for guests that are none and need no slices."""
    loop = asyncio.get_running_loop()
    return Scheduler(loop, Ticker(Engines(), loop))


@asynccontextmanager
async def bench(new_timer: Callable[[wasmtime.Engine], Timer] = new_timer) -> AsyncIterator[Bench]:
    """Engines, ticker and scheduler on the running loop."""
    engines = Engines()
    ticker = Ticker(engines, asyncio.get_running_loop(), new_timer)
    try:
        yield Bench(engines, ticker, Scheduler(asyncio.get_running_loop(), ticker), TestDoors())
    finally:
        ticker.stop()
