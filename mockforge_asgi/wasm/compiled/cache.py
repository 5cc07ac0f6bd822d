"""The compiled-code cache: WebAssembly in, a module or component ready to run out, compiled at most once per machine.

Looks the code up by what it is and what it was compiled for; compiles it in a subprocess when it is not there; loads it
from the very descriptor that was verified. Trouble with the cache costs time, never an answer: it is reported as
`CacheTrouble` and the code is compiled again. Storage is `entries.py`, compiling is `compile.py`.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, Generic, ParamSpec, Self, TypeVar
from weakref import WeakValueDictionary

import platformdirs
import wasmtime
from wasmtime.component import Component

from mockforge_asgi.errors import PluginRejected, UnsupportedPlatform
from mockforge_asgi.events import CacheTrouble, Event
from mockforge_asgi.text import clip
from mockforge_asgi.wasm.compiled.compile import CompileLimits, compile_wasm
from mockforge_asgi.wasm.compiled.entries import Entries, EntriesUnusable
from mockforge_asgi.wasm.engine import EngineKind, config_digest
from mockforge_asgi.wasm.inspect.limits import Caps, inspect

_FORMAT: Final = "3"
"""To be raised when entries are written otherwise, or what is compiled is checked otherwise before."""
_LOCK_POLL_S: Final = 0.05
MIB: Final = 1 << 20
P = ParamSpec("P")
T = TypeVar("T")
C = TypeVar("C", wasmtime.Module, Component)
"""Compiled code, ready for one engine."""


def default_directory() -> Path:
    """Where compiled code is kept: `mockforge/compiled` in the user's cache directory."""
    return platformdirs.user_cache_path("mockforge", appauthor=False) / "compiled"


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
        limit_bytes: int = 1024 * MIB,
        patience_s: float = 180.0,
        emit: Callable[[Event], None] = lambda event: None,
    ) -> None:
        self._directory = directory
        self._limit_bytes, self._patience_s, self._emit = limit_bytes, patience_s, emit
        self._entries: Entries | None = None
        self._opening, self._unusable = asyncio.Lock(), ""
        self._making: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._troubles: list[str] = []

    async def load(
        self,
        engine: wasmtime.Engine,
        wasm: bytes | Source,
        code: type[C],
        *,
        plugin: str,
        caps: Caps = Caps(),
        limits: CompileLimits = CompileLimits(),
    ) -> C:
        """The code, ready for that engine, which must be configured by `engine.config` for its kind.

        Not in the cache: checked against `caps`, compiled within `limits` (with `Compiling` events) and stored.
        Raises: PluginRejected, UnsupportedPlatform.
        """
        async with self._opening:
            if self._entries is None:
                await self._in_thread(self._open)
        job = await asyncio.to_thread(_Job.of, engine, wasm, code, plugin, caps, limits)
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
        self._entries = None

    def _open(self) -> None:
        try:
            self._entries = Entries(self._directory or default_directory())
        except (EntriesUnusable, RuntimeError) as error:  # RuntimeError: there is no home directory
            if str(error) != self._unusable:
                self._unusable = str(error)
                self._troubles.append(f"compiled code is not kept: {error}")
        else:
            if self._entries.repaired:
                self._troubles.append(self._entries.repaired)

    async def _in_thread(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run what blocks in a thread, and report here what troubled it."""
        try:
            return await asyncio.to_thread(function, *args, **kwargs)
        finally:
            while self._troubles:
                self._emit(CacheTrouble(what=self._troubles.pop(0)))

    @asynccontextmanager
    async def _alone(self, name: str) -> AsyncIterator[None]:
        """Be the only process that compiles this; the others wait for what it stores, though not for ever: it may stand still."""
        entries, deadline = self._entries, time.monotonic() + self._patience_s
        is_alone = entries is None or entries.try_lock(name)
        while not is_alone and entries is not None and time.monotonic() < deadline:
            await asyncio.sleep(_LOCK_POLL_S)
            is_alone = entries.try_lock(name)
        if not is_alone:
            self._emit(CacheTrouble(what="another process has been compiling the same code for too long; it is compiled here as well."))
        try:
            yield
        finally:
            if is_alone and entries is not None:
                entries.unlock(name)

    def _stored(self, job: _Job[C]) -> C | None:
        """What the cache holds, if it can be read and wasmtime takes it."""
        if (entries := self._entries) is None:
            return None
        try:
            with entries.reading(job.name) as fd:
                return None if fd is None else _deserialize(job, fd)
        except wasmtime.WasmtimeError as error:
            self._troubles.append(f"compiled code in {entries.directory} was of no use and is made again: {error}")
        except OSError as error:
            self._troubles.append(f"compiled code in {entries.directory} could not be read and is made again: {error.strerror}.")
        return None

    async def _make(self, job: _Job[C]) -> C:
        wasm = await asyncio.to_thread(job.read)
        await asyncio.to_thread(inspect, wasm, plugin=job.plugin, expect=job.kind, caps=job.caps)
        code = await compile_wasm(wasm, job.kind, plugin=job.plugin, limits=job.limits, on_progress=self._emit)
        # Shielded: a load that is given up now must not close the file beneath the thread that reads it.
        return await asyncio.shield(asyncio.ensure_future(self._in_thread(self._keep, job, code)))

    def _keep(self, job: _Job[C], code: IO[bytes]) -> C:
        with code:
            try:
                made = _deserialize(job, code.fileno())
            except wasmtime.WasmtimeError as error:
                raise UnsupportedPlatform(
                    f"plugin '{job.plugin}' not loaded: what was compiled for it does not fit this process ({clip(str(error), 200)}). "
                    "Was the installation changed while it ran? Start it again."
                ) from error
            self._store(job.name, code)
            return made

    def _store(self, name: str, code: IO[bytes]) -> None:
        if (entries := self._entries) is None:
            return
        try:
            entries.prune(self._limit_bytes)
            entries.write(name, code)
        except OSError as error:
            self._troubles.append(f"compiled code could not be stored in {entries.directory}: {error.strerror}.")


@dataclass(frozen=True, slots=True)
class _Job(Generic[C]):
    """One thing to load."""

    engine: wasmtime.Engine
    wasm: bytes | Source
    code: type[C]
    kind: EngineKind
    plugin: str
    caps: Caps
    limits: CompileLimits
    digest: str
    name: str

    @classmethod
    def of(cls, engine: wasmtime.Engine, wasm: bytes | Source, code: type[C], plugin: str, caps: Caps, limits: CompileLimits) -> Self:
        """Blocks for as long as it takes to hash the code."""
        digest = wasm.digest if isinstance(wasm, Source) else hashlib.sha256(wasm).hexdigest()
        kind: EngineKind = "component" if code is Component else "core"
        return cls(engine, wasm, code, kind, plugin, caps, limits, digest, entry_name(digest, kind, caps))

    def read(self) -> bytes:
        """The WebAssembly itself."""
        if isinstance(self.wasm, bytes):
            return self.wasm
        wasm = self.wasm.path.read_bytes()
        if hashlib.sha256(wasm).hexdigest() != self.digest:
            raise PluginRejected(self.plugin, "its code is not what it was announced to be (another SHA-256). Install it again.")
        return wasm


def entry_name(wasm_digest: str, kind: EngineKind, caps: Caps = Caps()) -> str:
    """The name of an entry: what was compiled, within which caps, how, and by what. Blocks."""
    facts = "\n".join((_FORMAT, wasm_digest, kind, repr(caps), config_digest(kind)))
    return hashlib.sha256(facts.encode()).hexdigest()


def _deserialize(job: _Job[C], fd: int) -> C:
    """Load from an open descriptor, mapped where the system has a path for it. What follows the code in the file is ignored."""
    for folder in ("/proc/self/fd", "/dev/fd"):
        if os.path.exists(path := f"{folder}/{fd}"):
            try:
                return job.code.deserialize_file(job.engine, path)
            except wasmtime.WasmtimeError:
                break  # on a disk mounted `noexec` a file may not run, but a copy of it may
    return job.code.deserialize(job.engine, os.pread(fd, os.fstat(fd).st_size, 0))
