"""One call of one plugin, in process: what the sandbox costs.

Cases `<runtime>/<payload>/<isolation>`: each guest answers `template.call` with its own input, a JSON document of the
stated size. Beside them, in turns: a raw fiber echo (memory in, one call, memory out: nothing of ours), and the PyPI
`extism` package with the same plugin and input. `load/...`: from the WebAssembly file to a plugin ready to be called.
"""

from __future__ import annotations

import ctypes
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson
import wasmtime
from wasmtime import _bindings as ffi
from wasmtime.component import Component

from benchmarks import guests
from benchmarks.figures import Figure, Turn, compare, percentile, summary
from benchmarks.sandbox import host, native, sandbox, spec
from mockforge_asgi.contract import PluginHost
from mockforge_asgi.wasm.compiled.cache import CompiledCache
from mockforge_asgi.wasm.component.python import sandbox_path
from mockforge_asgi.wasm.engine import config
from mockforge_asgi.wasm.inspect.limits import TRUSTED
from mockforge_asgi.wasm.sandbox import Runtime, Sandbox

SIZES = {"100B": 100, "600B": 600, "4KB": 4096}
Call = Callable[[], Awaitable[object]]


def payload(size: int) -> dict[str, object]:
    """A template call whose JSON has that many bytes."""
    empty: dict[str, object] = {"function": "echo", "args": [""], "kwargs": {}}
    return {**empty, "args": ["x" * (size - len(orjson.dumps(empty)))]}


async def run(quick: bool) -> AsyncIterator[Figure]:
    """All cases of all sizes, then loading."""
    inside = sandbox()
    try:
        for label, size in SIZES.items():
            for figure in await _calls(inside, label, size, quick):
                yield figure
    finally:
        await inside.close()
    for figure in await _loads(quick):
        yield figure


async def _calls(inside: Sandbox, label: str, size: int, quick: bool) -> list[Figure]:
    text = orjson.dumps(payload(size))
    cases: dict[str, tuple[Call, int]] = {
        f"raw_fiber/{label}/reused": (_raw(text), 2000),
        f"extism_package/{label}/reused": (_package(text), 1000),
        f"extism_package/{label}/per_request": (_package(text, fresh=True), 20),
        f"native/{label}/reused": (_leased(await native(guests.ASYNC_PYTHON), text), 1000),
        f"native_threads/{label}/reused": (_leased(await native(guests.PYTHON), text), 500),
    }
    runtimes: tuple[Runtime, ...] = ("extism", "component", "python")
    for runtime in runtimes:
        reused = await host(inside, spec(runtime))
        fresh = await host(inside, spec(runtime), per_request=True)
        cases[f"{runtime}/{label}/reused"] = (_leased(reused, text), 1000)
        cases[f"{runtime}/{label}/per_request"] = (_leased(fresh, text), 20 if runtime == "python" else 200)
    turns: dict[str, list[Turn]] = {case: [] for case in cases}
    for turn in range(4 if quick else 10):
        for case, (call, times) in cases.items():
            found = await _timed(call, times // (4 if quick else 1))
            if turn:  # the first turn warms up
                turns[case].append(found)
    figures = []
    for case, seen in turns.items():
        middle = summary(seen)
        conditions = {"payload_bytes": size, "turns": len(seen), "calls_a_turn": cases[case][1]}
        figures.append(
            Figure(bench="calls", case=case, value=middle.value * 1e6, unit="us", p99=(middle.p99 or 0) * 1e6, conditions=conditions)
        )
    raw, package = f"raw_fiber/{label}/reused", f"extism_package/{label}"
    against = {case: raw for case in cases if case.endswith("reused") and case != raw}
    against[f"extism/{label}/per_request"] = f"{package}/per_request"
    beside = compare(figures, {f"extism/{label}/reused": f"{package}/reused"})
    return [*compare(figures, against), *(f for f in beside if f.against)]


async def _timed(call: Call, times: int) -> Turn:
    clock, seen = time.perf_counter, []
    for _ in range(times):
        began = clock()
        await call()
        seen.append(clock() - began)
    return Turn(sum(seen) / len(seen), percentile(sorted(seen), 0.99))


def _leased(reached: PluginHost, text: bytes) -> Call:
    async def call() -> None:
        lease = reached.lease()
        answer = await lease.call("template.call", text)
        lease.release()
        assert answer

    return call


def _raw(text: bytes) -> Call:
    """A fiber polled to its end: copy in, call, copy out."""
    engine = wasmtime.Engine(config("core"))
    store = wasmtime.Store(engine)
    store.set_epoch_deadline(1 << 40)
    ffi._wasmtime_context_epoch_deadline_async_yield_and_update(store._context(), 1 << 40)
    module = wasmtime.Module(engine, guests.wasm(guests.RAW))
    context, trap, error = store._context(), ctypes.POINTER(ffi.wasm_trap_t)(), ctypes.POINTER(ffi.wasmtime_error_t)()
    linker, raw = wasmtime.Linker(engine), ffi.wasmtime_instance_t()
    pre = linker.instantiate_pre(module)
    making = ffi._wasmtime_instance_pre_instantiate_async(pre.ptr(), context, ctypes.byref(raw), ctypes.byref(trap), ctypes.byref(error))
    while not ffi._wasmtime_call_future_poll(making):
        pass
    ffi._wasmtime_call_future_delete(making)
    exports = wasmtime.Instance._from_raw(raw).exports(store)
    memory, echo = exports["memory"], exports["echo"]
    assert isinstance(memory, wasmtime.Memory) and isinstance(echo, wasmtime.Func)
    base = ctypes.addressof(memory.data_ptr(store).contents)
    params: Any = (ffi.wasmtime_val_t * 1)()
    results: Any = (ffi.wasmtime_val_t * 1)()
    params[0].kind = 0
    function, trap_ref, error_ref = ctypes.byref(echo._func), ctypes.byref(trap), ctypes.byref(error)
    start, poll, delete = ffi._wasmtime_func_call_async, ffi._wasmtime_call_future_poll, ffi._wasmtime_call_future_delete
    keep = (store, module, linker, pre, raw, exports)

    async def call() -> None:
        ctypes.memmove(base, text, len(text))
        params[0].of.i32 = len(text)
        future = start(context, function, params, 1, results, 1, trap_ref, error_ref)
        while not poll(future):
            pass
        delete(future)
        assert ctypes.string_at(base + 65536, results[0].of.i32) and keep

    return call


def _package(text: bytes, *, fresh: bool = False) -> Call:
    """The `extism` package on the same plugin and input."""
    import extism

    manifest = {"wasm": [{"data": guests.extism()}]}
    plugin = extism.Plugin(manifest)

    async def call() -> None:
        assert (extism.Plugin(manifest) if fresh else plugin).call("template_call", text)

    return call


async def _loads(quick: bool) -> list[Figure]:
    """From the file to a module in memory: compiled, and from the cache; the shared Python component apart."""
    files: dict[str, tuple[bytes, type[wasmtime.Module | Component]]] = {
        "extism": (guests.extism(), wasmtime.Module),
        "component": (guests.wasm(guests.COMPONENT), Component),
        "python": (sandbox_path().read_bytes(), Component),
    }
    figures = []
    for name, (wasm, code) in files.items():
        folder = Path(tempfile.mkdtemp(prefix="mockforge-bench-"))
        try:
            seen: list[float] = []
            for _ in range(4 if quick else 12):
                cache = CompiledCache(folder / "compiled")
                engine = wasmtime.Engine(config("component" if code is Component else "core"))
                began = time.perf_counter()
                await cache.load(engine, wasm, code, plugin=name, caps=TRUSTED)  # type: ignore[type-var]  # one of the two
                seen.append(time.perf_counter() - began)
                cache.close()
            conditions = {"wasm_bytes": len(wasm), "turns": len(seen) - 1}
            cached = summary([Turn(s) for s in seen[1:]]).value
            figures.append(Figure(bench="calls", case=f"load/{name}/cold", value=seen[0] * 1e3, unit="ms", conditions=conditions))
            figures.append(Figure(bench="calls", case=f"load/{name}/cached", value=cached * 1e3, unit="ms", conditions=conditions))
        finally:
            shutil.rmtree(folder)
    return figures
