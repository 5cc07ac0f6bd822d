"""Lookups of names: few at once for each plugin, and counted till their end even when nobody waits for them any more.

A lookup by the operating system cannot be cancelled, and a slow name server may take half a minute. Each runs in a thread of its own:
otherwise all of the few threads that the loop has for everything could be waiting for names.
"""

from __future__ import annotations

import asyncio
import socket
import threading
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
    """The operating system's addresses of a name. Raises OSError."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Sequence[str]] = loop.create_future()

    def tell(addresses: Sequence[str], error: OSError | None) -> None:
        if answer.done():
            return
        if error is None:
            answer.set_result(addresses)
        else:
            answer.set_exception(error)

    def look_up() -> None:
        addresses: Sequence[str] = ()
        fault: OSError | None = None
        try:
            addresses = _addresses(host, port)
        except (OSError, UnicodeError) as error:
            fault = error if isinstance(error, OSError) else OSError(str(error))
        try:
            loop.call_soon_threadsafe(tell, addresses, fault)
        except RuntimeError:
            pass  # that loop has been closed meanwhile: nobody waits any more

    threading.Thread(target=look_up, name="mockforge-lookup", daemon=True).start()
    return await answer


def _addresses(host: str, port: int) -> Sequence[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))
