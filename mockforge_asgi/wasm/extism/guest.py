"""Guests of the Extism ABI: core modules from Rust, Go, C, AssemblyScript, ... on the existing plugin kits.

Each instance is a store with a kernel instance (`kernel.py`), the plugin's own, and WASI shims where it asks for them.
What the plugin may import is what those export; anything else refuses it by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import wasmtime

from mockforge_asgi.errors import LimitExceeded, PluginRejected, Problem
from mockforge_asgi.text import clip
from mockforge_asgi.wasm.extism.entry import ExtismEntry
from mockforge_asgi.wasm.extism.instance import ExtismInstance
from mockforge_asgi.wasm.extism.kernel import KernelMemory, settings_table
from mockforge_asgi.wasm.extism.linking import Kernel, extern, functions, signature
from mockforge_asgi.wasm.fiber import Fiber
from mockforge_asgi.wasm.store import GuestStore, StoreLimits

_MAX_TOLD: Final = 20  # problems of a module that may have thousands


@dataclass(frozen=True, slots=True)
class ExtismOptions:
    """What an Extism guest has beside its code."""

    settings: Mapping[str, str] = field(default_factory=dict)
    """What `config_get` answers."""
    entry: ExtismEntry = field(default_factory=ExtismEntry)
    vars_bytes: int = 128 << 10
    """Room for the variables of one instance."""
    log_level: int = 1
    """0 trace, 1 debug, 2 info, 3 warn, 4 error; what is below is dropped inside the guest."""


class ExtismGuest:
    """A plugin's compiled code, checked and ready to be instantiated.

    Raises PluginRejected for an import that no host call answers to, and for an operation whose export is missing.
    """

    def __init__(
        self, plugin: str, kernel: Kernel, module: wasmtime.Module, limits: StoreLimits, options: ExtismOptions = ExtismOptions()
    ) -> None:
        self.plugin, self.kernel, self.module, self.limits, self.options = plugin, kernel, module, limits, options
        self.scheduler = kernel.scheduler
        self.namespaces = self._check_imports()
        self.exports = functions(module.exports)
        self.calls = frozenset(name for name, type_ in self.exports.items() if type_ in ("()->(i32)", "()->()"))
        self.entry = options.entry
        self.entry.check(plugin, self.calls)
        self._settings = settings_table(options.settings)

    def _check_imports(self) -> frozenset[str]:
        problems, used = [], set()
        for wanted in self.module.imports:
            name = (wanted.module, wanted.name or "")
            type_ = signature(wanted.type)
            known, told = self.kernel.functions.get(name), " ".join(clip(part, 100) for part in name)
            if known is None:
                problems.append(Problem("import", f"{told} is not known to this host.", "Build the plugin without it."))
            elif type_ != known:
                what = f"{told} has the type {clip(type_, 200)}, here it is {known}."
                problems.append(Problem("import", what, "Rebuild it with a current kit."))
            used.add(name[0])
        if problems:
            raise PluginRejected(self.plugin, "its code imports what this host does not have:", problems[:_MAX_TOLD])
        return frozenset(used)

    async def instantiate(self, fiber: Fiber) -> ExtismInstance:
        """A fresh instance, initialised as its toolchain wants it, paid for by the fiber's budget."""
        store = GuestStore(self.kernel.engine, self.limits)
        instance = None
        try:
            kernel = self.kernel.instantiate(store)
            memory = KernelMemory(
                store.context,
                extern(store, kernel, "memory").of.memory,
                settings=self._settings,
                vars_bytes=self.options.vars_bytes,
                log_level=self.options.log_level,
            )
            instance = ExtismInstance(self, store, memory)
            await instance.link(fiber, kernel)
            return instance
        except MemoryError as error:
            store.close()
            raise LimitExceeded(fiber.plugin, fiber.op, "memory_mb", self.limits.memory_bytes / (1 << 20)) from error
        except BaseException:
            store.close()
            raise

    def close(self) -> None:
        """Nothing is shared but code, which goes with the last instance."""
