"""A server that speaks MongoDB's protocol, for tests: SecantusDB, in an environment and a process of its own (`scripts/setup test`).

It is no MongoDB: `$where` and `$function` are not in it, and what it does alike was compared by others. No mongod can be installed here.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from pymongo import MongoClient

from tests.support.server_processes import free_port

PROGRAM: Final = Path(sys.prefix).with_name(f"{Path(sys.prefix).name}-mongodb") / "bin" / "secantusd-py"
_START_S: Final = 60.0


class MongoServer:
    """A server on a port of the loopback, which may be frozen, killed and started again."""

    def __init__(self, folder: Path, *options: str, **client: Any) -> None:
        self.port, self._folder, self.options = free_port(), folder, options
        self._client_options = client
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def host(self) -> str:
        """As `hosts` of a configuration names it."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Returns once it answers. Raises RuntimeError where it does not."""
        log = (self._folder / "log").open("ab")
        with log:
            self._process = subprocess.Popen(
                [PROGRAM, "--port", str(self.port), "--storage-path", str(self._folder / "data"), "--log-level", "ERROR", *self.options],
                cwd=self._folder, stdout=log, stderr=log,
            )  # fmt: skip
        until = time.monotonic() + _START_S
        while time.monotonic() < until and self._process.poll() is None:
            try:
                with self.client(serverSelectionTimeoutMS=200) as client:
                    client.admin.command("hello")
                return
            except Exception:
                time.sleep(0.02)
        raise RuntimeError(f"SecantusDB did not start: {(self._folder / 'log').read_text()[-2000:]}")

    def client(self, **options: Any) -> MongoClient[dict[str, Any]]:
        """A client of the test's own."""
        return MongoClient(self.host, directConnection=True, **self._client_options, **options)

    def freeze(self) -> None:
        """It answers nothing from now on."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)

    def kill(self) -> None:
        """It is gone, as if its machine were."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextmanager
def mongodb(folder: Path, *options: str, **client: Any) -> Iterator[MongoServer]:
    """Such a server, and options of clients that it wants; a missing one fails where `CI` is set, else the tests are skipped."""
    if not PROGRAM.exists():
        why = f"SecantusDB is not installed at {PROGRAM}: run scripts/setup test"
        pytest.fail(why) if os.environ.get("CI") else pytest.skip(why)
    server = MongoServer(folder, *options, **client)
    try:
        server.start()
        yield server
    finally:
        server.kill()
