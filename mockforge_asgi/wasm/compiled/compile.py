"""Compiles WebAssembly in a limited subprocess, so that no guest's code can hold or harm the serving process.

Gives an anonymous file with machine code. Keeping it is `cache.py`'s affair; what runs in the subprocess is
`worker.py`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO, Final

from mockforge_asgi.errors import PluginRejected, Problem, UnsupportedPlatform
from mockforge_asgi.events import Compiling
from mockforge_asgi.text import clip
from mockforge_asgi.wasm.compiled.interpreter import command, environment
from mockforge_asgi.wasm.compiled.worker import REFUSED
from mockforge_asgi.wasm.engine import EngineKind

OnProgress = Callable[[Compiling], None]
_PROGRESS_S: Final = 2.0
_MAX_WORDS: Final = 16 * 1024
_NOT_EXECUTABLE: Final = "unable to make memory executable"


@dataclass(frozen=True, slots=True, kw_only=True)
class CompileLimits:
    """Bounds of one compilation; `timeout_s` is wall time, the processor time counts all threads."""

    memory_mb: int = 2048
    cpu_s: int = 60
    timeout_s: float = 120.0


async def compile_wasm(
    wasm: bytes, kind: EngineKind, *, plugin: str, limits: CompileLimits = CompileLimits(), on_progress: OnProgress | None = None
) -> IO[bytes]:
    """Machine code for the engine of that kind, in an anonymous file that the caller closes.

    Cancelling it ends the subprocess. Raises: PluginRejected, if the code is refused or too costly to compile; UnsupportedPlatform.
    """
    started = time.monotonic()

    def report(done: bool = False, begins: bool = False) -> None:
        if on_progress is not None:
            wall_s = 0 if begins else time.monotonic() - started
            on_progress(Compiling(what=plugin, size_bytes=len(wasm), done=done, wall_s=wall_s))

    with ExitStack() as files:
        try:
            source = files.enter_context(await asyncio.to_thread(anonymous_file, wasm))
            target = files.enter_context(anonymous_file())
            report(begins=True)
            process = await _start(kind, source, target, limits)
        except OSError as error:
            raise UnsupportedPlatform(f"plugin '{plugin}' cannot be compiled now: no process for it can be started ({error}).") from error
        try:
            code, words = await _wait(process, limits, report)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if code != 0 or words is None:
            raise _refusal(plugin, code, words, limits)
        report(done=True)
        files.pop_all()
        source.close()
        target.seek(0)
        return target


def anonymous_file(content: bytes = b"") -> IO[bytes]:
    """A nameless file: in memory where the system can do that, so that a full disk stops nothing."""
    if sys.platform == "linux":
        file: IO[bytes] = os.fdopen(os.memfd_create("mockforge", os.MFD_CLOEXEC), "w+b")
    else:
        file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    file.write(content)
    file.flush()
    file.seek(0)
    return file


async def _start(kind: EngineKind, source: IO[bytes], target: IO[bytes], limits: CompileLimits) -> asyncio.subprocess.Process:
    descriptors = source.fileno(), target.fileno()
    numbers = (*descriptors, limits.memory_mb, limits.cpu_s, os.getpid())
    return await asyncio.create_subprocess_exec(
        *command("mockforge_asgi.wasm.compiled.worker", kind, *map(str, numbers)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        pass_fds=descriptors,
        env=environment(),
        cwd="/",
        start_new_session=True,
    )


async def _wait(process: asyncio.subprocess.Process, limits: CompileLimits, report: Callable[[], None]) -> tuple[int, str | None]:
    """(exit code, words on standard error), or (-SIGALRM, None) after `timeout_s`."""

    async def finish() -> str:
        assert process.stderr is not None
        words = b""
        while piece := await process.stderr.read(_MAX_WORDS):  # each gives what there is, not all that will come
            words = (words + piece)[-_MAX_WORDS:]
        await process.wait()
        return words.decode(errors="replace").strip()

    finishing = asyncio.ensure_future(finish())
    deadline = time.monotonic() + limits.timeout_s
    try:
        while (left := deadline - time.monotonic()) > 0:
            if (await asyncio.wait({finishing}, timeout=min(_PROGRESS_S, left)))[0]:
                return process.returncode or 0, finishing.result()
            report()
        return -signal.SIGALRM, None
    finally:
        finishing.cancel()


def _refusal(plugin: str, code: int, words: str | None, limits: CompileLimits) -> PluginRejected | UnsupportedPlatform:
    smaller = "Make it smaller: strip it, optimise for size, split large functions."
    if words is not None and _NOT_EXECUTABLE in words:
        return UnsupportedPlatform(
            f"plugin '{plugin}' not loaded: this process may not make memory executable, as compiled code must be. Lift what forbids it, "
            "such as systemd's MemoryDenyWriteExecute."
        )
    if code == REFUSED:
        return PluginRejected(
            plugin,
            "its code was refused by the compiler:",
            [Problem("the WebAssembly file", clip(" ".join((words or "").split()), 500), "Build it again.")],
        )
    if words is None:
        reason = f"it takes longer than {limits.timeout_s:g} s to compile."
    elif code in (-signal.SIGXCPU, -signal.SIGKILL):
        reason = f"it takes more than {limits.cpu_s} s of processor time to compile, or the system ended the compiler for lack of memory."
    elif "memory" in words.lower() or code == -signal.SIGABRT:
        reason = f"compiling it takes more than {limits.memory_mb} MB of memory, or than this system gives to a process (`ulimit -v`)."
    else:
        reason = f"the compiler ended with code {code}. Its last words: {clip(words[-300:], 300) or 'none'}"
    return PluginRejected(plugin, reason, [Problem("the WebAssembly file", "is too costly to compile.", smaller)])
