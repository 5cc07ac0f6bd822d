"""Lookups of names: few at once for each plugin, and counted till their end even when nobody waits for them any more.

A lookup of the operating system cannot be told to stop, and shares a few threads with everybody else's.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias

Resolver: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""Gives the addresses of a name; raises OSError where there are none."""

MAX_AT_ONCE: Final = 4


class Lookups:
    """The lookups of one plugin on one event loop; who asks for the same name at once shares one."""

    __slots__ = ("_free", "_resolver", "_running")

    def __init__(self, resolver: Resolver) -> None:
        self._resolver, self._free = resolver, asyncio.Semaphore(MAX_AT_ONCE)
        self._running: dict[tuple[str, int], asyncio.Future[Sequence[str]]] = {}

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        """The addresses of a name. Raises OSError."""
        name = host, port
        if name not in self._running:
            await self._free.acquire()
            if name in self._running:  # somebody else was quicker meanwhile
                self._free.release()
            else:
                lookup = self._running[name] = asyncio.ensure_future(self._resolver(host, port))
                lookup.add_done_callback(lambda done: self._ended(name, done))
        return await asyncio.shield(self._running[name])

    def close(self) -> None:
        """Wait for none of them any more."""
        for lookup in self._running.values():
            lookup.cancel()

    def _ended(self, name: tuple[str, int], lookup: asyncio.Future[Sequence[str]]) -> None:
        del self._running[name]
        self._free.release()
        if not lookup.cancelled():
            lookup.exception()  # seen, even where nobody waits any more


async def system_resolver(host: str, port: int) -> Sequence[str]:
    """The operating system's addresses of a name."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))
