"""ProcessLock: what threads of one process share is changed by one of them at a time."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Final

_FORKED: Final = threading.Lock()


class ProcessLock:
    """A lock for `with lock.here():`. A forked child has its own, since a thread that is not there may hold its parent's; before anybody
    has that one, `forked` is called, once."""

    __slots__ = ("_forked", "_lock", "_pid")

    def __init__(self, forked: Callable[[], None] = lambda: None) -> None:
        self._forked = forked
        self._lock, self._pid = threading.Lock(), os.getpid()

    def here(self) -> threading.Lock:
        """The lock of this process."""
        if self._pid != os.getpid():
            with _FORKED:
                if self._pid != os.getpid():
                    self._forked()
                    self._lock, self._pid = threading.Lock(), os.getpid()
        return self._lock
