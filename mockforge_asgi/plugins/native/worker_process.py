"""The host's side of one worker process: what is asked and answered through its pipe, and its end.

How many there are and who gets which is decided in `process_pool.py`; the other side of the pipe is `worker_main.py`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from typing import Any, Final

from mockforge_asgi.bounded_json import BadJson, parse
from mockforge_asgi.contract import Json
from mockforge_asgi.contract.codec import error_document, plugin_failure
from mockforge_asgi.errors import LimitExceeded, PluginCrashed, PluginFailed, PluginUnavailable
from mockforge_asgi.exact_json import dumps, loads
from mockforge_asgi.plugins.native.code import FileCode
from mockforge_asgi.plugins.native.context import PluginContext
from mockforge_plugin.failure import HostError

MAX_LINE: Final = 32 * 1024 * 1024
_ENVELOPE: Final = 64


class WorkerProcess:
    """One process and the pipe to it."""

    def __init__(self, plugin: str, process: asyncio.subprocess.Process, output_bytes: int, memory_mb: int, nice: int) -> None:
        self.plugin, self.process, self._output_bytes, self._memory_mb, self._nice = plugin, process, output_bytes, memory_mb, nice
        self.description: Json = None
        self._in_step = self._is_killed = False

    @classmethod
    async def spawn(cls, plugin: str, output_bytes: int, memory_mb: int, nice: int = 0) -> WorkerProcess:
        """A new one, with no code in it yet. Raises PluginUnavailable."""
        try:
            process = await _spawn(max(MAX_LINE, output_bytes + _ENVELOPE))
        except OSError as error:
            raise PluginUnavailable(plugin, f"its worker process cannot be started: {error.strerror or error}") from error
        return cls(plugin, process, output_bytes, memory_mb, nice)

    @property
    def is_sound(self) -> bool:
        """Whether it runs, and question and answer are in step."""
        return self._in_step and self.process.returncode is None

    async def load(self, code: FileCode) -> None:
        """Hand the files over. Raises PluginFailed."""
        about = {"plugin": code.plugin, "prefix": code.prefix, "entry": code.entry, "memory_mb": self._memory_mb, "nice": self._nice}
        await self._send(dumps({**about, "files": code.files}))
        self.description = self._read("plugin.load", await self._line("plugin.load"), MAX_LINE)

    async def ask(self, op: str, document: bytes, context: PluginContext) -> Json:
        """The worker's answer; its host calls meanwhile are answered. Raises PluginFailed, LimitExceeded."""
        self._in_step = False
        await self._send(b'{"op":' + dumps(op) + b',"document":' + document + b"}")
        while (line := await self._line(op)).startswith(b'{"host_call"'):
            await self._send(dumps(await _host_call_answer(context, loads(line))))
        return self._read(op, line, self._output_bytes)

    def kill(self) -> None:
        """End the process and everything it started; only once, since its number may be another's later."""
        self._in_step = False
        if self._is_killed:
            return
        self._is_killed = True
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass  # it has ended by itself; some systems say so in the other way

    async def wait_closed(self) -> None:
        """Return when a process that was killed has ended."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        await self.process.wait()

    async def _send(self, message: bytes) -> None:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(message + b"\n")
            await self.process.stdin.drain()
        except ConnectionError:
            pass  # it has ended; reading tells so

    async def _line(self, op: str) -> bytes:
        assert self.process.stdout is not None
        try:
            line = await self.process.stdout.readline()
        except ValueError:  # longer than the reader's limit
            raise self._too_long(op) from None
        if not line.endswith(b"\n"):
            raise PluginCrashed(self.plugin, op, "its worker process ended in the middle of the call", code="unavailable", retryable=True)
        return line

    def _read(self, op: str, line: bytes, most: int) -> Json:
        """The result that a line gives; only results are bounded, so that a failure is always told."""
        if line.startswith(b'{"limit"'):
            raise LimitExceeded(self.plugin, op, "memory_mb", self._memory_mb)
        try:
            answer: Mapping[str, Any] = parse(line, around=1)
        except BadJson as error:
            raise PluginFailed(self.plugin, op, f"its worker process wrote an answer that is {error}", code="invalid_output") from None
        self._in_step = True
        if "error" in answer:
            raise plugin_failure(self.plugin, op, answer)
        if len(line) > most + _ENVELOPE:
            raise self._too_long(op)
        return answer["result"]

    def _too_long(self, op: str) -> LimitExceeded:
        return LimitExceeded(self.plugin, op, "output_kb", self._output_bytes / 1024)


async def _spawn(limit: int) -> asyncio.subprocess.Process:
    """A fresh interpreter with this one's import path: `-P`, since `-m` alone would put the current folder before it."""
    path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
    return await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "mockforge_asgi.plugins.native.worker_main",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        limit=limit, start_new_session=True, env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip


async def _host_call_answer(context: PluginContext, asked: Mapping[str, Any]) -> Json:
    try:
        return {"answer": await context.call(str(asked["host_call"]), dict(asked["payload"]))}
    except HostError as error:
        return {"refused": error_document(error)}
