"""Several servers: which to ask next, and a short memory of those that failed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from .failures import LoginFailed, Unreachable
from .settings import Server

_FIRST_PAUSE_S: Final = 0.25


@dataclass(slots=True)
class _Rest:
    """A server that is left alone until then; each failure doubles the pause."""

    until_s: float
    pause_s: float
    failure: LoginFailed


class Servers:
    """Used by all threads."""

    def __init__(
        self, servers: tuple[Server, ...], *, longest_s: float, trial_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`longest_s`: the longest pause; `trial_s`: for how long one thread alone tries a server that has failed."""
        self._servers, self._longest_s, self._trial_s, self._clock = servers, longest_s, trial_s, clock
        self._resting: dict[Server, _Rest] = {}
        self._lock = threading.Lock()

    def next(self) -> Server:
        """The first that is not left alone. Raises LoginFailed at once when all are."""
        with self._lock:
            now = self._clock()
            for server in self._servers:
                rest = self._resting.get(server)
                if rest is None:
                    return server
                if rest.until_s <= now:
                    rest.until_s = now + self._trial_s
                    return server
            failures = [rest.failure for rest in self._resting.values()]
        kind = type(failures[0]) if len(failures) == 1 else Unreachable
        raise kind("; ".join(dict.fromkeys(failure.cause for failure in failures)))

    def failed(self, server: Server, failure: LoginFailed) -> None:
        """It did not do: leave it alone for a while."""
        with self._lock:
            before = self._resting.get(server)
            pause_s = min(_FIRST_PAUSE_S if before is None else before.pause_s * 2, self._longest_s)
            self._resting[server] = _Rest(self._clock() + pause_s, pause_s, failure)

    def works(self, server: Server) -> None:
        """It does."""
        with self._lock:
            self._resting.pop(server, None)

    @property
    def down(self) -> dict[str, str]:
        """Servers that failed last time, and why."""
        with self._lock:
            return {server.uri: rest.failure.cause for server, rest in self._resting.items()}
