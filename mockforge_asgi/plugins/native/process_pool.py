"""Worker processes for native code that must be killable: a call over its time ends with its process, and only with that.

Each worker runs one call at a time. Host calls are answered here: a worker asks through its pipe, under the same rights. A worker that
is started outlives the call that wanted it first: where starting takes longer than a call may, a later call finds it ready.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Final

from mockforge_asgi.contract import Json
from mockforge_asgi.errors import PluginUnavailable
from mockforge_asgi.plugins.native.code import FileCode
from mockforge_asgi.plugins.native.context import PluginContext
from mockforge_asgi.plugins.native.worker_process import WorkerProcess

START_S: Final = 30.0
"""How long a worker may take to start, load the code and run `init`."""


class InWorkers:
    """A `Runner` over at most `most` processes, made when needed. `memory_mb` bounds the data of each, on Linux; 0: no bound.

    `nice` is how much they yield to others.
    """

    def __init__(self, code: FileCode, output_bytes: int, *, most: int = 2, memory_mb: int = 0, nice: int = 0) -> None:
        self.plugin, self.most, self._code = code.plugin, most, code
        self._output_bytes, self._memory_mb, self._nice = output_bytes, memory_mb, nice
        self._slots = asyncio.Semaphore(most)
        self._idle: list[WorkerProcess] = []
        self._all: set[WorkerProcess] = set()
        self._starting = asyncio.Lock()
        """Workers are started one after the other: calls that crash theirs keep one core busy at most."""
        self._starts: set[asyncio.Task[WorkerProcess]] = set()
        self._unclaimed: list[asyncio.Task[WorkerProcess]] = []
        """Starts that nobody waits for: the next call that needs a worker takes one of them."""
        self._start_error: BaseException | None = None
        self._watching: set[asyncio.Task[None]] = set()
        self._dying: set[asyncio.Task[None]] = set()
        self._init: tuple[bytes, PluginContext] | None = None
        self._started: WorkerProcess | None = None
        """The worker that ran `start`, and is to run `stop`."""
        self._is_closed = False

    @property
    def pids(self) -> frozenset[int]:
        """The processes that run now."""
        return frozenset(worker.process.pid for worker in self._all)

    async def load(self) -> Json:
        """See Runner."""
        worker = await self._spawned()
        self._idle.append(worker)
        return worker.description

    async def init(self, document: bytes, context: PluginContext) -> None:
        """See Runner: the workers there are now, and each later one before its first call."""
        self._init = document, context
        for worker in tuple(self._idle):
            await self._initialise(worker)

    async def call(self, op: str, document: bytes, context: PluginContext) -> Json:
        """See Runner."""
        if op == "plugin.destroy":
            return await self._destroy(document, context)
        context.is_queued = True
        async with self._slots:
            worker = await self._taken(op)
            context.is_queued = False
            try:
                answer = await worker.ask(op, document, context)
            finally:
                if worker.is_sound:
                    self._idle.append(worker)
                else:
                    self._kill(worker)
                    self._replace()
        return answer

    async def close(self) -> None:
        """See Runner."""
        self._is_closed = True
        for start in self._starts:
            start.cancel()
        await asyncio.gather(*self._starts, return_exceptions=True)
        for worker in tuple(self._all):
            self._kill(worker)
        while ends := self._dying | self._watching:
            await asyncio.wait(ends)  # gather does not let the loop run where all are done, and so none would leave the set
        self._code.close()

    async def _destroy(self, document: bytes, context: PluginContext) -> None:
        """Every process holds an instance of its own, and each may end in its own way. Raises the first failure."""
        workers, self._idle = self._idle, []
        told = await asyncio.gather(*(worker.ask("plugin.destroy", document, context) for worker in workers), return_exceptions=True)
        for worker in workers:
            self._kill(worker)
        for error in told:
            if isinstance(error, BaseException):
                raise error

    async def _taken(self, op: str) -> WorkerProcess:
        """A sound worker for one call: the caller holds a slot and gives it back. Raises PluginFailed, PluginUnavailable."""
        if op == "plugin.stop" and self._started in self._idle:
            self._idle.remove(self._started)
            self._idle.append(self._started)
        while self._idle:
            worker = self._idle.pop()
            if worker.is_sound:
                break
            self._kill(worker)  # it ended by itself, between two calls
        else:
            worker = await self._new_worker()
        if op == "plugin.start":
            self._started = worker
        return worker

    async def _new_worker(self) -> WorkerProcess:
        if self._start_error is not None:
            error, self._start_error = self._start_error, None
            raise error
        start = self._unclaimed.pop() if self._unclaimed else self._begin_start()
        try:
            return await asyncio.shield(start)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if start.cancelled() and task is not None and not task.cancelling():
                raise PluginUnavailable(self.plugin, "it is stopping") from None
            self._leave(start, tells=True)
            raise

    def _replace(self) -> None:
        """Begin to start a worker where none is left, so that the next call waits less."""
        if not (self._is_closed or self._idle or self._unclaimed):
            self._leave(self._begin_start(), tells=False)

    def _leave(self, start: asyncio.Task[WorkerProcess], *, tells: bool) -> None:
        """Leave a start to the next call; `tells`: its failure, too."""
        self._unclaimed.append(start)
        start.add_done_callback(partial(self._ended_unclaimed, tells=tells))

    def _begin_start(self) -> asyncio.Task[WorkerProcess]:
        if self._is_closed:
            raise PluginUnavailable(self.plugin, "it is stopping")
        start = asyncio.get_running_loop().create_task(self._ready(), name=f"mockforge-worker-{self.plugin}")
        self._starts.add(start)
        start.add_done_callback(self._starts.discard)
        return start

    def _ended_unclaimed(self, start: asyncio.Task[WorkerProcess], *, tells: bool) -> None:
        """A start that nobody waits for has ended: the next call gets the worker, or its failure, if a call had wanted it."""
        if start not in self._unclaimed:
            return
        self._unclaimed.remove(start)
        if start.cancelled():
            return
        if (error := start.exception()) is None:
            self._idle.append(start.result())
        elif tells:
            self._start_error = error

    async def _ready(self) -> WorkerProcess:
        try:
            async with self._starting, asyncio.timeout(START_S):
                worker = await self._spawned()
                if self._init is not None:
                    await self._initialise(worker)
                return worker
        except TimeoutError:
            raise PluginUnavailable(self.plugin, f"its worker process was not ready within {START_S:g} s") from None

    async def _initialise(self, worker: WorkerProcess) -> None:
        assert self._init is not None
        document, context = self._init[0], self._init[1].anew()
        try:
            await worker.ask("plugin.init", document, context)
        except BaseException:
            self._kill(worker)
            raise
        finally:
            context.end()

    async def _spawned(self) -> WorkerProcess:
        worker = await WorkerProcess.spawn(self.plugin, self._output_bytes, self._memory_mb, self._nice)
        self._all.add(worker)
        watching = asyncio.get_running_loop().create_task(self._watch(worker), name=f"mockforge-watch-{worker.process.pid}")
        self._watching.add(watching)
        watching.add_done_callback(self._watching.discard)
        try:
            await worker.load(self._code)
        except BaseException:
            self._kill(worker)
            raise
        return worker

    async def _watch(self, worker: WorkerProcess) -> None:
        """Kill what a worker that ends by itself has started, and forget it."""
        await worker.process.wait()
        self._kill(worker)

    def _kill(self, worker: WorkerProcess) -> None:
        worker.kill()
        if worker in self._idle:
            self._idle.remove(worker)
        if worker in self._all:
            self._all.remove(worker)
            task = asyncio.get_running_loop().create_task(worker.wait_closed(), name=f"mockforge-kill-{worker.process.pid}")
            self._dying.add(task)
            task.add_done_callback(self._dying.discard)
