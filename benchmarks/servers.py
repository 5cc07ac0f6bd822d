"""Servers under measurement: each one a process of its own, on a free loopback port."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.conditions import ROOT
from benchmarks.revision import HERE, Revision

_READY_S = 300.0
"""Compiling the Python sandbox for the first time is in it."""


@dataclass(frozen=True, slots=True)
class Server:
    """One that answers."""

    url: str
    pid: int


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def serving(app: str, environment: Mapping[str, str] | None = None) -> AsyncIterator[str]:
    """The base URL of `app` ("module:factory") under uvicorn with uvloop and httptools; ends with the block."""
    async with uvicorn(app, environment or {}) as server:
        yield server.url


@asynccontextmanager
async def measured(app: str, config: Path | None, of: Revision = HERE) -> AsyncIterator[Server]:
    """The same for a function of `benchmarks.apps`, with that commit's package; what it holds when it has begun is frozen."""
    environment = {"BENCH_APP": app, **({"BENCH_CONFIG": str(config)} if config else {})}
    async with uvicorn("benchmarks.apps:served", environment, of) as server:
        os.kill(server.pid, signal.SIGUSR1)
        yield server


@asynccontextmanager
async def uvicorn(app: str, environment: Mapping[str, str], of: Revision = HERE) -> AsyncIterator[Server]:
    """A server with uvloop and httptools."""
    port = free_port()
    command = [
        *(sys.executable, "-m", "uvicorn", app, "--factory", "--host", "127.0.0.1", "--port", str(port)),
        *("--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"),
    ]
    async with started(command, port, cwd=of.folder, environment={**of.environment, **environment}) as server:
        yield server


@asynccontextmanager
async def workers(config: Path, count: int) -> AsyncIterator[Server]:
    """`mockforge serve` with that many worker processes."""
    port = free_port()
    run = "import sys; from mockforge_asgi.cli import main; sys.argv[0] = 'mockforge'; main()"
    command = [sys.executable, "-c", run, "serve", str(config), "--port", str(port), "--workers", str(count), "--log-level", "error"]
    async with started(command, port) as server:
        yield server


@asynccontextmanager
async def started(
    command: Sequence[str], port: int, *, cwd: Path = ROOT, environment: Mapping[str, str] | None = None, quiet: bool = False
) -> AsyncIterator[Server]:
    """What that command serves at that port; ends with the block."""
    errors = subprocess.DEVNULL if quiet else None
    nothing = subprocess.DEVNULL
    process = subprocess.Popen(command, cwd=cwd, env=environment, stdin=nothing, stdout=nothing, stderr=errors)
    try:
        await _until_ready(process, port)
        yield Server(f"http://127.0.0.1:{port}", process.pid)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


async def _until_ready(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = asyncio.get_running_loop().time() + _READY_S
    while asyncio.get_running_loop().time() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with code {process.returncode} before it was ready")
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.02)
        else:
            writer.close()
            await writer.wait_closed()
            return
    raise RuntimeError("the server was not ready in time")
