"""Whatever answers in a database's place: garbage, nothing, halves, lengths that nobody can hold, data without end."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
END_S = 20


@dataclass
class HostileDatabase:
    """One that listens on the loopback."""

    port: int = 0


def saying(*pieces: bytes, then_closes: bool = False, is_endless: bool = False) -> Behaviour:
    """Sends the pieces, whatever it is asked; the last one again and again, if it is endless."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
        await writer.drain()
        while is_endless:
            writer.write(pieces[-1])
            await writer.drain()
        if not then_closes:
            await reader.read(-1)

    return behave


GARBAGE = random.Random(1).randbytes(1 << 16)
ZEROS = bytes(1 << 16)


@asynccontextmanager
async def hostile_database(behave: Behaviour) -> AsyncIterator[HostileDatabase]:
    """The server; whoever is still connected at the end is cut off."""
    made, serving = HostileDatabase(), set[asyncio.Task[None]]()

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        try:
            with suppress(ConnectionError, TimeoutError):
                await asyncio.wait_for(behave(reader, writer), END_S)
        finally:
            serving.discard(task)
            writer.transport.abort()

    server = await asyncio.start_server(served, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
