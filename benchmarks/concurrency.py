"""Many guests at once, each waiting 100 ms for its host: one thread, one loop.

`value` is the time from the first call to the last answer; a host that blocked or used a thread per call would need a
multiple of it. Instances are made before the clock starts.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

from benchmarks import guests
from benchmarks.figures import Figure, Turn, summary
from benchmarks.sandbox import MIB, host, sandbox, spec
from mockforge_asgi.exact_json import dumps
from mockforge_asgi.wasm.host import WasmHost


async def run(quick: bool) -> AsyncIterator[Figure]:
    """1,000 component guests, 100 Python guests."""
    inside = sandbox()
    try:
        component = await host(inside, spec("component"), most=1000, charge=MIB)
        yield await _together(component, "component", 1000, "wait", {}, quick)
        python = await host(inside, spec("python", guests.WAITING_PYTHON), most=100, charge=64 * MIB)
        call = {"function": "wait", "args": [], "kwargs": {}}
        yield await _together(python, "python", 100, "template.call", call, quick)
    finally:
        await inside.close()


async def _together(reached: WasmHost, runtime: str, count: int, op: str, value: object, quick: bool) -> Figure:
    document = dumps(value)
    await _wave(reached, count, op, document)  # makes the instances
    turns = [await _wave(reached, count, op, document) for _ in range(2 if quick else 7)]
    middle = summary(turns)
    conditions = {"guests": count, "door_ms": 100, "turns": len(turns)}
    return Figure(
        bench="concurrency",
        case=f"{runtime}/{count}",
        value=middle.value * 1e3,
        unit="ms",
        p99=(middle.p99 or 0) * 1e3,
        ratio=middle.value / 0.1,
        against="one guest's wait",
        conditions=conditions,
    )


async def _wave(reached: WasmHost, count: int, op: str, document: bytes) -> Turn:
    """All at once; p99 here is the latest heartbeat of a task beside them."""
    late: list[float] = []

    async def beat() -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.001)
            late.append(time.perf_counter() - before - 0.001)

    heart = asyncio.create_task(beat())
    began = time.perf_counter()
    await asyncio.gather(*(_call(reached, op, document) for _ in range(count)))
    took = time.perf_counter() - began
    heart.cancel()
    return Turn(took, sorted(late)[int(0.99 * len(late))] if late else None)


async def _call(reached: WasmHost, op: str, document: bytes) -> None:
    lease = reached.lease()
    await lease.call(op, document)
    lease.release()
