"""The sandbox of a runtime: what it loads, what its instances may hold, how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import wasmtime
from wasmtime.component import Component

from mockforge_asgi.contract import Document
from mockforge_asgi.errors import PluginUnavailable
from mockforge_asgi.events import EventStream
from mockforge_asgi.wasm.fiber import Budget
from mockforge_asgi.wasm.host import HostOptions, WasmHost
from mockforge_asgi.wasm.sandbox import GuestSpec, Sandbox
from tests.wasm.extism_guests import PluginDoors, wasm_of, wat

SPIN = wat('(func (export "response_generate") (result i32) (loop $l (br $l)) (i32.const 0))', "alloc")
WASI = wasm_of("""(module (import "wasi_snapshot_preview1" "sched_yield" (func (result i32)))
  (func (export "response_generate") (result i32) (i32.const 0)))""")


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[Sandbox]:
    made = Sandbox(asyncio.get_running_loop(), EventStream(), cache_dir=tmp_path / "compiled")
    yield made
    await made.close()


async def host(sandbox: Sandbox, wasm: bytes) -> WasmHost:
    options = HostOptions("guest", "1.0.0", {}, Budget(cpu_s=60.0, timeout_s=60.0))
    made = await sandbox.host(options, GuestSpec("extism", "plugin.wasm", {"plugin.wasm": wasm}, 16), PluginDoors())
    await made.open()
    await made.start()
    return made


async def test_nothing_is_compiled_in_the_serving_process(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("compiled here")

    monkeypatch.setattr(wasmtime.Module, "__init__", refuse)
    monkeypatch.setattr(Component, "__init__", refuse)
    made = await asyncio.gather(host(sandbox, SPIN), host(sandbox, WASI))
    assert await made[1].lease().call("response.generate", Document({})) is None
    for one in made:
        await one.close()


async def test_closing_ends_calls_that_still_run(sandbox: Sandbox) -> None:
    made = await host(sandbox, SPIN)
    call = asyncio.ensure_future(made.lease().call("response.generate", Document({})))
    for _ in range(20):
        await asyncio.sleep(0)
    assert not call.done()
    await sandbox.close()
    with pytest.raises(PluginUnavailable, match="being stopped"):
        await call
    await made.close()
    assert sandbox.pool.charged == 0
