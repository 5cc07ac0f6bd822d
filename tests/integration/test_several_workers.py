"""State in memory under several workers of somebody else's server: what splits is told, by who can know it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.support.server_processes import ROOT, free_port

APP = """
import os
from mockforge_asgi import MockForge
from mockforge_plugin import Response, ResponsePlugin, kv

class Counter(ResponsePlugin):
    async def generate(self, request):
        return Response.json([await kv.incr("n"), os.getpid()])

app = MockForge(None, {"version": 1, "state": {"url": os.environ["STATE_URL"]}}, plugins=[Counter()])
"""
SERVERS = {
    "uvicorn": ("uvicorn", "--workers", "{n}", "--port", "{port}", "app:app"),
    "hypercorn": ("hypercorn", "--workers", "{n}", "--bind", "127.0.0.1:{port}", "app:app"),
    "granian": ("granian", "--interface", "asgi", "--workers", "{n}", "--port", "{port}", "app:app"),
}
WARNING = "memory:// is not shared"


@contextmanager
def serving(folder: Path, server: str, workers: int, url: str) -> Iterator[tuple[subprocess.Popen[bytes], int, Path]]:
    """(process, port, what it prints) of a server with that many workers."""
    (folder / "app.py").write_text(APP)
    port, output = free_port(), folder / "output"
    command = [part.format(n=workers, port=port) for part in SERVERS[server]]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(folder), str(ROOT))), "STATE_URL": url, "PYTHONUNBUFFERED": "1"}
    with output.open("wb") as file:
        process = subprocess.Popen([sys.executable, "-m", *command], cwd=folder, env=environment, stdout=file, stderr=subprocess.STDOUT)
        try:
            yield process, port, output
        finally:
            process.terminate()
            process.wait(30)


def ask(server: subprocess.Popen[bytes], port: int) -> list[int]:
    """The count and the process that one request got; the server may still be starting."""
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=20) as answer:
                count, process = answer.read().strip(b"[]").split(b",")
                return [int(count), int(process)]
        except OSError:
            with suppress(subprocess.TimeoutExpired):
                raise RuntimeError(f"the server ended with {server.wait(0.02)}") from None


def ask_until(server: subprocess.Popen[bytes], port: int, processes: int) -> list[list[int]]:
    """Answers until that many processes have given some."""
    until, given = time.monotonic() + 60, list[list[int]]()
    while len({process for _, process in given}) < processes and time.monotonic() < until:
        given.append(ask(server, port))
    return given


@pytest.mark.parametrize("server", list(SERVERS))
def test_workers_that_count_apart_say_so(tmp_path: Path, server: str) -> None:
    with serving(tmp_path, server, 2, "memory://") as (process, port, output):
        given = ask_until(process, port, 2)
        assert len({pid for _, pid in given}) == 2 and len({count for count, _ in given}) < len(given)
        assert output.read_text().count(WARNING) == 1


@pytest.mark.parametrize(("workers", "url"), [(1, "memory://"), (2, "sqlite:///{}/state.db")])
def test_workers_that_count_together_say_nothing(tmp_path: Path, workers: int, url: str) -> None:
    with serving(tmp_path, "uvicorn", workers, url.format(tmp_path)) as (process, port, output):
        counts = [count for count, _ in ask_until(process, port, workers)]
        assert counts == list(range(1, len(counts) + 1))
        assert WARNING not in output.read_text()
