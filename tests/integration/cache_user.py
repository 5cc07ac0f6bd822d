"""A process that uses the compiled-code cache: `python -m tests.integration.cache_user CACHE KEY STEP...`.

Prints what came of each step as JSON.

Steps: a number compiles (or finds) the module that returns it; `close` closes the cache, which the next one opens anew; `slow` compiles
for long; any other word is run as a shell command.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import wasmtime

from mockforge_asgi.events import CacheTrouble, Compiling, Event
from mockforge_asgi.wasm.compiled.cache import CompiledCache
from mockforge_asgi.wasm.engine import config
from tests.wasm.compiled.test_compile import slow


def module(number: int) -> bytes:
    """The module that returns it."""
    return bytes(wasmtime.wat2wasm(f'(module (func (export "f{number}") (result i32) (i32.const {number})))'))


async def use(directory: Path, steps: list[str]) -> list[dict[str, object]]:
    """What each module exports, how often something was compiled for it, and what troubled the cache."""
    engine = wasmtime.Engine(config("core"))
    said: list[Event] = []
    cache = CompiledCache(directory, emit=said.append)
    results: list[dict[str, object]] = []
    for step in steps:
        if step == "close":
            cache.close()
        elif step.isdigit() or step == "slow":
            said.clear()
            if step == "slow":
                print("compiling", flush=True)
            wasm = module(int(step)) if step.isdigit() else slow(20_000, 400)
            loaded = await cache.load(engine, wasm, wasmtime.Module, plugin="user")
            results.append(
                {
                    "exports": [e.name for e in loaded.exports],
                    "compiled": sum(isinstance(e, Compiling) and e.done for e in said),
                    "troubles": [e.what for e in said if isinstance(e, CacheTrouble)],
                }
            )
        else:
            subprocess.run(step, shell=True, check=True)
    return results


if __name__ == "__main__":
    print(json.dumps(asyncio.run(use(Path(sys.argv[1]), sys.argv[2:]))))
