"""Servers of the tests that print a line once they listen."""

from __future__ import annotations

import select
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_WITHIN_S: Final = 60.0
_TIMES: Final = 3


@contextmanager
def begun(command: Sequence[str], folder: Path, *, told: str = "") -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process and the first line that it prints; killed at the end. `told` is written to it first. Raises RuntimeError.

    One that prints nothing for a minute is killed and begun again: on a busy machine Node.js has been seen to stand still at its start.
    """
    with tempfile.TemporaryFile("w+") as errors:
        for _ in range(_TIMES):
            process = subprocess.Popen(
                command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, errors="replace"
            )
            try:
                if line := _first_line(process, told):
                    yield process, line
                    return
            finally:
                _ended(process)
        errors.seek(0)
        raise RuntimeError(f"{' '.join(command)} did not start in {folder}: {errors.read()[-2000:]}")


def _first_line(process: subprocess.Popen[str], told: str) -> str:
    assert process.stdin is not None and process.stdout is not None
    try:
        process.stdin.write(told)
        process.stdin.flush()
    except BrokenPipeError:
        return ""
    ready, _, _ = select.select([process.stdout], [], [], _WITHIN_S)
    return process.stdout.readline() if ready else ""


def _ended(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None and process.stdout is not None
    process.kill()
    process.wait()
    for end in (process.stdin, process.stdout):
        try:
            end.close()
        except BrokenPipeError:
            pass
