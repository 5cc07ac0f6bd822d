"""Truncated and bit-flipped modules, all of them tried in this process: `python -m tests.hostile.damage`.

Each is checked, compiled, linked and called as the product would; it ends as a refusal, a failure or an answer. That this process
lives to say so is the test.
"""

from __future__ import annotations

import asyncio
from collections import Counter

import wasmtime
import wasmtime.component

from mockforge_asgi.errors import MockForgeError
from mockforge_asgi.wasm.component.guest import ComponentGuest
from mockforge_asgi.wasm.extism.guest import ExtismGuest
from mockforge_asgi.wasm.inspect.limits import inspect
from mockforge_asgi.wasm.store import StoreLimits
from tests.hostile.components import component
from tests.hostile.core import GOOD
from tests.support.component_guests import Bench, bench
from tests.support.extism_guests import ExtismBench, extism_bench

FLIPS = 700


def damaged(wasm: bytes) -> list[bytes]:
    """The file cut at a hundred places, and with single bits turned, evenly spread."""
    cuts = [wasm[:at] for at in range(0, len(wasm), max(1, len(wasm) // 100))]
    bits = len(wasm) * 8
    flips = []
    for bit in range(64, bits, max(1, (bits - 64) // FLIPS)):
        turned = bytearray(wasm)
        turned[bit // 8] ^= 1 << bit % 8
        flips.append(bytes(turned))
    return cuts + flips


async def core(stand: ExtismBench, wasm: bytes) -> str:
    """How a core module ends."""
    try:
        inspect(wasm, plugin="evil", expect="core")
        module = wasmtime.Module(stand.kernel.engine, wasm)
        guest = ExtismGuest("evil", stand.kernel, module, StoreLimits(4 << 20, memories=2, tables=4, instances=3))
        made = await guest.instantiate(stand.fiber("plugin.load", cpu_s=0.02))
        try:
            await made.call(stand.fiber("response.generate", cpu_s=0.02), b"{}")
        finally:
            made.close()
    except (MockForgeError, wasmtime.WasmtimeError) as error:
        return type(error).__name__
    return "answered"


async def whole(stand: Bench, wasm: bytes) -> str:
    """How a component ends."""
    try:
        inspect(wasm, plugin="evil", expect="component")
        engine = stand.engines.get("component")
        made = wasmtime.component.Component(engine, wasm)
        guest = ComponentGuest("evil", engine, made, stand.scheduler, StoreLimits(4 << 20, memories=4, tables=16, instances=64))
        instance = await guest.instantiate(stand.fiber("plugin.load", cpu_s=0.02))
        try:
            await instance.describe(stand.fiber("describe", cpu_s=0.02))
            await instance.call(stand.fiber("response.generate", cpu_s=0.02), b"{}")
        finally:
            instance.close()
    except (MockForgeError, wasmtime.WasmtimeError) as error:
        return type(error).__name__
    return "answered"


async def main() -> None:
    """Try them all."""
    async with extism_bench() as stand:
        print("core", dict(Counter([await core(stand, wasm) for wasm in damaged(GOOD)])))
    async with bench() as other:
        print("component", dict(Counter([await whole(other, wasm) for wasm in damaged(component())])))


if __name__ == "__main__":
    asyncio.run(main())
