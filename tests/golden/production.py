"""The product's own host for Python guests and components: fibers, scheduler, component linking; with the doors of the golden cases."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any, TypeVar

from wasmtime.component import Component

from mockforge_asgi.contract import BodyReader, Json
from mockforge_asgi.errors import HostCallError, PluginFailed
from mockforge_asgi.plugins.package.manifest import Limits
from mockforge_asgi.wasm.component.guest import ComponentGuest, ComponentInstance
from mockforge_asgi.wasm.component.python import PythonGuest
from mockforge_asgi.wasm.engine import MIB, Engines, config_digest
from mockforge_asgi.wasm.fiber import Budget, Fiber
from mockforge_asgi.wasm.scheduler import Scheduler
from mockforge_asgi.wasm.store import StoreLimits
from mockforge_asgi.wasm.ticker import Ticker
from mockforge_plugin.encoding import encode
from mockforge_plugin.sandbox.build import build
from tests.support.error_envelopes import GuestError
from tests.support.memory_host_calls import DoorRefused, HostCalls
from tests.support.python_sandbox_harness import compiled

T = TypeVar("T")
BUDGET = Budget(cpu_s=10.0, timeout_s=30.0, output_bytes=1 << 20)
QUICK = {"log", "secret.get", "clock.now", "random.bytes"}


class GoldenDoors:
    """A test's doors, as the host wants them: some answer at once, others after a turn of the loop."""

    def __init__(self, doors: HostCalls) -> None:
        self._doors = doors

    def call_now(self, name: str, payload: Mapping[str, Json]) -> Json:
        """The quick doors."""
        return self._answer(name, payload) if name in QUICK else NotImplemented

    async def call(self, name: str, payload: Mapping[str, Json], request: BodyReader | None) -> Json:
        """Any door."""
        await asyncio.sleep(0)
        return self._answer(name, payload)

    async def close(self) -> None:
        """Nothing is open."""

    def _answer(self, name: str, payload: Mapping[str, Json]) -> Json:
        try:
            return self._doors.answer(name, dict(payload))
        except DoorRefused as refused:
            raise HostCallError(refused.code, str(refused)) from None


class Production:
    """A loop with the sandbox on it, driven from plain tests."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self.instances: list[ComponentInstance] = []
        self._engines = Engines()
        self._ticker = Ticker(self._engines, self._runner.get_loop())
        self._scheduler = self.run(self._schedule())
        self._component = self._compiled()
        self._components: dict[Path, Component] = {}

    async def _schedule(self) -> Scheduler:
        return Scheduler(asyncio.get_running_loop(), self._ticker)

    def _compiled(self) -> Component:
        return compiled(self._engines.get("component"), build(), config_digest("component")[:16])

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run to the end on the loop."""
        return self._runner.run(work)

    def load(self, files: Mapping[str, str] | str, doors: HostCalls | None = None) -> ProductionInstance:
        """A fresh instance of a plugin. Raises: GuestError."""
        made = doors or HostCalls()
        limits = StoreLimits(memory_bytes=64 * MIB, memories=1, tables=2, instances=48)
        guest = PythonGuest(
            "golden",
            self._engines.get("component"),
            self._component,
            self._scheduler,
            limits,
            version="1.0.0",
            entry="plugin.py",
            files={"plugin.py": files} if isinstance(files, str) else files,
        )
        return ProductionInstance(self, guest, made)

    def component(self, wasm: Path, doors: HostCalls | None = None) -> ProductionInstance:
        """A fresh instance of a component, under the limits that the product gives it unless told otherwise."""
        limits = StoreLimits(Limits().memory_mb * MIB, memories=4, tables=16, instances=64)
        engine = self._engines.get("component")
        if wasm not in self._components:
            self._components[wasm] = Component(engine, wasm.read_bytes())
        return ProductionInstance(
            self, ComponentGuest("golden", engine, self._components[wasm], self._scheduler, limits), doors or HostCalls()
        )

    def free(self) -> None:
        """Free every instance made so far."""
        while self.instances:
            self.instances.pop().close()

    def close(self) -> None:
        """Stop the ticker and the loop."""
        self.free()
        self._ticker.stop()
        self._engines.close()
        self._runner.close()


class ProductionInstance:
    """One guest on the product's host."""

    def __init__(self, production: Production, guest: PythonGuest | ComponentGuest, doors: HostCalls) -> None:
        self.doors, self._production, self._doors = doors, production, GoldenDoors(doors)
        self._instance: ComponentInstance = self._run(guest.instantiate(self._fiber("plugin.load")))
        production.instances.append(self._instance)

    def _fiber(self, op: str) -> Fiber:
        return Fiber("golden", op, BUDGET, self._doors, None)

    def describe(self) -> Any:
        """What it implements."""
        return self._run(self._instance.describe(self._fiber("describe")))

    def call(self, op: str, document: Any = None) -> Any:
        """One operation. Raises: GuestError."""
        return self._run(self._instance.call(self._fiber(op), encode(document).encode()))

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        try:
            return self._production.run(work)
        except PluginFailed as failed:
            message = str(failed).partition(f" failed in {failed.op}: ")[2].removesuffix(f"\n{failed.author_traceback}")
            error = {"code": failed.code, "message": message, "retryable": failed.retryable, "details": failed.details}
            raise GuestError(encode({"error": error})) from failed
