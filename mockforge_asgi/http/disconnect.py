"""DisconnectWatcher: a client that leaves ends the wait of the task that works for it.

Works like `asyncio.timeout`: the waiting task is cancelled, and at the end of the block that one cancellation is taken back and becomes
`ClientDisconnected`. A cancellation from elsewhere passes through untouched.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Final

from mockforge_asgi.errors import ClientDisconnected
from mockforge_asgi.http.body import RequestBody

GRACE_S: Final = 0.005
"""Calls shorter than this never touch the client's connection."""


class DisconnectWatcher:
    """`with DisconnectWatcher(request_body): await something` raises ClientDisconnected as soon as the client has left."""

    __slots__ = ("_before", "_left", "_request_body", "_task", "_timer")

    def __init__(self, request_body: RequestBody) -> None:
        self._request_body = request_body
        self._left = False

    def __enter__(self) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a plugin call must run in a task")
        self._task = task
        self._before = task.cancelling()
        self._request_body.watched = True
        self._timer = asyncio.get_running_loop().call_later(GRACE_S, self._request_body.watch, self._leave)

    def _leave(self) -> None:
        self._left = True
        self._task.cancel()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._timer.cancel()
        self._request_body.watched = False
        self._request_body.unwatch()
        if self._left and self._task.uncancel() <= self._before and kind is asyncio.CancelledError:
            raise ClientDisconnected("the client left while a plugin worked for it") from error
