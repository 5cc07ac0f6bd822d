"""The sandbox of one runtime on one event loop: engines, ticker, scheduler, pool, compiled code; makes hosts for plugins.

The only thing that layers above need to know of `wasm/`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from wasmtime import Module
from wasmtime.component import Component

from mockforge_asgi.contract import HostCalls
from mockforge_asgi.errors import ConfigError, PluginRejected
from mockforge_asgi.events import EventStream, PluginWarning
from mockforge_asgi.wasm.compiled.cache import CompiledCache, Source
from mockforge_asgi.wasm.compiled.compile import CompileLimits
from mockforge_asgi.wasm.component.guest import ComponentGuest
from mockforge_asgi.wasm.component.python import PythonGuest, sandbox_digest, sandbox_path
from mockforge_asgi.wasm.component.rerun import Rerun
from mockforge_asgi.wasm.engine import MIB, Engines
from mockforge_asgi.wasm.extism.entry import ExtismEntry
from mockforge_asgi.wasm.extism.guest import ExtismGuest, ExtismOptions
from mockforge_asgi.wasm.extism.kernel import kernel_wasm
from mockforge_asgi.wasm.extism.linking import Kernel
from mockforge_asgi.wasm.host import HostOptions, WasmHost
from mockforge_asgi.wasm.inspect.limits import TRUSTED
from mockforge_asgi.wasm.memory_budget import MemoryBudget
from mockforge_asgi.wasm.platform import check_interpreter
from mockforge_asgi.wasm.scheduler import Scheduler
from mockforge_asgi.wasm.store import StoreLimits
from mockforge_asgi.wasm.ticker import Ticker

Runtime = Literal["python", "component", "extism"]


@dataclass(frozen=True, slots=True)
class GuestSpec:
    """A plugin's code, and what it needs beside it."""

    runtime: Runtime
    entry: str
    """A file's name in `files`."""
    files: Mapping[str, bytes]
    memory_mb: int
    settings: Mapping[str, str] = field(default_factory=dict)
    """What Extism's `config_get` answers."""
    vars_kb: int = 128
    """Room for Extism's variables, per instance."""
    mapping: ExtismEntry = field(default_factory=ExtismEntry)
    """Which of an Extism plugin's exports are for what."""


class Sandbox:
    """One per runtime and loop. Close it when every host is closed."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, events: EventStream, *, pool_memory_mb: int = 1024, cache_dir: Path | None = None
    ) -> None:
        self._events = events
        self._engines = Engines()
        self._ticker = Ticker(self._engines, loop)
        self.scheduler = Scheduler(loop, self._ticker)
        self.memory = MemoryBudget(loop, pool_memory_mb * MIB)
        self._cache = CompiledCache(cache_dir, emit=events.emit)
        self._python: asyncio.Task[Component] | None = None
        self._kernel: asyncio.Task[Kernel] | None = None

    async def host(self, options: HostOptions, spec: GuestSpec, host_calls: HostCalls) -> WasmHost:
        """A host for one plugin generation; compiles its code unless the cache has it. Raises PluginRejected, UnsupportedPlatform."""
        check_interpreter()
        guest = await self._guest(options, spec)
        charge, cap = options.charge_bytes or guest.limits.charge, self.memory.cap_bytes
        if charge > cap:
            raise ConfigError(
                f"plugin '{options.plugin}' not loaded: one instance of it may come to hold {charge // MIB} MiB, and all instances "
                f"together may hold {cap // MIB}. Raise limits.pool_memory_mb, or lower plugins.{options.plugin}.limits.memory_mb."
            )
        host = WasmHost(replace(options, charge_bytes=charge), guest, host_calls, self.memory, self._events)
        if options.explains and isinstance(guest, PythonGuest):
            host.rerun = Rerun(guest, host_calls)
        if (needed := self.memory.one_each_bytes) > cap:
            self._events.emit(PluginWarning(plugin=options.plugin, detail=_short_of(needed, cap)))
        return host

    async def _guest(self, options: HostOptions, spec: GuestSpec) -> ComponentGuest | ExtismGuest:
        memory, entry = spec.memory_mb * MIB, spec.entry
        if entry not in spec.files:
            raise PluginRejected(options.plugin, f"its entry '{entry}' is not in the package.")
        if spec.runtime == "extism":
            return await self._extism(options, spec, memory)
        engine = self._engines.get("component")
        if spec.runtime == "component":
            limits = StoreLimits(memory, memories=4, tables=16, instances=64)
            code = await self._cache.load(engine, spec.files[entry], Component, plugin=options.plugin)
            return await asyncio.to_thread(ComponentGuest, options.plugin, engine, code, self.scheduler, limits)
        return PythonGuest(
            options.plugin,
            engine,
            await self.python_component(),
            self.scheduler,
            StoreLimits(memory, memories=1, tables=2, instances=48),  # one component, whose needs are known
            version=options.version,
            entry=entry,
            files=_sources(options.plugin, spec.files),
        )

    async def _extism(self, options: HostOptions, spec: GuestSpec, memory: int) -> ExtismGuest:
        engine = self._engines.get("core")
        module = await self._cache.load(engine, spec.files[spec.entry], Module, plugin=options.plugin)
        if self._kernel is None or _failed(self._kernel):
            self._kernel = asyncio.ensure_future(self._load_kernel())
        return await asyncio.to_thread(  # a module may have thousands of exports to be read
            ExtismGuest,
            options.plugin,
            await asyncio.shield(self._kernel),
            module,
            StoreLimits(memory, memories=2, tables=4, instances=3),  # the kernel, the shims, the plugin; two of them have a memory
            ExtismOptions(settings=spec.settings, entry=spec.mapping, vars_bytes=spec.vars_kb * 1024),
        )

    async def python_component(self) -> Component:
        """The CPython component, loaded once per runtime and shared by all its Python plugins."""
        if self._python is None or _failed(self._python):
            self._python = asyncio.ensure_future(self._load_python())
        return await asyncio.shield(self._python)

    async def _load_python(self) -> Component:
        path = sandbox_path()
        digest = await asyncio.to_thread(sandbox_digest, path)
        engine = self._engines.get("component")
        limits = CompileLimits(cpu_s=600, timeout_s=900.0)  # it is ours, and large: 18 s of processor time here, more on slow machines
        source = Source(path, digest)
        return await self._cache.load(engine, source, Component, plugin="the Python sandbox", caps=TRUSTED, limits=limits)

    async def _load_kernel(self) -> Kernel:
        engine = self._engines.get("core")

        async def load(name: str) -> Module:
            wasm = await asyncio.to_thread(kernel_wasm, name)
            return await self._cache.load(engine, wasm, Module, plugin=f"the Extism {name}", caps=TRUSTED)

        kernel, wasi = await asyncio.gather(load("kernel"), load("wasi"))
        return Kernel(engine, self.scheduler, kernel, wasi)

    def pause(self) -> None:
        """Time no slices until a guest runs again; for a loop that has gone without being shut down."""
        self._ticker.pause()

    async def close(self) -> None:
        """End the calls that still run, stop ticking and free what instances shared."""
        await self.scheduler.close()
        loading: list[asyncio.Task[Any]] = [task for task in (self._python, self._kernel) if task is not None]
        for task in loading:
            task.cancel()
        if loading:
            await asyncio.wait(loading)
        self._ticker.stop()
        self._cache.close()
        if self._kernel is not None and not _failed(self._kernel):
            self._kernel.result().close()
        self._engines.close()


def _short_of(needed: int, cap: int) -> str:
    return (
        f"one instance of each plugin may come to hold {needed // MIB} MiB, and all together {cap // MIB}: busy plugins may leave "
        f"others without one. Raise limits.pool_memory_mb."
    )


def _failed(loading: asyncio.Task[Any]) -> bool:
    return loading.done() and (loading.cancelled() or loading.exception() is not None)


def _sources(plugin: str, files: Mapping[str, bytes]) -> dict[str, str]:
    """The Python files of a package, as text."""
    try:
        return {name: content.decode("utf-8-sig") for name, content in files.items() if name.endswith(".py")}
    except UnicodeDecodeError as error:
        raise PluginRejected(plugin, f"a Python file is not UTF-8: {error}.") from None
