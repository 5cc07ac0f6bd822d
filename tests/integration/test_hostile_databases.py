"""A hostile server in a database's place: queries end in time, whatever it says; nothing of ours is told to it, or to clients."""

from __future__ import annotations

import asyncio
import gc
import struct
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from mockforge_asgi import PluginRuntime
from tests.support.data_sources import failure, running
from tests.support.hostile_database import GARBAGE, ZEROS, Behaviour, hostile_database, saying

PASSWORD = "reader-secret-90aa"
MYSQL_HELLO = (
    b"\x0a11.0.0-MariaDB\0" + struct.pack("<I", 7) + b"12345678\0" + struct.pack("<HBHHB", 0xF7FF, 45, 2, 0x00FF, 21) + bytes(10)
    + b"123456789012\0mysql_native_password\0"
)  # fmt: skip
MYSQL_OK = b"\0\0\0\x02\0\0\0"
HALVES = {"postgresql": b"R\0\0\0\x08\0\0", "mysql": b"\x4a\0\0\0\x0a5.5", "mongodb": b"\xff\0\0\0\x01\0\0\0"}
HUGE = {
    "postgresql": b"R\x7f\xff\xff\xff",
    "mysql": b"\xff\xff\xff\0",
    "mongodb": struct.pack("<iiii", 0x7FFFFFFF, 1, 1, 2013),
}
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
SOURCES = ("postgresql", "mysql", "mongodb")
WAYS = ("garbage", "closes", "silent", "half", "half and closes", "huge", "huge without end", "zeros without end")


def packet(number: int, payload: bytes) -> bytes:
    """One packet of MySQL's protocol."""
    return struct.pack("<I", len(payload))[:3] + bytes([number]) + payload


def config(use: str, port: int) -> dict[str, Any]:
    query: Any = {"find": "users", "filter": {}} if use == "mongodb" else "select 1"
    where: dict[str, Any] = {"hosts": [f"127.0.0.1:{port}"]} if use == "mongodb" else {"host": "127.0.0.1", "port": port}
    about = {**where, "database": "shop", "user": "reader", "password": {"secret": "shop_db"}, "connect_ms": 200}
    source = {"use": use, "config": about, "queries": {"q": {"query": query}}, "limits": {"timeout_ms": 1000}}
    return {"version": 1, "secrets": {"shop_db": {"value": PASSWORD}}, "sources": {"shop": source}, "routes": []}


async def refused(runtime: PluginRuntime) -> str:
    """How a query fails, which it does in time."""
    code, why = await asyncio.wait_for(failure(runtime, "q"), 10)
    assert code in ("unavailable", "timeout", "bad_data") and PASSWORD not in why
    return why


@pytest.fixture(autouse=True)
def sockets_of_drivers() -> Iterator[None]:
    """Connections that are cut while they are made are closed by the collector: here, and not in another test."""
    yield
    gc.collect()


@pytest.mark.parametrize(("use", "how"), list(product(SOURCES, WAYS)))
async def test_a_query_ends_in_time_whatever_the_server_says(use: str, how: str) -> None:
    behaviours: dict[str, Behaviour] = {
        "garbage": saying(GARBAGE),
        "closes": saying(b"", then_closes=True),
        "silent": saying(b""),
        "half": saying(HALVES[use]),
        "half and closes": saying(HALVES[use], then_closes=True),
        "huge": saying(HUGE[use]),
        "huge without end": saying(HUGE[use], GARBAGE, is_endless=True),
        "zeros without end": saying(ZEROS, is_endless=True),
    }
    async with hostile_database(behaviours[how]) as server, running(config(use, server.port)) as runtime:
        await refused(runtime)


async def test_a_server_is_sent_no_file_that_it_asks_for(tmp_path: Path) -> None:
    """LOAD DATA LOCAL INFILE, asked for in answer to any query."""
    wanted, heard = tmp_path / "wanted", list[bytes]()
    wanted.write_text("what no server may read")

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(packet(0, MYSQL_HELLO))
        heard.append(await reader.read(1 << 16))
        writer.write(packet(2, MYSQL_OK))
        while said := await reader.read(1 << 16):
            heard.append(said)
            writer.write(packet(1, b"\xfb" + str(wanted).encode()))

    async with hostile_database(behave) as server, running(config("mysql", server.port)) as runtime:
        await refused(runtime)
    assert any(b"sql_mode" in said for said in heard), "it has logged in, and asked"
    assert not any(b"no server" in said for said in heard)


async def test_a_password_is_sent_to_nobody_as_it_is() -> None:
    heard: list[bytes] = []

    async def postgresql(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(1 << 16))
        for piece in (b"R\0\0", b"\0\x08\0\0", b"\0\x03"):
            writer.write(piece)
            await writer.drain()
        heard.append(await reader.read(1 << 16))

    async def mysql(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(packet(0, MYSQL_HELLO))
        heard.append(await reader.read(1 << 16))
        writer.write(packet(2, b"\xfemysql_clear_password\0"))
        heard.append(await reader.read(1 << 16))

    for use, behave in (("postgresql", postgresql), ("mysql", mysql)):
        async with hostile_database(behave) as server, running(config(use, server.port)) as runtime:
            await refused(runtime)
        assert heard and not any(PASSWORD.encode() in said for said in heard), use
        heard.clear()
