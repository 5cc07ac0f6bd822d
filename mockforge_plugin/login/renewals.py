"""Sessions whose claims must be asked for again: once, however many requests of the session wait.

Refresh tokens are good once at many providers: of two workers that use one at a time the session would end. So whoever begins takes a lock
in key-value storage, and the others wait for what comes of it.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

from mockforge_plugin.context import detached, entered
from mockforge_plugin.failure import PluginError
from mockforge_plugin.host import kv, log, now, sleep
from mockforge_plugin.login.failed import LoginFailed
from mockforge_plugin.login.sessions import Session, Sessions
from mockforge_plugin.request import Request
from mockforge_plugin.values import Allow, Json

_LOOK_S: Final = 0.05


class SessionOver(Exception):
    """The identity provider does not vouch for the session any more; the words are for the operator."""


class Unfinished(Exception):
    """The provider gave something new, to be kept as `private`, and what else it was asked for failed by `cause`, which is raised."""

    def __init__(self, cause: Exception, private: Mapping[str, Json]) -> None:
        self.cause, self.private = cause, private
        super().__init__(str(cause))


@dataclass(frozen=True, slots=True)
class Renewed:
    """What a session says from now on; `private` None leaves what there was. `fresh_until_s` None: it need not be renewed again."""

    allow: Allow
    fresh_until_s: float | None
    private: Mapping[str, Json] | None = None


Renew: TypeAlias = Callable[[Session, Mapping[str, Any]], Awaitable[Renewed]]
"""Asks the provider, by a session and its private data. Raises SessionOver, Unfinished."""


class Renewals:
    """Keeps the sessions of one plugin up to date; `wait_s` is how long a request waits for another worker.

    `lock_s` is longer than a renewal may take: so long a worker that dies in the middle of one holds up its session.
    """

    def __init__(self, sessions: Sessions, renew: Renew, *, wait_s: float = 10.0, lock_s: float = 30.0) -> None:
        self._sessions, self._renew, self._wait_s, self._lock_s = sessions, renew, wait_s, lock_s
        self._turns: dict[str, _Turn] = {}
        self._tasks: set[asyncio.Future[Allow | None]] = set()

    @staticmethod
    def data(fresh_until_s: float | None) -> dict[str, Json]:
        """What belongs into `data` of a session that begins: in seconds of Unix time, when it is to be renewed; None: never."""
        return {} if fresh_until_s is None else {"fresh_until": fresh_until_s}

    async def current(self, request: Request, session: Session) -> Allow | None:
        """Who the caller is, by claims that are fresh; None where the session has ended.

        Raises PluginError (`unavailable`) where another worker renews it and does not finish, HostError where storage fails, and what
        `renew` raises.
        """
        if _is_fresh(session):
            return session.allow
        turn = self._turns.setdefault(session.id, _Turn())
        with turn.entered(self._turns, session.id):
            async with turn.lock:
                return await self._in_turn(request)

    async def _in_turn(self, request: Request) -> Allow | None:
        """The same, one request of this worker at a time."""
        clock = asyncio.get_running_loop().time  # the clock of the host may stand still
        deadline_s = clock() + self._wait_s
        while (session := await self._sessions.find(request)) is not None:
            if _is_fresh(session):
                return session.allow
            lock, mark = f"renewal/{session.id}", secrets.token_urlsafe(8)
            if await kv.add_if_absent(lock, mark, ttl_s=self._lock_s):
                return await self._to_the_end(self._locked(request, lock, mark))
            if clock() >= deadline_s:
                raise PluginError("another worker renews the session and does not finish", code="unavailable", retryable=True)
            await sleep(_LOOK_S)
        return None

    async def _to_the_end(self, work: Coroutine[Any, Any, Allow | None]) -> Allow | None:
        """What comes of the work, which goes on when its request is given up: the provider may have given a new token already."""
        with entered(detached()):
            task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: asyncio.Future[Allow | None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waits for it is told; nobody may be there

    async def close(self) -> None:
        """End what is under way."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _locked(self, request: Request, lock: str, mark: str) -> Allow | None:
        try:
            session = await self._sessions.find(request)  # another worker may have renewed or ended it before the lock was free
            if session is None or _is_fresh(session):
                return None if session is None else session.allow
            return await self._renewed(request, session)
        finally:
            await kv.compare_and_set(lock, mark, None)  # one that took too long leaves the next one's alone

    async def _renewed(self, request: Request, session: Session) -> Allow | None:
        try:
            made = await self._renew(session, await self._sessions.private(session))
            data = {**session.data, "fresh_until": made.fresh_until_s}
            headers = await self._sessions.renew(request, session, allow=made.allow, data=data, private=made.private)
        except Unfinished as error:
            await self._sessions.renew(request, session, private=error.private)
            raise error.cause from None
        except (SessionOver, LoginFailed) as error:
            log.info(f"a session ends: {error}")
            await self._sessions.end(request, session)
            return None
        return replace(made.allow, set_headers=tuple(headers))


class _Turn:
    """Who renews a session in this worker, and how many wait."""

    def __init__(self) -> None:
        self.lock, self._waiting = asyncio.Lock(), 0

    @contextmanager
    def entered(self, turns: dict[str, _Turn], id: str) -> Iterator[None]:
        """While one waits or renews; the last one leaves nothing behind."""
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1
            if not self._waiting:
                del turns[id]


def _is_fresh(session: Session) -> bool:
    until_s = session.data.get("fresh_until")
    return until_s is None or now().timestamp() < until_s
