"""A bounded number of threads with a bounded queue: slow logins hold neither the event loop nor each other up for ever."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from typing import Final, Generic, Protocol, TypeVar

from .failures import Busy, Unreachable

IDLE_S: Final = 60.0
"""A thread without work for so long closes its connections: whatever stands between may have forgotten them."""
_GRACE_S: Final = 0.25
"""How much longer than its deadline a login is waited for: a thread says better what took so long."""


class Closable(Protocol):
    """What each thread has of its own."""

    def close(self) -> None:
        """Let go of what is held; it may be used again."""


Mine = TypeVar("Mine", bound=Closable)
T = TypeVar("T")


class _Job(Generic[Mine]):
    __slots__ = ("deadline_s", "function", "future", "loop")

    def __init__(self, function: Callable[[Mine], object], deadline_s: float) -> None:
        self.function, self.deadline_s = function, deadline_s
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[object] = self.loop.create_future()


class Workers(Generic[Mine]):
    """At most `most` daemon threads, started when needed; `make` gives each its own object. Belongs to one event loop."""

    def __init__(self, make: Callable[[], Mine], *, most: int, queued: int) -> None:
        self._make, self._most = make, most
        self._jobs: queue.Queue[_Job[Mine] | None] = queue.Queue(queued + most)
        self._queued = queued
        self._closed = threading.Event()
        self.started = self.waiting = self.busy = 0
        """Threads there are; jobs that no thread has taken; and those that one works at."""

    async def run(self, function: Callable[[Mine], T], deadline_s: float) -> T:
        """The function's result. Raises Busy, Unreachable, and what it raises."""
        if self._closed.is_set() or self.waiting >= self._queued + (self._most - self.busy):
            raise Busy(f"{self.waiting} logins wait already, and {self.busy} are being checked")
        job: _Job[Mine] = _Job(function, deadline_s)
        if self.busy + self.waiting >= self.started and self.started < self._most:
            self.started += 1
            threading.Thread(target=self._work, name=f"auth-ldap-{self.started}", daemon=True).start()
        self.waiting += 1
        self._jobs.put_nowait(job)
        try:
            async with asyncio.timeout(max(0.0, deadline_s - time.monotonic()) + _GRACE_S):
                return await job.future  # type: ignore[return-value]  # the job's function gives T
        except TimeoutError:
            raise Unreachable("a login did not end in time: looking up a server's name may take for ever") from None

    def close(self) -> None:
        """Let idle threads end now, and busy ones when they are done."""
        self._closed.set()
        for _ in range(self.started):
            try:
                self._jobs.put_nowait(None)
            except queue.Full:
                break  # they look at `_closed` between jobs

    def _work(self) -> None:
        mine = self._make()
        try:
            while not self._closed.is_set():
                try:
                    job = self._jobs.get(timeout=IDLE_S)
                except queue.Empty:
                    mine.close()
                    continue
                if job is None:
                    return
                _tell(job, self._taken, None)
                result, error = _outcome(job, mine)
                _tell(job, self._done, (job, result, error))
                del job, result, error
        finally:
            mine.close()

    def _taken(self, _: object) -> None:
        self.waiting -= 1
        self.busy += 1

    def _done(self, outcome: tuple[_Job[Mine], object, Exception | None]) -> None:
        self.busy -= 1
        job, result, error = outcome
        if job.future.done():
            return
        if error is None:
            job.future.set_result(result)
        else:
            job.future.set_exception(error)


def _outcome(job: _Job[Mine], mine: Mine) -> tuple[object, Exception | None]:
    """What came of it; what nobody waits for is not begun."""
    if job.future.cancelled():
        return None, None
    if time.monotonic() >= job.deadline_s:
        return None, Busy("a login waited for a thread until its time was over")
    try:
        return job.function(mine), None
    except Exception as error:  # goes to whoever waits
        return None, error


def _tell(job: _Job[Mine], function: Callable[..., None], value: object) -> None:
    try:
        job.loop.call_soon_threadsafe(function, value)
    except RuntimeError:
        pass  # the loop is closed: nobody waits any more
