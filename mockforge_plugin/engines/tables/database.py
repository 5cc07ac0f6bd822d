"""A database that is asked: at once on the event loop where that takes less than a millisecond, else in threads.

A query begins on the loop, with a budget. One that gives up is run again in a thread, and goes there at once from then on. Texts that are
no named queries of the operator's never run on the loop: what one instruction of theirs does, no budget bounds.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Final

from mockforge_plugin.engines.tables import queries
from mockforge_plugin.engines.tables.catalogue import Catalogue
from mockforge_plugin.engines.tables.connection import Guarded
from mockforge_plugin.engines.tables.statements import Asked
from mockforge_plugin.failure import PluginError
from mockforge_plugin.tables import DataResult

BUDGET_S: Final = 0.001
"""How long a query may run on the event loop."""
_SMALL_VALUE_BYTES: Final = 1 << 16
"""The largest value on the loop: what one instruction does with it is soon done."""
_LARGE_VALUE_BYTES: Final = 64 << 20
_GRACE_S: Final = 0.25
_MAX_SLOW: Final = 1000


@dataclass(frozen=True, slots=True)
class Access:
    """How a database is opened, and asked."""

    is_immutable: bool = False
    writes: bool = False
    threads: int = 4
    waiting: int = 64
    """How many queries may wait for a thread."""


class Database:
    """One SQLite file, opened. Belongs to one event loop."""

    def __init__(self, path: Path, access: Access) -> None:
        """Raises sqlite3.Error."""
        self.path, self._access = path, access
        self.catalogue = self._read_catalogue()
        self._quick = Guarded(path, is_immutable=access.is_immutable, max_value_bytes=_SMALL_VALUE_BYTES)
        self._idle: list[Guarded] = []
        self._writer: Guarded | None = None
        self._writing = asyncio.Lock()
        self._pool = ThreadPoolExecutor(access.threads, thread_name_prefix="mockforge-tables")
        self._slow: OrderedDict[Hashable, None] = OrderedDict()
        self._running = 0
        self._is_closed = False

    async def query(self, asked: Asked) -> DataResult:
        """The rows. Raises PluginError."""
        if asked.write:
            async with self._writing:
                return await self._in_thread(asked, self._write)
        if asked.name and not asked.count:
            key = (asked.name, asked.order)
            if key not in self._slow:
                found = self._at_once(asked)
                if found is not None:
                    return found
                self._slow[key] = None
                if len(self._slow) > _MAX_SLOW:
                    self._slow.popitem(last=False)
        return await self._in_thread(asked, self._read)

    def refresh(self) -> None:
        """Read the schema anew. Raises sqlite3.Error."""
        old, self.catalogue = self.catalogue, self._read_catalogue()
        old.close()

    def close(self) -> None:
        """Close what is idle now, and the rest when it is done."""
        self._is_closed = True
        self._quick.close()
        if self._writer is not None and not self._writing.locked():
            self._writer.close()
        while self._idle:
            self._idle.pop().close()
        self.catalogue.close()
        self._pool.shutdown(wait=False)

    def _read_catalogue(self) -> Catalogue:
        opened = Guarded(self.path, is_immutable=self._access.is_immutable)
        opened.connection.set_authorizer(None)
        try:
            return Catalogue(opened.connection)
        finally:
            opened.close()

    def _at_once(self, asked: Asked) -> DataResult | None:
        """The rows, if they are there within the budget."""
        guarded = self._quick
        guarded.until_s = perf_counter() + BUDGET_S
        try:
            return queries.run(guarded, self.catalogue, asked)
        except (sqlite3.OperationalError, sqlite3.DataError) as error:
            if (getattr(error, "sqlite_errorname", None) or "").startswith(("SQLITE_INTERRUPT", "SQLITE_TOOBIG", "SQLITE_BUSY")):
                return None
            raise queries.failed(error, asked) from None
        except sqlite3.Error as error:
            raise queries.failed(error, asked) from None

    async def _in_thread(self, asked: Asked, work: Callable[[Asked, _Job], DataResult]) -> DataResult:
        if self._running >= self._access.threads + self._access.waiting:
            raise PluginError("too many queries wait for a thread", code="unavailable", retryable=True, details={"busy": True})
        job = _Job(perf_counter() + asked.timeout_ms / 1000)
        running = asyncio.get_running_loop().run_in_executor(self._pool, work, asked, job)
        self._running += 1
        running.add_done_callback(self._ended)
        try:
            done, _ = await asyncio.wait((running,), timeout=asked.timeout_ms / 1000 + _GRACE_S)
        except asyncio.CancelledError:
            job.end()
            raise
        if not done:
            job.end()
            raise PluginError(f"query {asked.name!r} took longer than {asked.timeout_ms} ms", code="timeout")
        return running.result()

    def _ended(self, running: asyncio.Future[DataResult]) -> None:
        self._running -= 1
        if not running.cancelled():
            running.exception()  # of one that was left to itself nobody else asks

    def _read(self, asked: Asked, job: _Job) -> DataResult:
        try:
            guarded = self._idle.pop()
        except IndexError:
            guarded = self._opened(writes=False)
        try:
            job.begin(guarded)
            return queries.run(guarded, self.catalogue, asked)
        except sqlite3.Error as error:
            raise queries.failed(error, asked) from None
        finally:
            self._idle.append(guarded)
            if self._is_closed:
                with suppress(ValueError):
                    self._idle.remove(guarded)
                    guarded.close()

    def _write(self, asked: Asked, job: _Job) -> DataResult:
        guarded = self._writer = self._writer or self._opened(writes=True)
        try:
            job.begin(guarded)
            return queries.write(guarded, asked)
        except sqlite3.Error as error:
            raise queries.failed(error, asked) from None
        finally:
            if self._is_closed:
                guarded.close()

    def _opened(self, *, writes: bool) -> Guarded:
        try:
            return Guarded(self.path, writes=writes, is_immutable=self._access.is_immutable, max_value_bytes=_LARGE_VALUE_BYTES, busy_s=1.0)
        except sqlite3.Error as error:
            raise PluginError(f"the database cannot be opened: {error}", code="unavailable", retryable=True) from None


class _Job:
    """What a thread does for one query; `end` ends it, whether it has begun or not."""

    __slots__ = ("_guarded", "_until_s")

    def __init__(self, until_s: float) -> None:
        self._until_s = until_s
        self._guarded: Guarded | None = None

    def begin(self, guarded: Guarded) -> None:
        """The connection that it runs on. Raises PluginError where nobody waits any more."""
        guarded.until_s = self._until_s
        self._guarded = guarded
        if perf_counter() > self._until_s:
            raise PluginError("the query waited for a thread until its time was over", code="unavailable", details={"busy": True})

    def end(self) -> None:
        """Nobody waits for it any more."""
        self._until_s = 0.0
        if self._guarded is not None:
            self._guarded.until_s = 0.0
