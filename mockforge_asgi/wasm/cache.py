"""The compiled-code cache: WebAssembly in, a module or component ready to run out, compiled at most once per machine.

Looks the code up by what it is and what it was compiled for; compiles it in a subprocess when it is not there; loads it
from the very descriptor that was verified. Trouble with the cache costs time, never an answer: it is reported as
`CacheTrouble` and the code is compiled again. Storage is `entries.py`, compiling is `compile.py`.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import platform
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Final, Literal, ParamSpec, TypeAlias, TypeVar, overload
from weakref import WeakValueDictionary

import platformdirs
import wasmtime
from wasmtime.component import Component

from mockforge_asgi.errors import PluginRejected
from mockforge_asgi.events import CacheTrouble, Event
from mockforge_asgi.wasm.compile import CompileLimits, compile_wasm
from mockforge_asgi.wasm.engine import EngineKind, config_digest
from mockforge_asgi.wasm.entries import Entries, EntriesUnusable
from mockforge_asgi.wasm.inspect import Caps, inspect

_FORMAT: Final = "1"
_LOCK_POLL_S: Final = 0.05
MIB: Final = 1 << 20
P = ParamSpec("P")
T = TypeVar("T")
Code: TypeAlias = wasmtime.Module | Component
"""Compiled code, ready for one engine."""


def default_directory() -> Path:
    """Where compiled code is kept: `mockforge/compiled` in the user's cache directory."""
    return platformdirs.user_cache_path("mockforge", appauthor=False) / "compiled"


def default_key_file() -> Path:
    """Where the key of the cache is kept: apart from it, in the user's state directory."""
    return platformdirs.user_state_path("mockforge", appauthor=False) / "compiled.key"


@dataclass(frozen=True, slots=True)
class Source:
    """A WebAssembly file known by its SHA-256 (hex), read only when it must be compiled."""

    path: Path
    digest: str


class CompiledCache:
    """Compiled code of one runtime, on one event loop. Opened at first use."""

    def __init__(
        self,
        directory: Path | None = None,
        *,
        key_file: Path | None = None,
        limit_bytes: int = 1024 * MIB,
        emit: Callable[[Event], None] = lambda event: None,
    ) -> None:
        self._directory, self._key_file = directory, key_file
        self._limit_bytes, self._emit = limit_bytes, emit
        self._entries: Entries | None = None
        self._is_open, self._opening = False, asyncio.Lock()
        self._making: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._troubles: list[str] = []

    @overload
    async def load(
        self,
        engine: wasmtime.Engine,
        wasm: bytes | Source,
        kind: Literal["core"],
        *,
        plugin: str,
        caps: Caps = ...,
        limits: CompileLimits = ...,
    ) -> wasmtime.Module: ...

    @overload
    async def load(
        self,
        engine: wasmtime.Engine,
        wasm: bytes | Source,
        kind: Literal["component"],
        *,
        plugin: str,
        caps: Caps = ...,
        limits: CompileLimits = ...,
    ) -> Component: ...

    async def load(
        self,
        engine: wasmtime.Engine,
        wasm: bytes | Source,
        kind: EngineKind,
        *,
        plugin: str,
        caps: Caps = Caps(),
        limits: CompileLimits = CompileLimits(),
    ) -> Code:
        """The code, ready for that engine, which must be configured by `engine.config(kind)`.

        Not in the cache: checked against `caps`, compiled within `limits` (with `Compiling` events) and stored.
        Raises: PluginRejected.
        """
        async with self._opening:
            if not self._is_open:
                await self._in_thread(self._open)
        digest = wasm.digest if isinstance(wasm, Source) else (await asyncio.to_thread(hashlib.sha256, wasm)).hexdigest()
        job = _Job(engine, wasm, kind, plugin, caps, limits, digest, entry_name(digest, kind))
        if (found := await self._in_thread(self._stored, job)) is not None:
            return found
        lock = self._making.get(job.name) or asyncio.Lock()
        self._making[job.name] = lock
        async with lock, self._alone(job.name):
            if (found := await self._in_thread(self._stored, job)) is not None:
                return found
            return await self._make(job)

    def close(self) -> None:
        """Close the directory; what was loaded stays usable."""
        if self._entries is not None:
            self._entries.close()
        self._entries, self._is_open = None, False

    def _open(self) -> None:
        try:
            self._entries = Entries(self._directory or default_directory(), self._key_file or default_key_file())
        except (EntriesUnusable, RuntimeError) as error:  # RuntimeError: there is no home directory
            self._troubles.append(f"compiled code is not kept: {error}")
        else:
            if self._entries.repaired:
                self._troubles.append(self._entries.repaired)
        self._is_open = True

    async def _in_thread(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run what blocks in a thread, and report here what troubled it."""
        try:
            return await asyncio.to_thread(function, *args, **kwargs)
        finally:
            while self._troubles:
                self._emit(CacheTrouble(what=self._troubles.pop(0)))

    @asynccontextmanager
    async def _alone(self, name: str) -> AsyncIterator[None]:
        """Be the only process that compiles this; the others wait for what it stores."""
        entries = self._entries
        while entries is not None and not entries.try_lock(name):
            await asyncio.sleep(_LOCK_POLL_S)
        try:
            yield
        finally:
            if entries is not None:
                entries.unlock(name)

    def _stored(self, job: _Job) -> Code | None:
        """What the cache holds; an entry that wasmtime refuses is removed."""
        if (entries := self._entries) is None:
            return None
        with entries.reading(job.name) as fd:
            if fd is None:
                return None
            try:
                return _deserialize(job, fd)
            except wasmtime.WasmtimeError as error:
                entries.remove(job.name)
                self._troubles.append(f"compiled code in {entries.directory} was of no use and is made again: {error}")
                return None

    async def _make(self, job: _Job) -> Code:
        wasm = await asyncio.to_thread(job.read)
        await asyncio.to_thread(inspect, wasm, plugin=job.plugin, expect=job.kind, caps=job.caps)
        with await compile_wasm(wasm, job.kind, plugin=job.plugin, limits=job.limits, on_progress=self._emit) as code:
            await self._in_thread(self._store, job.name, code)
            # Not in a thread: a cancelled load closes the descriptor, and its number could be another file's by then.
            return _deserialize(job, code.fileno())

    def _store(self, name: str, code: IO[bytes]) -> None:
        if (entries := self._entries) is None:
            return
        try:
            entries.prune(self._limit_bytes)
            entries.write(name, code)
        except OSError as error:
            self._troubles.append(f"compiled code could not be stored in {entries.directory}: {error.strerror}.")


@dataclass(frozen=True, slots=True)
class _Job:
    """One thing to load."""

    engine: wasmtime.Engine
    wasm: bytes | Source
    kind: EngineKind
    plugin: str
    caps: Caps
    limits: CompileLimits
    digest: str
    name: str

    def read(self) -> bytes:
        """The WebAssembly itself."""
        if isinstance(self.wasm, bytes):
            return self.wasm
        wasm = self.wasm.path.read_bytes()
        if hashlib.sha256(wasm).hexdigest() != self.digest:
            raise PluginRejected(self.plugin, "its code is not what it was announced to be (another SHA-256). Install it again.")
        return wasm


def entry_name(wasm_digest: str, kind: EngineKind) -> str:
    """The name of an entry: what was compiled, how, by what, and for which processor."""
    facts = "\n".join((_FORMAT, wasm_digest, kind, config_digest(kind), _processor()))
    return hashlib.sha256(facts.encode()).hexdigest()


@cache
def _processor() -> str:
    """Names the processor's features: code compiled for more of them would not run here."""
    features = ""
    if sys.platform == "linux":
        try:
            with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
                features = next((line for line in file if line.startswith(("flags", "Features"))), "")
        except OSError:
            features = "unknown"
    return f"{platform.machine()} {features or platform.processor()}"


def _deserialize(job: _Job, fd: int) -> Code:
    """Load from an open descriptor, mapped where the system has a path for it. What follows the code in the file is ignored."""
    made = Component if job.kind == "component" else wasmtime.Module
    for folder in ("/proc/self/fd", "/dev/fd"):
        if os.path.exists(path := f"{folder}/{fd}"):
            return made.deserialize_file(job.engine, path)
    return made.deserialize(job.engine, os.pread(fd, os.fstat(fd).st_size, 0))
