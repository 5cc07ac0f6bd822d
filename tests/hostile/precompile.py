"""Compiles the table's modules into the compiled-code cache, all in one process: `python -m tests.hostile.precompile`.

The product starts a process for each, which takes most of the time of a run; that it does is tested in `test_uploads.py`.
"""

from __future__ import annotations

import hashlib
import io
from typing import get_args

import wasmtime
from wasmtime.component import Component

from mockforge_asgi.errors import PluginRejected
from mockforge_asgi.wasm.compiled.cache import default_directory, entry_name
from mockforge_asgi.wasm.compiled.entries import Entries
from mockforge_asgi.wasm.engine import EngineKind, config
from mockforge_asgi.wasm.inspect.limits import inspect
from mockforge_asgi.wasm.inspect.sections import COMPONENT_HEADER, CORE_HEADER, without_custom_sections
from tests.hostile.table import CASES


def main() -> None:
    """Compile what can be compiled and is not there yet."""
    entries = Entries(default_directory())
    engines = {kind: wasmtime.Engine(config(kind)) for kind in get_args(EngineKind)}
    for case in CASES:
        if not isinstance(case.code, bytes) or case.is_costly:
            continue
        kind: EngineKind = "core" if case.code.startswith(CORE_HEADER) else "component"
        name = entry_name(hashlib.sha256(case.code).hexdigest(), kind)
        with entries.reading(name) as found:
            if found is not None or not case.code.startswith((CORE_HEADER, COMPONENT_HEADER)):
                continue
        try:
            inspect(case.code, plugin="evil", expect=kind)
            made = (wasmtime.Module if kind == "core" else Component)(engines[kind], without_custom_sections(case.code))
        except (PluginRejected, wasmtime.WasmtimeError):
            continue
        entries.write(name, io.BytesIO(made.serialize()))


if __name__ == "__main__":
    main()
