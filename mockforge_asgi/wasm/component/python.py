"""Guests that are Python source: the shared CPython component, told which files to run.

No build step: the source is handed over when an instance is made. Each instance gets a random state of its own,
because all fresh instances of the component start from one snapshot.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Final

import orjson
from wasmtime import Engine
from wasmtime.component import Component

from mockforge_asgi.contract import Json
from mockforge_asgi.contract.codec import around
from mockforge_asgi.errors import PluginRejected, UnsupportedPlatform
from mockforge_asgi.wasm.component.guest import ComponentGuest, ComponentInstance
from mockforge_asgi.wasm.fiber import Fiber
from mockforge_asgi.wasm.scheduler import Scheduler
from mockforge_asgi.wasm.store import StoreLimits

MAX_SOURCE_BYTES: Final = 2 << 20
"""The most Python source of one plugin, written as JSON: it is handed over so to each instance, on the event loop."""


def sandbox_path() -> Path:
    """The CPython component that the package build made. Raises UnsupportedPlatform when it is missing."""
    path = Path(str(resources.files("mockforge_asgi.wasm") / "guests" / "python-sandbox.wasm"))
    if not path.exists():
        raise UnsupportedPlatform(
            "the Python sandbox component is missing from this installation. It is made by the package build: "
            "run ./scripts/serve once in a source checkout, or install a wheel."
        )
    return path


def sandbox_digest(path: Path) -> str:
    """The component's SHA-256 (hex), as its build noted it beside it; read from the file itself where the note is not of that file.

    It names the compiled code in the cache, and the file is held against it before it is compiled. Blocks.
    """
    try:
        noted = json.loads(path.with_suffix(".json").read_bytes())
        if noted["bytes"] == path.stat().st_size and isinstance(noted["sha256"], str):
            return noted["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        pass
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
    ) -> None:
        super().__init__(plugin, engine, component, scheduler, limits)
        size = sum(map(len, files.values()))
        self._files = orjson.dumps(dict(files)) if size <= MAX_SOURCE_BYTES else b""
        if (size := max(size, len(self._files))) > MAX_SOURCE_BYTES:
            raise PluginRejected(
                plugin, f"its Python files take {size:,} bytes as JSON; the most is {MAX_SOURCE_BYTES:,}. Put data in other files."
            )
        self._rest: dict[str, Json] = {"entry": entry, "plugin": {"id": plugin, "version": version}}

    async def instantiate(self, fiber: Fiber, *, trace: int | None = None) -> ComponentInstance:
        """A fresh instance with the plugin's code loaded and a random state of its own.

        `trace`: one that tells which lines of it run, each from that number on (see `rerun.py`), and whose random state is always the same.
        """
        instance = await super().instantiate(fiber)
        try:
            rest = {**self._rest, "seed": secrets.token_hex(32) if trace is None else "00" * 32}
            if trace is not None:
                rest["trace"] = trace
            await instance.load(fiber, around("files", self._files, rest))
        except BaseException:
            instance.close()
            raise
        return instance
