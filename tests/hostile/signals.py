"""Guests that trap after somebody else took the signals of the process: `python -m tests.hostile.signals`.

`faulthandler.enable()` in an application does that, long after the first plugin was loaded. That it lives to say "alive" is the test.
"""

from __future__ import annotations

import asyncio
import faulthandler
import signal

import wasmtime
from wasmtime.component import Component

from mockforge_asgi.errors import MockForgeError
from mockforge_asgi.wasm.component.guest import ComponentGuest
from mockforge_asgi.wasm.extism.guest import ExtismGuest
from mockforge_asgi.wasm.instance import Instance, answer_of
from mockforge_asgi.wasm.store import StoreLimits
from tests.hostile.components import component
from tests.hostile.core import generates
from tests.support.component_guests import bench
from tests.support.extism_guests import extism_bench

_LIMITS = StoreLimits(4 << 20, memories=3, tables=4, instances=8)
_FAR = "(i32.store (i32.const -4) (i32.const 1))"
_TRAPS = (
    generates(_FAR),
    generates("(drop (i64.load (i32.const 65533)))"),
    generates("(unreachable)"),
    generates("(drop (i32.div_u (i32.const 1) (local.get $i)))"),
    generates("(call $r)", more="(func $r (call $r))"),
    generates("(call_indirect $t (i32.const 1))", more="(table $t 2 funcref)"),
)


def others_take_the_signals() -> None:
    """Both ways: what dumps and dies, and what only sets a flag and comes back to the same instruction for ever."""
    for number in (signal.SIGSEGV, signal.SIGILL, signal.SIGFPE, signal.SIGBUS):
        signal.signal(number, lambda *_: None)
    faulthandler.enable()


async def ends(guest: Instance, fiber: object) -> str:
    """How a call of it ends."""
    try:
        await answer_of(guest.begin(fiber, b"{}"))  # type: ignore[arg-type]  # of either bench
    except MockForgeError as error:
        return str(error)
    finally:
        guest.close()
    return "answered"


async def main() -> None:
    """Load them all, lose the signals, call them."""
    async with extism_bench() as stand, bench() as other:
        modules = [wasmtime.Module(stand.kernel.engine, code) for code in _TRAPS]
        guests = [ExtismGuest("evil", stand.kernel, made, _LIMITS) for made in modules]
        cores = [await guest.instantiate(stand.fiber("plugin.load")) for guest in guests]
        engine = other.engines.get("component")
        guest = ComponentGuest("evil", engine, Component(engine, component(_FAR)), other.scheduler, _LIMITS)
        whole = await guest.instantiate(other.fiber("plugin.load"))
        others_take_the_signals()
        for core in cores:
            print(await ends(core, stand.fiber("response.generate")), flush=True)
        print("component:", await ends(whole, other.fiber("response.generate")), flush=True)
    print("alive")


if __name__ == "__main__":
    asyncio.run(main())
