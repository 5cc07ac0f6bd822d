"""The sandbox of a runtime: what it loads, what its instances may hold, how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import wasmtime
from wasmtime.component import Component

from mockforge_asgi.errors import ConfigError, PluginUnavailable
from mockforge_asgi.events import CallFinished, EventStream, PluginWarning
from mockforge_asgi.exact_json import dumps
from mockforge_asgi.wasm.fiber import Budget
from mockforge_asgi.wasm.host import HostOptions, WasmHost
from mockforge_asgi.wasm.sandbox import GuestSpec, Sandbox
from tests.support.extism_guests import PluginHostCalls, wasm_of, wat

SPIN = wat('(func (export "response_generate") (result i32) (loop $l (br $l)) (i32.const 0))', "alloc")
WASI = wasm_of("""(module (import "wasi_snapshot_preview1" "sched_yield" (func (result i32)))
  (func (export "response_generate") (result i32) (i32.const 0)))""")


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[Sandbox]:
    made = Sandbox(asyncio.get_running_loop(), EventStream(), cache_dir=tmp_path / "compiled")
    yield made
    await made.close()


async def host(sandbox: Sandbox, wasm: bytes, plugin: str = "guest") -> WasmHost:
    options = HostOptions(plugin, "1.0.0", {}, Budget(cpu_s=60.0, timeout_s=60.0))
    made = await sandbox.host(options, GuestSpec("extism", "plugin.wasm", {"plugin.wasm": wasm}, 16), PluginHostCalls())
    await made.open()
    await made.start()
    return made


async def test_nothing_is_compiled_in_the_serving_process(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("compiled here")

    monkeypatch.setattr(wasmtime.Module, "__init__", refuse)
    monkeypatch.setattr(Component, "__init__", refuse)
    made = await asyncio.gather(host(sandbox, SPIN), host(sandbox, WASI))
    assert await made[1].lease().call("response.generate", dumps({})) is None
    for one in made:
        await one.close()


async def test_closing_ends_calls_that_still_run(sandbox: Sandbox) -> None:
    made = await host(sandbox, SPIN)
    call = asyncio.ensure_future(made.lease().call("response.generate", dumps({})))
    for _ in range(20):
        await asyncio.sleep(0)
    assert not call.done()
    await sandbox.close()
    with pytest.raises(PluginUnavailable, match="being stopped"):
        await call
    await made.close()
    assert sandbox.memory.charged == 0


async def test_a_call_is_reported_with_the_memory_of_its_instance(tmp_path: Path) -> None:
    events, seen = EventStream(), []
    events.subscribe(lambda event: seen.append(event), CallFinished)
    sandbox = Sandbox(asyncio.get_running_loop(), events, cache_dir=tmp_path / "compiled")
    body = '(func (export "response_generate") (result i32) (drop (memory.grow (i32.const 3))) (i32.const 0))'
    made = await host(sandbox, wat(body, "alloc"))
    for _ in range(2):
        await made.lease().call("response.generate", dumps({}))
    first, second = [event.memory_bytes for event in seen if isinstance(event, CallFinished)]
    assert second - first == 3 << 16 and first >= 8 << 16
    await made.close()
    await sandbox.close()


async def test_an_instance_larger_than_the_pool_is_refused_in_words(tmp_path: Path) -> None:
    sandbox = Sandbox(asyncio.get_running_loop(), EventStream(), pool_memory_mb=31, cache_dir=tmp_path / "compiled")
    with pytest.raises(ConfigError, match=r"32 MiB, and all instances together may hold 31\. Raise limits\.pool_memory_mb"):
        await host(sandbox, SPIN)
    await sandbox.close()


async def test_a_plugin_has_its_kernel_and_itself_and_no_room_for_more_memories(sandbox: Sandbox) -> None:
    made = await host(sandbox, SPIN)
    assert made.options.charge_bytes == 32 << 20
    await made.close()


async def test_calls_of_one_plugin_leave_another_its_instance(tmp_path: Path) -> None:
    """However many they are, however long they take, and however long ago the other was called."""
    sandbox = Sandbox(asyncio.get_running_loop(), EventStream(), pool_memory_mb=100, cache_dir=tmp_path / "compiled")
    hog, guard = await host(sandbox, SPIN), await host(sandbox, WASI, "guard")
    calls = [asyncio.ensure_future(hog.lease().call("response.generate", dumps({}))) for _ in range(16)]
    while sandbox.memory.charged + hog._pool.charge <= sandbox.memory.cap_bytes:
        await asyncio.sleep(0)
    for held in guard._pool.idle:
        held.used_s -= 3600.0
    for _ in range(100):
        await asyncio.sleep(0)
    assert await guard.lease().call("response.generate", dumps({})) is None
    assert (guard._pool.live, len(guard._pool.idle)) == (1, 1)
    await sandbox.scheduler.close()
    await asyncio.gather(*calls, return_exceptions=True)
    for one in (hog, guard):
        await one.close()
    await sandbox.close()


async def test_plugins_that_do_not_fit_beside_each_other_are_warned_of(tmp_path: Path) -> None:
    events, seen = EventStream(), []
    events.subscribe(lambda event: seen.append(event), PluginWarning)
    sandbox = Sandbox(asyncio.get_running_loop(), events, pool_memory_mb=40, cache_dir=tmp_path / "compiled")
    made = [await host(sandbox, WASI, "first")]
    assert seen == []
    made.append(await host(sandbox, WASI, "first"))  # a generation that takes over
    assert seen == []
    made.append(await host(sandbox, WASI, "second"))
    assert [(event.plugin, "limits.pool_memory_mb" in event.detail) for event in seen if isinstance(event, PluginWarning)] == [
        ("second", True)
    ]
    for one in made:
        await one.close()
    await sandbox.close()
