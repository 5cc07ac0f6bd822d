"""The Python sandbox component on wasmtime's public synchronous API: enough of a host to test the guest by itself."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wasmtime import Config, Engine, Store, component

from mockforge_plugin.sandbox.build import OUT, build
from tests.support.error_envelopes import GuestError
from tests.support.memory_host_calls import DoorRefused, HostCalls

SEED = "5e" * 32


class Sandbox:
    """The compiled component; `load` gives instances."""

    def __init__(self, path: Path | None = None) -> None:
        config = Config()
        config.max_wasm_stack = 2 << 20  # less, and recursion through built-in functions ends the instance
        self.engine = Engine(config)
        self.component = compiled(self.engine, path or build(OUT), "plain")

    def instance(self, doors: HostCalls | None = None, memory_mb: int = 64) -> Instance:
        """A fresh instance with nothing loaded."""
        return Instance(self, doors or HostCalls(), memory_mb)

    def load(
        self, files: Mapping[str, str] | str, doors: HostCalls | None = None, *, seed: str = SEED, entry: str = "plugin.py"
    ) -> Instance:
        """A fresh instance of a plugin. Raises: GuestError."""
        instance = self.instance(doors)
        instance.load({"plugin.py": files} if isinstance(files, str) else files, seed=seed, entry=entry)
        return instance


class Instance:
    """One guest."""

    def __init__(self, sandbox: Sandbox, doors: HostCalls, memory_mb: int) -> None:
        self.doors = doors
        self.store = Store(sandbox.engine)
        self.store.set_limits(memory_size=memory_mb << 20)
        linker = component.Linker(sandbox.engine)
        with linker.root() as root, root.add_instance("mockforge:plugin/host@0.1.0") as host:
            host.add_func("call", self._door)
        self._instance = linker.instantiate(self.store, sandbox.component)

    def _door(self, _store: object, door: str, payload: str) -> Any:
        try:
            return component.Variant("ok", json.dumps(self.doors.answer(door, json.loads(payload))))
        except DoorRefused as refused:
            return component.Variant("err", json.dumps(refused.envelope))

    def _export(self, name: str, *arguments: str) -> Any:
        function = self._instance.get_func(self.store, name)
        assert function is not None
        return function(self.store, *arguments)

    def load(self, files: Mapping[str, str], *, seed: str = SEED, entry: str = "plugin.py") -> None:
        """Give the instance its plugin. Raises: GuestError."""
        bundle = {"entry": entry, "files": dict(files), "plugin": {"id": "test", "version": "1.0.0"}, "seed": seed}
        _ok(self._export("load", json.dumps(bundle)))

    def describe(self) -> Any:
        """What it implements."""
        return json.loads(self._export("describe"))

    def call(self, op: str, document: Any = None) -> Any:
        """One operation. Raises: GuestError."""
        return json.loads(self.call_text(op, json.dumps(document)))

    def call_text(self, op: str, payload: str) -> str:
        """One operation, text in and out. Raises: GuestError."""
        return _ok(self._export("call", op, payload))


def _ok(result: Any) -> str:
    if result.tag == "err":
        raise GuestError(result.payload)
    return str(result.payload)


def compiled(engine: Engine, path: Path, configuration: str) -> component.Component:
    """The component, compiled once per build of it and configuration of the engine."""
    stamp = f"{configuration}-{path.stat().st_size}-{path.stat().st_mtime_ns}"
    folder = Path(tempfile.gettempdir()) / f"mockforge-tests-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    cached = folder / f"python-sandbox-{stamp}.cwasm"
    if not cached.exists():
        half = cached.with_suffix(f".{os.getpid()}")
        half.write_bytes(component.Component(engine, path.read_bytes()).serialize())
        half.replace(cached)
    return component.Component.deserialize_file(engine, str(cached))
