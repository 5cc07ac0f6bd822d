"""The lock of one process."""

from __future__ import annotations

import os
import sys

import pytest

from mockforge_asgi.locks import ProcessLock, ThisProcess


def test_within_a_process_it_is_always_the_same() -> None:
    lock = ProcessLock()
    with lock.here():
        assert lock.here().locked()
    assert not lock.here().locked()


@pytest.mark.skipif(sys.platform == "win32", reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_has_its_own_and_is_told_once() -> None:
    told: list[int] = []
    lock = ProcessLock(forked=lambda: told.append(os.getpid()))
    reader, writer = os.pipe()
    lock.here().acquire()  # as by a thread that the child does not have
    if (pid := os.fork()) == 0:
        for _ in range(2):
            with lock.here():
                pass
        os.write(writer, b"told" if told == [os.getpid()] == [ThisProcess.pid] else b"not so")
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        assert pipe.read() == b"told"
    os.waitpid(pid, 0)
    assert not told and ThisProcess.pid == os.getpid()
