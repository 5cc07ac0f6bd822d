"""State in an SQLite file: shared by all workers of one machine.

One thread per process owns the connection that writes, so the event loop never waits for a lock or for the disk to keep something. It
takes whatever callers have queued meanwhile and commits it as one transaction. What is inside a transaction is `state/sqlite_session.py`;
short values are looked up without the thread (`state/sqlite_reader.py`).
"""

from __future__ import annotations

import asyncio
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

from mockforge_asgi.errors import StateError
from mockforge_asgi.exact_json import Json
from mockforge_asgi.locks import ProcessLock
from mockforge_asgi.state.operations import Operation
from mockforge_asgi.state.sqlite_reader import SqliteReader
from mockforge_asgi.state.sqlite_session import SqliteSession
from mockforge_asgi.state.store import Quota

_BATCH = 256
_BUSY_MS = 5000
_RETRY_S = 0.01
_INHERITED: list[object] = []
"""What a forked child has of its parent's threads. It is kept, since to close it there could harm the parent's file."""

Work: TypeAlias = Callable[[SqliteSession], Json]


@dataclass(slots=True)
class _Job:
    work: Work
    writes: bool
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Json]
    answer: Json = None
    error: Exception | None = None


class SqliteStore:
    """Cells in one SQLite file (WAL). After a fork the child opens the file anew on first use."""

    shared_between_workers = True

    def __init__(self, path: str | Path, *, clock: Callable[[], float] = time.time) -> None:
        self.path, self.url = Path(path), f"sqlite:///{path}"
        self._clock = clock
        self._thread: _Thread | None = None
        self._lock = ProcessLock(forked=self._leave)

    def is_split(self, space: str) -> bool:
        """See StateStore; never, it is one file."""
        return False

    async def open(self) -> None:
        """See StateStore: opens the file now, so that a fault is told at start."""
        await self._do(_nothing, writes=False)

    async def apply(self, space: str, quota: Quota, operation: Operation) -> Json:
        """See StateStore."""
        return await self._do(lambda session: session.apply(space, quota, operation), writes=operation.writes)

    def apply_now(self, space: str, quota: Quota, operation: Operation) -> Json:
        """See StateStore; for what writes the thread must be waited for."""
        if operation.writes:
            return NotImplemented
        with self._lock.here():
            return NotImplemented if self._thread is None else self._thread.read_now(space, operation)

    async def keys(self, space: str, prefix: str, limit: int) -> list[str]:
        """See StateStore."""
        found: list[str] = await self._do(lambda session: session.keys(space, prefix, limit), writes=False)
        return found

    async def clear(self, space: str) -> int:
        """See StateStore."""
        return int(await self._do(lambda session: session.clear(space), writes=True))

    async def close(self) -> None:
        """See StateStore: finishes what is queued first."""
        with self._lock.here():
            thread, self._thread = self._thread, None
        if thread is not None:
            await thread.stop(asyncio.get_running_loop())

    def _leave(self) -> None:
        if self._thread is not None:
            _INHERITED.append(self._thread)
        self._thread = None

    async def _do(self, work: Work, *, writes: bool) -> Json:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Json] = loop.create_future()
        with self._lock.here():  # another loop may be closing it
            self._thread = self._thread or _Thread(self.path, self._clock)
            self._thread.jobs.put(_Job(work, writes, loop, future))
        return await future


class _Thread:
    """The thread that owns the connection."""

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        self.jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._path, self._clock = path, clock
        self._session: SqliteSession | None = None
        self._generation = 0
        self._reader = SqliteReader(path)
        self._stopped: tuple[asyncio.AbstractEventLoop, asyncio.Future[Json]] | None = None
        threading.Thread(target=self._run, name="mockforge-state", daemon=True).start()

    def read_now(self, space: str, operation: Operation) -> Json:
        """The answer of an operation that writes nothing, or `NotImplemented`; called by one at a time, on any thread."""
        if self._session is None:  # the file may not be there, or be no database
            return NotImplemented
        return self._reader.read(self._generation, space, operation, self._clock())

    async def stop(self, loop: asyncio.AbstractEventLoop) -> None:
        """Finish what is queued, close the file, end the thread."""
        self._reader.close()
        future: asyncio.Future[Json] = loop.create_future()
        self._stopped = (loop, future)
        self.jobs.put(None)
        await future

    def _run(self) -> None:
        ended = False
        while not ended:
            batch, ended = self._take()
            if batch:
                self._answer(batch)
                _deliver(batch)
                del batch
        if self._session is not None:
            self._session.connection.close()
        if self._stopped is not None:
            loop, future = self._stopped
            _call(loop, partial(_resolve, [_Job(_nothing, False, loop, future)]))

    def _take(self) -> tuple[list[_Job], bool]:
        batch: list[_Job] = []
        job = self.jobs.get()
        while job is not None:
            batch.append(job)
            if len(batch) == _BATCH:
                return batch, False
            try:
                job = self.jobs.get_nowait()
            except queue.Empty:
                return batch, False
        return batch, True

    def _answer(self, batch: list[_Job]) -> None:
        try:
            session = self._begin(any(job.writes for job in batch))
        except (sqlite3.Error, OSError) as error:  # as true for each of them: who waited for a lock need not wait again
            self._refuse(batch, error)
            return
        try:
            self._transaction(session, batch)
        except Exception as error:  # whatever it is: without this thread all callers would wait for ever
            if len(batch) > 1:  # for the one that is to blame the others need not fail: each gets a transaction of its own
                for job in batch:
                    self._answer([job])
            else:
                self._refuse(batch, error)

    def _refuse(self, batch: list[_Job], error: Exception) -> None:
        """Tell all of them, and let the next one open the file anew: it may have been mended or replaced meanwhile."""
        session, self._session = self._session, None
        if session is not None:
            session.connection.close()
        for job in batch:
            job.error = StateError(f"the state file '{self._path}' cannot be used: {error}")

    def _begin(self, writes: bool) -> SqliteSession:
        session = self._session or self._connect()
        session.connection.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
        return session

    def _transaction(self, session: SqliteSession, batch: list[_Job]) -> None:
        connection = session.connection
        try:
            session.now = self._clock()
            for job in batch:
                job.answer, job.error = None, None
                try:
                    job.answer = job.work(session)
                except (StateError, ValueError) as error:
                    job.error = error
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _connect(self) -> SqliteSession:
        if not self._path.parent.is_dir():
            raise FileNotFoundError(f"the folder '{self._path.parent}' does not exist; create it")
        if not self._path.exists():
            os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
        deadline = time.monotonic() + _BUSY_MS / 1000
        while True:
            connection = sqlite3.connect(self._path, isolation_level=None, timeout=_BUSY_MS / 1000, cached_statements=64)
            try:
                session = SqliteSession(connection)
                self._generation += 1
                self._session = session
                return session
            except BaseException as error:
                connection.close()
                if not _is_busy(error) or time.monotonic() > deadline:
                    raise
            time.sleep(_RETRY_S)  # two that begin a journal at once: SQLite refuses one of them without waiting


def _is_busy(error: BaseException) -> bool:
    return isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY


def _nothing(session: SqliteSession) -> Json:
    return None


def _deliver(batch: list[_Job]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[_Job]] = {}
    for job in batch:
        by_loop.setdefault(job.loop, []).append(job)
    for loop, jobs in by_loop.items():
        _call(loop, partial(_resolve, jobs))


def _resolve(jobs: list[_Job]) -> None:
    for job in jobs:
        if job.future.done():
            continue
        if job.error is not None:
            job.future.set_exception(job.error)
        else:
            job.future.set_result(job.answer)


def _call(loop: asyncio.AbstractEventLoop, function: Callable[[], object]) -> None:
    try:
        loop.call_soon_threadsafe(function)
    except RuntimeError:
        pass  # that loop has been closed meanwhile: nobody waits any more
