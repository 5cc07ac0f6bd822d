"""A second OpenID provider that we did not write: PyPI's canaille, in a process and with packages of its own."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.server_processes import free_port
from tests.support.toolchains import missing

HERE = Path(__file__).parent / "canaille"
INSTALLED = HERE / "target"


@contextmanager
def canaille(callback: str) -> Iterator[str]:
    """The issuer of a running one, which sends browsers back to that address (see `canaille/server.py`)."""
    _install()
    command = [sys.executable, "server.py", str(free_port()), callback]
    environment = {**os.environ, "PYTHONPATH": str(INSTALLED)}
    process = subprocess.Popen(command, cwd=HERE, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline() if process.stdout else ""
        if not line:
            raise RuntimeError(f"canaille does not start: {process.communicate(timeout=20)[1][-2000:]}")
        yield str(json.loads(line)["issuer"])
    finally:
        process.kill()
        process.communicate()


def _install() -> None:
    """Its packages; one process at a time."""
    stamp, wanted = INSTALLED / ".mockforge-requirements", (HERE / "requirements.txt").read_text() + sys.version
    with (HERE / ".installing.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text() == wanted:
            return
        shutil.rmtree(INSTALLED, ignore_errors=True)
        command = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-compile",
            "--disable-pip-version-check",
            "--target",
            str(INSTALLED),
        ]
        done = subprocess.run([*command, "--requirement", "requirements.txt"], cwd=HERE, capture_output=True, text=True, timeout=300)
        if done.returncode:
            missing(f"pip cannot install canaille: {done.stderr[-500:]}")
        stamp.write_text(wanted)
