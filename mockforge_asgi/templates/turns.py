"""Turns: who computes long on the event loop does so in slices, one a turn of the loop, however many they are."""

from __future__ import annotations

import asyncio
from collections import deque


class Turns:
    """Called and awaited between two slices. Those who wait go on one after the other, with a turn of the loop for all else in between."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: dict[asyncio.AbstractEventLoop, deque[asyncio.Future[None]]] = {}

    async def __call__(self) -> None:
        """Wait for the next turn."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # another event loop than asyncio
            return
        queue = self._waiting.get(loop)
        if queue is None:
            queue = self._waiting[loop] = deque()
            loop.call_soon(self._next, loop)
        turn = loop.create_future()
        queue.append(turn)
        await turn

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        queue = self._waiting[loop]
        while queue:
            turn = queue.popleft()
            if not turn.done():  # else its request was cancelled meanwhile
                turn.set_result(None)
                break
        if queue:
            loop.call_soon(self._next, loop)
        else:
            del self._waiting[loop]
