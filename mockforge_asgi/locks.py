"""Processes and their forks: which one runs, and ProcessLock, by which threads of one change what they share one at a time."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import Final

_FORKED: Final = threading.Lock()


class ThisProcess:
    """The process that runs. Asking the system for its number at each request would cost more than comparing it does."""

    pid: int = os.getpid()


def _forked() -> None:
    ThisProcess.pid = os.getpid()


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_forked)


class ProcessLock:
    """A lock for `with lock.here():`. A forked child has its own, since a thread that is not there may hold its parent's; before anybody
    has that one, `forked` is called, once."""

    __slots__ = ("_forked", "_lock", "_pid")

    def __init__(self, forked: Callable[[], None] = lambda: None) -> None:
        self._forked = forked
        self._lock, self._pid = threading.Lock(), ThisProcess.pid

    def here(self) -> threading.Lock:
        """The lock of this process."""
        if self._pid != ThisProcess.pid:
            with _FORKED:
                if self._pid != ThisProcess.pid:
                    self._forked()
                    self._lock, self._pid = threading.Lock(), ThisProcess.pid
        return self._lock
