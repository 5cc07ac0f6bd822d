"""A database that is asked: at once on the event loop where that takes less than a millisecond, else in threads.

A query begins on the loop, with a budget. One that gives up is run again in a thread; so are the next ones, before the loop is tried again.
Texts that are no named queries of the operator's never run on the loop: what one instruction of theirs does, no budget bounds.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, thread_time
from typing import Final

from mockforge_plugin.engines.tables import queries
from mockforge_plugin.engines.tables.catalogue import Catalogue
from mockforge_plugin.engines.tables.connection import Guarded
from mockforge_plugin.engines.tables.queries import Prepared
from mockforge_plugin.engines.tables.statements import Asked, changes, compiled
from mockforge_plugin.failure import PluginError
from mockforge_plugin.tables import DataResult

BUDGET_S: Final = 0.001
"""How long a query may compute on the event loop."""
FIRST_DETOURS: Final = 100
MOST_DETOURS: Final = 10_000
"""So many times a query goes to a thread at once when it has given up: twice as often each time."""
_SMALL_VALUE_BYTES: Final = 1 << 13
_SHORT_PATTERN: Final = 64
"""The largest value, and pattern of LIKE, on the loop: what one instruction does with them is soon done."""
_LARGE_VALUE_BYTES: Final = 64 << 20
_BUSY_S: Final = 1.0
"""How long a thread waits while somebody else writes."""
_GRACE_S: Final = 0.25
_MAX_SLOW: Final = 1000
_MOST_PLANS: Final = 1000


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
        self._quick = Guarded(path, is_immutable=access.is_immutable, max_value_bytes=_SMALL_VALUE_BYTES, clock=thread_time)
        self._quick.connection.setlimit(sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, _SHORT_PATTERN)
        self._idle: list[Guarded] = []
        self._writer: Guarded | None = None
        self._pool = ThreadPoolExecutor(access.threads, thread_name_prefix="mockforge-tables")
        self._writing = ThreadPoolExecutor(1, thread_name_prefix="mockforge-tables-write")
        """Writes are done one after the other."""
        self._slow: OrderedDict[Hashable, _Detours] = OrderedDict()
        self._plans: dict[Hashable, Prepared] = {}
        self._running = 0
        self._is_closed = False
        self._when_closed: Callable[[], object] | None = None

    async def query(self, asked: Asked) -> DataResult:
        """The rows. Raises PluginError."""
        if asked.write:
            if not self._access.writes:
                raise PluginError(f"query {asked.name!r} writes, and this source only reads", code="bad_data")
            return await self._in_thread(self._writing, asked, self._write)
        if asked.name and not asked.count:
            slow = self._slow.get((asked.name, asked.order))
            if slow is None or slow.is_over():
                found = self._at_once(asked)
                if found is not None:
                    return found
                self._gave_up((asked.name, asked.order), slow)
        return await self._in_thread(self._pool, asked, self._read)

    def reread(self) -> None:
        """Read the schema anew. Raises sqlite3.Error."""
        old, self.catalogue, self._plans = self.catalogue, self._read_catalogue(), {}
        old.close()

    def data_version(self) -> int:
        """Changes whenever somebody else has written. Raises sqlite3.Error."""
        self._quick.until_s = float("inf")
        return int(self._quick.connection.execute("pragma data_version").fetchone()[0])

    def close(self, then: Callable[[], object] | None = None) -> None:
        """Close it when the queries that run have ended; then do what is asked."""
        self._is_closed, self._when_closed = True, then
        if not self._running:
            self._closed()

    def _closed(self) -> None:
        for connection in (self._quick, *self._idle, self._writer):
            if connection is not None:
                connection.close()
        self.catalogue.close()
        self._pool.shutdown(wait=False)
        self._writing.shutdown(wait=False)
        if self._when_closed is not None:
            self._when_closed()

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
        try:
            prepared = self._prepared(asked)
            guarded.until_s = thread_time() + BUDGET_S
            return queries.run(guarded, prepared, asked)
        except (sqlite3.OperationalError, sqlite3.DataError) as error:
            name = getattr(error, "sqlite_errorname", None) or ""
            if name.startswith(("SQLITE_INTERRUPT", "SQLITE_TOOBIG", "SQLITE_BUSY")) or queries.is_long_pattern(error):
                return None
            raise queries.failed(error, asked) from None
        except sqlite3.Error as error:
            raise queries.failed(error, asked) from None

    def _gave_up(self, key: Hashable, slow: _Detours | None) -> None:
        if slow is not None:
            slow.again()
            return
        self._slow[key] = _Detours()
        if len(self._slow) > _MAX_SLOW:
            self._slow.popitem(last=False)

    async def _in_thread(self, pool: ThreadPoolExecutor, asked: Asked, work: Callable[[Asked, _Job], DataResult]) -> DataResult:
        if self._running >= self._access.threads + self._access.waiting:
            raise PluginError("too many queries wait for a thread", code="unavailable", retryable=True, details={"busy": True})
        job = _Job(perf_counter() + asked.timeout_ms / 1000)
        running = asyncio.get_running_loop().run_in_executor(pool, work, asked, job)
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
        if self._is_closed and not self._running:
            self._closed()

    def _read(self, asked: Asked, job: _Job) -> DataResult:
        try:
            guarded = self._idle.pop()
        except IndexError:
            guarded = self._opened(asked)
        try:
            return self._worked(guarded, asked, job, lambda: queries.run(guarded, self._prepared(asked), asked))
        finally:
            self._idle.append(guarded)

    def _write(self, asked: Asked, job: _Job) -> DataResult:
        guarded = self._writer = self._writer or self._opened(asked)
        return self._worked(guarded, asked, job, lambda: queries.write(guarded, changes(asked, self.catalogue), asked))

    def _worked(self, guarded: Guarded, asked: Asked, job: _Job, work: Callable[[], DataResult]) -> DataResult:
        try:
            job.begin(guarded)
            return work()
        except sqlite3.Error as error:
            raise queries.failed(error, asked) from None

    def _prepared(self, asked: Asked) -> Prepared:
        """The plan of a query; those of named ones are kept, one for each order and for each choice of conditions."""
        if not asked.name:
            return Prepared(compiled(asked, self.catalogue), are_kinds_kept=self._access.is_immutable)
        query, shape = asked.query, None
        if type(query) is dict:
            shape = tuple((name, asked.params[name] is None) for name in query.get("where") or () if name in asked.params)
            query = query.get("from"), *(query.get("columns") or ())
        key = (query if type(query) in (str, tuple) else None, asked.order, shape)
        found = self._plans.get(key)
        if found is None:
            found = Prepared(compiled(asked, self.catalogue), are_kinds_kept=self._access.is_immutable)
            if len(self._plans) >= _MOST_PLANS:
                self._plans.clear()
            self._plans[key] = found
        return found

    def _opened(self, asked: Asked) -> Guarded:
        is_immutable = self._access.is_immutable
        try:
            return Guarded(self.path, writes=asked.write, is_immutable=is_immutable, max_value_bytes=_LARGE_VALUE_BYTES, busy_s=_BUSY_S)
        except sqlite3.Error as error:
            raise queries.failed(error, asked) from None


class _Detours:
    """How often a query still goes to a thread at once."""

    __slots__ = ("_left", "_next")

    def __init__(self) -> None:
        self._left, self._next = FIRST_DETOURS, 2 * FIRST_DETOURS

    def is_over(self) -> bool:
        """Whether the loop is tried again; counts."""
        self._left -= 1
        return self._left < 0

    def again(self) -> None:
        """It gave up once more."""
        self._left, self._next = self._next, min(2 * self._next, MOST_DETOURS)


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
