"""The two engine configurations, and the engines made from them.

Constants only: compile worker and server must agree on every setting, so a digest of them is part of each cache
key. What raises their epochs is `ticker.py`.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import version
from typing import Final, Literal, TypeAlias

import wasmtime
from wasmtime import _bindings as ffi

from mockforge_asgi.errors import UnsupportedPlatform

EngineKind: TypeAlias = Literal["core", "component"]
"""Core modules (Extism guests and the kernel), or components (the Python sandbox, JavaScript, ...)."""

MIB: Final = 1 << 20

_COMMON: Final[Mapping[str, object]] = {
    "epoch_interruption": True,
    "cranelift_opt_level": "speed",
    "memory_may_move": False,  # a stable base address: the host keeps pointers between polls
    "memory_init_cow": True,
    "signals_based_traps_set": False,  # who enables faulthandler later takes the signals: the next guest that traps would end the process
    "wasm_reference_types": True,
    "wasm_bulk_memory": True,
    "wasm_multi_value": True,
    "wasm_simd": True,
    "wasm_relaxed_simd": False,
    "wasm_threads": False,
    "wasm_memory64": False,
    "wasm_tail_call": False,
    "wasm_wide_arithmetic": False,
    "wasm_custom_page_sizes": False,
    "wasm_stack_switching": False,
    "shared_memory": False,
    "wasm_compact_imports_set": False,
    "wasm_branch_hinting_set": False,
}
_CORE: Final[Mapping[str, object]] = {
    **_COMMON,
    "max_wasm_stack": MIB // 2,
    "async_stack_size_set": 2 * MIB,
    "wasm_multi_memory": False,
    "wasm_exceptions": False,
    "wasm_function_references": False,
    "wasm_gc": False,
    "wasm_component_model": False,
}
_COMPONENT: Final[Mapping[str, object]] = {
    **_COMMON,
    "max_wasm_stack": 2 * MIB,  # with 1 MiB, recursion in Python through built-in functions traps before its RecursionError
    "async_stack_size_set": 3 * MIB,
    "wasm_multi_memory": True,  # jco's components need it; with it off they abort the process
    "wasm_component_model": True,  # with the async proposal in its first form: jco's components import `task.cancel`
    "gc_support": False,  # from here on: what neither jco's nor componentize-py's components need
    "wasm_gc": False,
    "wasm_function_references": False,
    "wasm_exceptions": False,
    "wasm_component_model_map": False,
    "wasm_component_model_implements": False,
    **dict.fromkeys(
        (
            "wasm_component_model_async_stackful_set",
            "wasm_component_model_more_async_builtins_set",
            "wasm_component_model_accessors_set",
            "wasm_component_model_canonical_names_set",
        ),
        False,
    ),
}
_SETTINGS: Final[Mapping[EngineKind, Mapping[str, object]]] = {"core": _CORE, "component": _COMPONENT}


def config(kind: EngineKind) -> wasmtime.Config:
    """A fresh configuration of that kind; wasmtime takes it over when an engine is made."""
    made = wasmtime.Config()
    for name, value in _SETTINGS[kind].items():
        if name.endswith("_set"):  # a C function that the wheel has no property for
            getattr(ffi, f"wasmtime_config_{name}")(made.ptr(), value)
        else:
            setattr(made, name, value)
    return made


@cache
def config_digest(kind: EngineKind) -> str:
    """Names the settings, the wasmtime version, the architecture and what is compiled: code of another digest is not ours to run."""
    facts = [version("wasmtime"), platform.machine(), platform.system(), dict(_SETTINGS[kind]), "without custom sections"]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


class Engines:
    """One engine of each kind, made when first asked for, owned by one runtime in one process."""

    __slots__ = ("_attend", "_made", "_pid")

    def __init__(self) -> None:
        self._made: dict[EngineKind, wasmtime.Engine] = {}
        self._pid = os.getpid()
        self._attend: Callable[[wasmtime.Engine], None] | None = None

    def attend(self, made: Callable[[wasmtime.Engine], None]) -> None:
        """Have it called with each engine when that is made."""
        for engine in self._made.values():
            made(engine)
        self._attend = made

    def get(self, kind: EngineKind) -> wasmtime.Engine:
        """The engine of that kind. Raises UnsupportedPlatform in a process forked after it was made."""
        if self._pid != os.getpid():
            raise UnsupportedPlatform(
                "this plugin runtime was started before the process forked; start it in the worker (create the app in the worker, "
                "or use MockForge without an explicit runtime)."
            )
        if kind not in self._made:
            self._made[kind] = wasmtime.Engine(config(kind))
            if self._attend is not None:
                self._attend(self._made[kind])
        return self._made[kind]

    def close(self) -> None:
        """Free the engines; stores made from them keep their own share."""
        for engine in self._made.values():
            engine.close()
        self._made.clear()
