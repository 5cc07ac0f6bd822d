"""Worker threads for synchronous native code: bounded, and honest about those that were given up.

A thread cannot be ended from outside. One whose call timed out or was cancelled keeps its slot until it really returns,
so that the number of threads never grows beyond the bound.
"""

from __future__ import annotations

import asyncio
import contextvars
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from mockforge_asgi.errors import PluginUnavailable

T = TypeVar("T")


class _Job:
    __slots__ = ("context", "error", "function", "future", "loop", "result")

    def __init__(self, function: Callable[[], Any], loop: asyncio.AbstractEventLoop) -> None:
        self.function, self.loop = function, loop
        self.context = contextvars.copy_context()
        self.future: asyncio.Future[Any] = loop.create_future()
        self.result: Any = None
        self.error: BaseException | None = None


class WorkerThreads:
    """At most `most` daemon threads for one plugin, started when needed. Belongs to one event loop."""

    def __init__(self, owner: str, most: int = 8) -> None:
        self.owner, self.most = owner, most
        self.started = self.busy = self.abandoned = 0
        """Threads that exist, that run something, and that run something nobody waits for."""
        self._slots = asyncio.Semaphore(most)
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._closed = False

    async def run(self, function: Callable[[], T]) -> T:
        """The function's result, from a worker thread, with the caller's context variables. Raises PluginUnavailable."""
        if self.abandoned >= self.most:
            raise PluginUnavailable(self.owner, f"all its {self.most} worker threads are held by calls that were given up and never ended")
        await self._slots.acquire()
        if self._closed:
            self._slots.release()
            raise PluginUnavailable(self.owner, "it is stopping")
        job = _Job(function, asyncio.get_running_loop())
        if self.busy == self.started:
            self._start_thread()
        self.busy += 1
        self._jobs.put(job)
        try:
            return await job.future  # type: ignore[no-any-return]  # the job's function gives T
        except asyncio.CancelledError:
            if job.future.cancelled():  # else it had ended just before, and its slot is free already
                self.abandoned += 1
            raise

    def _start_thread(self) -> None:
        try:
            threading.Thread(target=self._work, name=f"mockforge-{self.owner}-{self.started + 1}", daemon=True).start()
        except RuntimeError as error:  # the system gives no more threads
            self._slots.release()
            raise PluginUnavailable(self.owner, f"no worker thread can be started: {error}") from error
        self.started += 1

    def close(self) -> None:
        """Let idle threads end now, and busy ones when they are done."""
        self._closed = True
        for _ in range(self.started):
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                job.result = job.context.run(job.function)
            except BaseException as error:  # foreign code; whatever it is goes to the caller
                job.error = error
            try:
                job.loop.call_soon_threadsafe(self._finished, job)
            except RuntimeError:
                pass  # the loop is closed: nobody waits any more
            del job

    def _finished(self, job: _Job) -> None:
        self.busy -= 1
        self._slots.release()
        if job.future.cancelled():
            self.abandoned -= 1
        elif job.error is None:
            job.future.set_result(job.result)
        else:
            job.future.set_exception(_carried(job.error))
        # The worker thread may hold the job a moment longer; what it held of the plugin ends here.
        job.error = job.result = None
        del job.function, job.context


def _carried(error: BaseException) -> BaseException:
    """What a future can hold: StopIteration and the like would be taken for the future's own."""
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    wrapped = RuntimeError(f"{type(error).__name__}: {error}")
    wrapped.__cause__ = error
    return wrapped
