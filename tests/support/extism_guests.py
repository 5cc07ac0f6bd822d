"""Extism guests for tests, and what it takes to run them without a whole runtime."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import wasmtime

from mockforge_asgi.contract import BodyReader, Json
from mockforge_asgi.errors import HostCallError
from mockforge_asgi.wasm.engine import Engines
from mockforge_asgi.wasm.extism.guest import ExtismGuest, ExtismOptions
from mockforge_asgi.wasm.extism.instance import ExtismInstance
from mockforge_asgi.wasm.extism.kernel import kernel_wasm
from mockforge_asgi.wasm.extism.linking import Kernel
from mockforge_asgi.wasm.fiber import Budget, Fiber
from mockforge_asgi.wasm.scheduler import Scheduler
from mockforge_asgi.wasm.store import StoreLimits
from mockforge_asgi.wasm.ticker import Ticker

ROOT = Path(__file__).resolve().parents[2]
PLAIN = ROOT / "tests/fixtures/extism/plain.wasm"
GREET = ROOT / "examples/quickstart/plugins/greet/greet.wasm"
ENV = "extism:host/env"

SIGNATURES = {
    "alloc": "(param i64) (result i64)",
    "free": "(param i64)",
    "length": "(param i64) (result i64)",
    "store_u8": "(param i64 i32)",
    "store_u64": "(param i64 i64)",
    "load_u8": "(param i64) (result i32)",
    "load_u64": "(param i64) (result i64)",
    "input_length": "(result i64)",
    "input_offset": "(result i64)",
    "output_set": "(param i64 i64)",
    "error_set": "(param i64)",
    "config_get": "(param i64) (result i64)",
    "var_get": "(param i64) (result i64)",
    "var_set": "(param i64 i64)",
    "log_info": "(param i64)",
    "get_log_level": "(result i32)",
    "http_request": "(param i64 i64) (result i64)",
    "http_status_code": "(result i32)",
    "http_headers": "(result i64)",
    "proc_exit": "(param i32)",
}
_WASI = {"proc_exit": "wasi_snapshot_preview1"}


def wasm_of(text: str) -> bytes:
    """WebAssembly text as a binary."""
    return bytes(wasmtime.wat2wasm(text))


def wat(body: str, *imports: str) -> bytes:
    """A plugin from WebAssembly text, importing those kernel functions under their own names (`$alloc`, ...)."""
    lines = [f'(import "{_WASI.get(name, ENV)}" "{name}" (func ${name} {SIGNATURES[name]}))' for name in imports]
    return wasm_of(f'(module {" ".join(lines)} (memory (export "memory") 1) {body})')


ECHO = wat(
    '(func (export "echo") (result i32) (call $output_set (call $input_offset) (call $input_length)) (i32.const 0))',
    "output_set",
    "input_offset",
    "input_length",
)


class PluginHostCalls:
    """Doors of the test. They record; `http.request` and everything else answer when `open` is set."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.waiting = 0
        self.log: list[tuple[str, str]] = []
        self.asked: list[tuple[str, Mapping[str, Json]]] = []
        self.answer: Json = {"ok": 1}
        self.body = b""
        self.now_ns = 42

    async def close(self) -> None:
        """Nothing is kept open."""

    def call_now(self, name: str, payload: Mapping[str, Json]) -> Json:
        """Log, clock and random bytes, at once."""
        if name == "log":
            self.log.append((payload["level"], payload["message"]))
            return None
        if name == "clock.now":
            return {"unix_ns": 1_700_000_000_000_000_000, "monotonic_ns": self.now_ns}
        if name == "random.bytes":
            return {"hex": "ab" * payload["n"]}
        if name == "secret.get":
            raise HostCallError("denied", "the secret is not granted")
        return NotImplemented

    async def call(self, name: str, payload: Mapping[str, Json], request: BodyReader | None) -> Json:
        """What `answer` holds, once the test lets it through."""
        self.asked.append((name, payload))
        self.waiting += 1
        await self.open.wait()
        if name == "clock.sleep":
            self.now_ns += payload["ns"]
            return None
        if name == "body.read":
            part = self.body[payload["offset"] : payload["offset"] + 3]
            return {"base64": base64.b64encode(part).decode(), "total": len(self.body)}
        if isinstance(self.answer, HostCallError):
            raise self.answer
        return self.answer


@dataclass(slots=True)
class ExtismBench:
    """What a test of Extism guests needs at hand."""

    kernel: Kernel
    scheduler: Scheduler
    doors: PluginHostCalls = field(default_factory=PluginHostCalls)
    made: list[ExtismInstance] = field(default_factory=list)

    def fiber(self, op: str = "op", *, cpu_s: float = 2.0, timeout_s: float = 30.0, output_bytes: int = 1 << 20) -> Fiber:
        """A fiber for one call."""
        return Fiber("guest", op, Budget(cpu_s, timeout_s, output_bytes), self.doors, None)

    def guest(self, wasm: bytes, options: ExtismOptions | None = None, *, memory_bytes: int = 4 << 20) -> ExtismGuest:
        """A guest from its code."""
        module = wasmtime.Module(self.kernel.engine, wasm)
        return ExtismGuest("guest", self.kernel, module, StoreLimits(memory_bytes=memory_bytes), options or ExtismOptions())

    async def instance(self, wasm: bytes, options: ExtismOptions | None = None, *, memory_bytes: int = 4 << 20) -> ExtismInstance:
        """A live instance, freed with the bench."""
        made = await self.guest(wasm, options, memory_bytes=memory_bytes).instantiate(self.fiber("plugin.load"))
        self.made.append(made)
        return made


@asynccontextmanager
async def extism_bench() -> AsyncIterator[ExtismBench]:
    """Engine, ticker, scheduler and kernel on the running loop."""
    engines = Engines()
    ticker = Ticker(engines, asyncio.get_running_loop())
    scheduler = Scheduler(asyncio.get_running_loop(), ticker)
    engine = engines.get("core")
    code = [wasmtime.Module(engine, kernel_wasm(name)) for name in ("kernel", "wasi")]
    made = ExtismBench(Kernel(engine, scheduler, *code), scheduler)
    try:
        yield made
    finally:
        for instance in made.made:
            instance.close()
        made.kernel.close()
        ticker.stop()
