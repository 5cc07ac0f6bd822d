"""Guests that stand at a door from the very end of their stack: what the host does there runs on what is left of it.

`python -m tests.hostile.deep`; that it lives to say "alive" is the test.
"""

from __future__ import annotations

import asyncio

from wasmtime.component import Component

from mockforge_asgi.errors import MockForgeError
from mockforge_asgi.wasm.component.guest import ComponentGuest
from mockforge_asgi.wasm.store import StoreLimits
from tests.hostile.components import component
from tests.hostile.core import module
from tests.support.component_guests import bench
from tests.support.extism_guests import extism_bench

_DEPTH = 1000
_CORE = {
    "door": "(drop (call $door (local.get 0) (local.get 1)))",
    "log_info": "(call $log_info (call $alloc (i64.const 8000)))",
    "fd_write": "(i32.store (i32.const 4) (i32.const 60000))"
    " (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))",
}


def core(name: str) -> bytes:
    """Recurses without end, and calls that function at each level."""
    return module(
        f"""(func $r (param i64 i64) {_CORE[name]} (call $r (call $alloc (i64.const 3)) (call $payload)))
        (func $payload (result i64) (local $at i64) (local $i i64)
          (local.set $at (call $alloc (i64.const {_DEPTH})))
          (loop $more (call $store_u8 (i64.add (local.get $at) (local.get $i)) (i32.const 91))
            (br_if $more (i64.lt_u (local.tee $i (i64.add (local.get $i) (i64.const 1))) (i64.const {_DEPTH}))))
          (local.get $at))
        (func (export "response_generate") (result i32) (call $r (call $alloc (i64.const 3)) (call $payload)) (i32.const 0))""",
        "alloc", "store_u8", *({name} - {"alloc"}),
    )  # fmt: skip


def last(levels: int) -> bytes:
    """Asks for HTTP with a text of many lists when it is that deep: the host reads such a request on the guest's stack."""
    return module(
        f"""(func $r (param $left i32) (param $a i64)
          (if (i32.eqz (local.get $left)) (then (drop (call $http_request (local.get $a) (i64.const 0))) (return)))
          (call $r (i32.sub (local.get $left) (i32.const 1)) (local.get $a)))
        (func (export "response_generate") (result i32) (local $at i64) (local $i i64)
          (local.set $at (call $alloc (i64.const {_DEPTH})))
          (loop $more (call $store_u8 (i64.add (local.get $at) (local.get $i)) (i32.const 91))
            (br_if $more (i64.lt_u (local.tee $i (i64.add (local.get $i) (i64.const 1))) (i64.const {_DEPTH}))))
          (call $r (i32.const {levels}) (local.get $at)) (i32.const 0))""",
        "alloc", "store_u8", "http_request",
    )  # fmt: skip


LIB = '(core module $lib (memory (export "memory") 1) (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 64)))'
DOOR = "(call $f (i32.const 220) (i32.const 12) (i32.const 232) (i32.const 7) (i32.const 1024))"
COMPONENT = component(
    "(call $r)",
    more=f"(func $r {DOOR} (call $r))",
    before=f"""{LIB} (core instance $lib (instantiate $lib))
      (core func $f (canon lower (func $host "call") (memory (core memory $lib "memory")) (realloc (core func $lib "realloc"))))""",
    imports='(import "" "f" (func $f (param i32 i32 i32 i32 i32)))',
    given='(with "" (instance (export "f" (func $f))))',
)


async def main() -> None:
    """Each in turn."""
    async with extism_bench() as stand:
        guests = {**{name: core(name) for name in _CORE}, **{f"at level {n}": last(n) for n in range(2000, 34_000, 2000)}}
        for name, wasm in guests.items():
            made = await stand.instance(wasm, memory_bytes=64 << 20)
            try:
                await made.invoke(stand.fiber(cpu_s=20.0), "response_generate", b"{}")
            except MockForgeError as error:
                print(name, error)
    async with bench() as other:
        other.doors.open.set()
        engine = other.engines.get("component")
        guest = ComponentGuest("guest", engine, Component(engine, COMPONENT), other.scheduler, StoreLimits(4 << 20))
        instance = await guest.instantiate(other.fiber("plugin.load"))
        try:
            await instance.call(other.fiber("x", cpu_s=20.0), b"{}")
        except MockForgeError as error:
            print("component", error)
        instance.close()
    print("alive")


if __name__ == "__main__":
    asyncio.run(main())
