"""Passwords that are being checked: each once at a time, however many requests bring it at the same moment.

Without this, the first requests of one client with many connections would fill the queue of the hashing threads with copies of one hash.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from functools import partial
from typing import Final

from .hashes import PasswordHash
from .hashing import Busy, HashingThreads

MAX_CALLERS: Final = 1000
"""How many requests wait for one check."""


class _Check:
    __slots__ = ("answer", "callers", "work")

    def __init__(self, work: Future[bool]) -> None:
        self.work, self.answer, self.callers = work, asyncio.wrap_future(work), 0


class Checks:
    """Those of one plugin on one event loop; no more than its threads take. A digest stands for a name and a password."""

    def __init__(self, threads: HashingThreads, most_callers: int = MAX_CALLERS) -> None:
        self._threads, self._most_callers = threads, most_callers
        self._under_way: dict[bytes, _Check] = {}

    def __len__(self) -> int:
        return len(self._under_way)

    async def is_right(self, digest: bytes, held: PasswordHash, password: bytes) -> bool:
        """Whether the hash is that password's; who asks while it is worked out gets the same answer. Raises Busy."""
        check = self._under_way.get(digest) or self._begin(digest, held, password)
        if check.callers >= self._most_callers:
            raise Busy
        check.callers += 1
        try:
            if not check.answer.done():
                await asyncio.wait((check.answer,))  # which leaves it alone when this caller is cancelled
            if check.answer.cancelled():  # the threads have been ended
                raise Busy
            return check.answer.result()
        finally:
            check.callers -= 1
            # The last to leave calls it off. A hash that has begun cannot be; it stays, and whoever comes again waits for that one.
            if not check.callers and (check.answer.done() or check.work.cancel()):
                self._forget(digest, check)

    def _begin(self, digest: bytes, held: PasswordHash, password: bytes) -> _Check:
        check = self._under_way[digest] = _Check(self._threads.begin(held.is_of, password))
        check.answer.add_done_callback(partial(self._ended, digest, check))
        return check

    def _ended(self, digest: bytes, check: _Check, answer: asyncio.Future[bool]) -> None:
        """Forget it, if nobody waits any more. Else the last caller does, when the answer is remembered: nobody hashes again in between."""
        if not answer.cancelled():
            answer.exception()  # seen, even where nobody waits any more
        if not check.callers:
            self._forget(digest, check)

    def _forget(self, digest: bytes, check: _Check) -> None:
        if self._under_way.get(digest) is check:
            del self._under_way[digest]
