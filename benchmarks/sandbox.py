"""Hosts under measurement, without the layers above them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import ModuleType

from benchmarks import guests
from mockforge_asgi.config import InstancesConfig
from mockforge_asgi.contract import BodyReader, Json
from mockforge_asgi.events import EventStream
from mockforge_asgi.plugins.native.host import NativeHost, own_host
from mockforge_asgi.wasm.fiber import Budget
from mockforge_asgi.wasm.host import HostOptions, WasmHost
from mockforge_asgi.wasm.sandbox import GuestSpec, Runtime, Sandbox

MIB = 1 << 20
MEMORY_MB: Mapping[Runtime, int] = {"extism": 16, "component": 16, "python": 64}


class SleepingDoors:
    """Every door answers after 100 ms."""

    async def close(self) -> None:
        """Nothing is kept open."""

    def call_now(self, name: str, payload: Mapping[str, Json]) -> Json:
        """Nothing is answered at once."""
        return NotImplemented

    async def call(self, name: str, payload: Mapping[str, Json], request: BodyReader | None) -> Json:
        """An answer that suits `http.request`."""
        await asyncio.sleep(0.1)
        return {"status": 200, "headers": [], "body": {"text": "hello"}}


def sandbox(events: EventStream | None = None) -> Sandbox:
    """A sandbox on the running loop."""
    return Sandbox(asyncio.get_running_loop(), events or EventStream(), pool_memory_mb=20_000)


def spec(runtime: Runtime, source: str = guests.PYTHON) -> GuestSpec:
    """The echoing guest of that runtime, or other Python source."""
    files = {
        "extism": lambda: {"plugin.wasm": guests.extism()},
        "component": lambda: {"plugin.wasm": guests.wasm(guests.COMPONENT)},
        "python": lambda: {"plugin.py": source.encode()},
    }[runtime]()
    return GuestSpec(runtime, next(iter(files)), files, MEMORY_MB[runtime])


async def host(
    inside: Sandbox,
    code: GuestSpec,
    *,
    per_request: bool = False,
    most: int = 16,
    charge: int = MIB,
    name: str = "bench",
    cpu_s: float = 5.0,
) -> WasmHost:
    """A started host of that guest."""
    options = HostOptions(
        plugin=name,
        version="1",
        config={},
        budget=Budget(cpu_s=cpu_s, timeout_s=30.0, output_bytes=MIB),
        is_per_request=per_request,
        pool=InstancesConfig(max=most, max_waiting=10_000, warm=0, recycle_calls=10**9),
        charge_bytes=charge,
    )
    made = await inside.host(options, code, SleepingDoors())
    await made.open()
    await made.start()
    return made


async def native(source: str) -> NativeHost:
    """A started host of trusted Python. Plain methods run in a thread, `async def` ones on the loop."""
    module = ModuleType("bench_plugin")
    exec(compile(source, "plugin.py", "exec"), module.__dict__)
    made = own_host("bench", module.__dict__["Echo"], SleepingDoors(), EventStream())
    await made.open()
    await made.start()
    return made
