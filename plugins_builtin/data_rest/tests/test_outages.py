"""An API that hangs, breaks off, or comes back: queries end in time, and recover."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mockforge_asgi.errors import SourceFailed
from tests.support.loopback_servers import Server, reply, serving
from tests.support.querying import Asking, asking

QUERIES = {"slow": {"query": {"get": "/slow"}}, "quick": {"query": {"get": "/quick"}}, "half": {"query": {"get": "/half"}}}
JSON = reply(b'[{"id": 1}]', content_type="application/json")


@asynccontextmanager
async def hanging(timeout_ms: int = 1500) -> AsyncIterator[tuple[Server, Asking, asyncio.Event]]:
    """A server that answers `/quick` at once, `/slow` when the event is set, and of `/half` the half."""
    may_go = asyncio.Event()

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: str) -> None:
        gone = asyncio.create_task(reader.read(1))
        go = asyncio.create_task(may_go.wait())
        await asyncio.wait((gone, go), return_when=asyncio.FIRST_COMPLETED)
        go.cancel()
        if gone.done() and not gone.result():
            made.heads.append("left")
        gone.cancel()
        writer.write(JSON)

    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: str) -> None:
        writer.write(JSON[:-5])

    async with serving() as made:
        made.answers = {"/slow": wait, "/half": break_off, "/quick": JSON}
        source = {
            "use": "rest",
            "config": {"url": f"http://127.0.0.1:{made.port}"},
            "queries": QUERIES,
            "limits": {"timeout_ms": timeout_ms},
        }
        async with asking(source) as found:
            yield made, found, may_go


async def test_12_an_api_that_hangs_ends_its_queries_in_time_and_holds_up_no_others() -> None:
    async with hanging() as (_, api, may_go):
        since = time.monotonic()
        slow = [asyncio.create_task(api.refused("slow")) for _ in range(4)]
        for _ in range(5):
            assert await api.rows("quick") == [{"id": 1}] and not any(task.done() for task in slow)
        assert [(await task).code for task in slow] == ["timeout"] * 4
        assert time.monotonic() - since < 20
        may_go.set()
        assert await api.rows("slow") == [{"id": 1}]


async def test_11_whoever_leaves_ends_its_request() -> None:
    async with hanging(60_000) as (server, api, _):
        leaving = asyncio.create_task(api.rows("slow"))
        while not server.heads:
            await asyncio.sleep(0)
        leaving.cancel()
        while server.heads[-1] != "left":
            await asyncio.sleep(0.001)
        assert await api.rows("quick") == [{"id": 1}]


async def test_13_an_answer_that_breaks_off_is_none_and_the_next_one_is_whole() -> None:
    async with hanging(20_000) as (_, api, _):
        refused = await api.refused("half")
        assert refused.code in ("bad_data", "unavailable") and isinstance(refused.error, SourceFailed)
        assert await api.rows("quick") == [{"id": 1}]
