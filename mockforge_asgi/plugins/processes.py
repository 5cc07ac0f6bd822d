"""Worker processes for native code that must be killable: a call over its time ends with its process, and only with that.

Each worker runs one call at a time (`plugins/worker.py` is its side of the pipe). Doors stay here: a worker asks through
the pipe, under the same rights.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from typing import Any

import orjson

from mockforge_asgi.contract import Document, Json
from mockforge_asgi.errors import LimitExceeded, PluginFailed, PluginUnavailable
from mockforge_asgi.plugins.context import PluginContext
from mockforge_asgi.plugins.in_process import failure
from mockforge_asgi.plugins.native_code import FileCode
from mockforge_plugin.failure import HostError

MAX_LINE = 32 * 1024 * 1024
_ENVELOPE = 64


class InWorkers:
    """A `Runner` over at most `most` processes, made when needed."""

    def __init__(self, code: FileCode, output_bytes: int, *, most: int = 2) -> None:
        self.plugin, self.most, self._code, self._output_bytes = code.plugin, most, code, output_bytes
        self._slots = asyncio.Semaphore(most)
        self._idle: list[_Worker] = []
        self._all: set[_Worker] = set()
        self._dying: set[asyncio.Task[None]] = set()
        self._init: Document | None = None
        self._is_closed = False

    @property
    def pids(self) -> frozenset[int]:
        """The processes that run now."""
        return frozenset(worker.process.pid for worker in self._all)

    async def load(self) -> Json:
        """See Runner."""
        worker = await self._started()
        self._idle.append(worker)
        return worker.description

    async def init(self, document: Document, context: PluginContext) -> None:
        """See Runner: the workers there are now, and each later one before its first call."""
        self._init = document
        for worker in tuple(self._idle):
            await self._initialise(worker, context)

    async def call(self, op: str, document: Document, context: PluginContext) -> Json:
        """See Runner."""
        async with self._slots:
            if self._is_closed:
                raise PluginUnavailable(self.plugin, "it is stopping")
            worker = self._idle.pop() if self._idle else await self._started()
            try:
                if self._init is not None and not worker.is_initialised:
                    await self._initialise(worker, context)
                answer = await worker.ask(self.plugin, op, document, context, self._output_bytes)
            finally:
                if worker.is_sound:
                    self._idle.append(worker)
                else:
                    self._kill(worker)
        if "error" in answer:
            raise failure(self.plugin, op, answer)
        return answer["result"]

    async def close(self) -> None:
        """See Runner."""
        self._is_closed = True
        for worker in tuple(self._all):
            self._kill(worker)
        while self._dying:
            await asyncio.gather(*self._dying)
        self._code.close()

    async def _initialise(self, worker: _Worker, context: PluginContext) -> None:
        assert self._init is not None
        answer = await worker.ask(self.plugin, "plugin.init", self._init, context, self._output_bytes)
        if "error" in answer:
            self._kill(worker)
            raise failure(self.plugin, "plugin.init", answer)
        worker.is_initialised = True

    async def _started(self) -> _Worker:
        worker = _Worker(await _spawn())
        self._all.add(worker)
        try:
            await worker.load(self._code)
        except BaseException:
            self._kill(worker)
            raise
        return worker

    def _kill(self, worker: _Worker) -> None:
        if worker in self._idle:
            self._idle.remove(worker)
        if worker in self._all:
            self._all.remove(worker)
            task = asyncio.get_running_loop().create_task(worker.kill(), name=f"mockforge-kill-{worker.process.pid}")
            self._dying.add(task)
            task.add_done_callback(self._dying.discard)


class _Worker:
    """One process and the pipe to it. It is sound while question and answer are in step."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.description: Json = None
        self.is_sound, self.is_initialised = True, False

    async def load(self, code: FileCode) -> None:
        """Hand the files over. Raises PluginFailed."""
        self.is_sound = False
        await self._send({"plugin": code.plugin, "prefix": code.prefix, "entry": code.entry, "files": code.files})
        answer = await self._receive(code.plugin, "plugin.load", MAX_LINE)
        if "error" in answer:
            raise failure(code.plugin, "plugin.load", answer)
        self.description, self.is_sound = answer["result"], True

    async def ask(self, plugin: str, op: str, document: Document, context: PluginContext, output_bytes: int) -> Mapping[str, Any]:
        """The worker's `{"result"}` or `{"error"}`; what it asks of the doors meanwhile is answered."""
        self.is_sound = False
        await self._send_line(b'{"op":' + orjson.dumps(op) + b',"document":' + document.json + b"}\n")
        while True:
            answer = await self._receive(plugin, op, output_bytes)
            if "door" not in answer:
                self.is_sound = True
                return answer
            await self._send(await _door_answer(context, answer))

    async def kill(self) -> None:
        """End the process and everything it started."""
        self.is_sound = False
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # it has ended by itself
        if self.process.stdin is not None:
            self.process.stdin.close()
        await self.process.wait()

    async def _send(self, message: Json) -> None:
        await self._send_line(orjson.dumps(message) + b"\n")

    async def _send_line(self, line: bytes) -> None:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(line)
            await self.process.stdin.drain()
        except ConnectionError:
            pass  # it has ended; reading tells so

    async def _receive(self, plugin: str, op: str, output_bytes: int) -> Mapping[str, Any]:
        assert self.process.stdout is not None
        try:
            line = await self.process.stdout.readline()
        except ValueError:
            line = b"x" * (output_bytes + _ENVELOPE + 1)
        if not line.endswith(b"\n") and len(line) <= output_bytes + _ENVELOPE:
            raise PluginFailed(plugin, op, "its worker process ended in the middle of the call", code="unavailable", retryable=True)
        if len(line) > output_bytes + _ENVELOPE and not line.startswith(b'{"door"'):
            raise LimitExceeded(plugin, op, "output_kb", output_bytes / 1024)
        answer: Mapping[str, Any] = orjson.loads(line)
        return answer


async def _spawn() -> asyncio.subprocess.Process:
    path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "mockforge_asgi.plugins.worker", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        limit=MAX_LINE, start_new_session=True, env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip


async def _door_answer(context: PluginContext, asked: Mapping[str, Any]) -> Json:
    try:
        return {"answer": await context.door(str(asked["door"]), dict(asked["payload"]))}
    except HostError as error:
        return {"refused": {"code": error.code, "message": error.message, "retryable": error.retryable, "details": error.details}}
