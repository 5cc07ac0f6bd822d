"""`mockforge serve` on a configuration of the test, as a user runs it: a process of its own, uvicorn, a port of the loopback."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.server_processes import Running, free_port


@contextmanager
def served(file: Path, port: int | None = None) -> Iterator[Running]:
    """That file, served; stopped at the end of the block. `port` is for a file that names its own."""
    port = port or free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "mockforge_asgi", "serve", "--port", str(port), str(file)],
        env={**os.environ, "PYTHONUNBUFFERED": "1"}, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    server = Running("mockforge serve", port, process)
    follower = threading.Thread(target=server.follow, daemon=True)
    follower.start()
    try:
        server.until_it_accepts()
        if process.poll() is not None:
            follower.join(10)
            raise RuntimeError(f"it did not start:\n{server.output}")
        yield server
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        follower.join(10)
        if process.stdout is not None:
            process.stdout.close()
