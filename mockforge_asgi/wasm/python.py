"""Guests that are Python source: the shared CPython component, told which files to run.

No build step: the source is handed over when an instance is made. Each instance gets a random state of its own,
because all fresh instances of the component start from one snapshot.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

import orjson
from wasmtime import Engine
from wasmtime.component import Component

from mockforge_asgi.errors import UnsupportedPlatform
from mockforge_asgi.wasm.component import ComponentGuest, ComponentInstance
from mockforge_asgi.wasm.fiber import Fiber
from mockforge_asgi.wasm.scheduler import Scheduler
from mockforge_asgi.wasm.store import StoreLimits


def sandbox_path() -> Path:
    """The CPython component that the package build made. Raises UnsupportedPlatform when it is missing."""
    path = Path(str(resources.files("mockforge_asgi.wasm") / "guests" / "python-sandbox.wasm"))
    if not path.exists():
        raise UnsupportedPlatform(
            "the Python sandbox component is missing from this installation. It is made by the package build: "
            "run ./scripts/serve once in a source checkout, or install a wheel."
        )
    return path


class PythonGuest(ComponentGuest):
    """One plugin's source files, run by the shared component."""

    def __init__(
        self,
        plugin: str,
        engine: Engine,
        component: Component,
        scheduler: Scheduler,
        limits: StoreLimits,
        *,
        version: str,
        entry: str,
        files: Mapping[str, str],
        seed: str | None = None,
    ) -> None:
        super().__init__(plugin, engine, component, scheduler, limits)
        self._bundle = {"entry": entry, "files": dict(files), "plugin": {"id": plugin, "version": version}}
        self._seed = seed

    async def instantiate(self, fiber: Fiber) -> ComponentInstance:
        """A fresh instance with the plugin's code loaded and a random state of its own."""
        instance = await super().instantiate(fiber)
        try:
            bundle = orjson.dumps({**self._bundle, "seed": self._seed or secrets.token_hex(32)})
            await instance.load(fiber, bundle)
        except BaseException:
            instance.close()
            raise
        return instance
