"""What lies around a body on the wire is counted too, and a flood of it leaves the loop to others."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mockforge_asgi.errors import HostCallError
from mockforge_asgi.security.egress.client import Egress, EgressLimits
from mockforge_asgi.security.egress.metering import HEAD_BYTES, READ_BYTES, Allowance, Metered
from tests.support.loopback_servers import Answer, allow, get, make_authority, refused, reply, resolver, serving

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def endless(begin: bytes, again: bytes) -> Answer:
    """An answer that begins so and then goes on for ever."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: str) -> None:
        writer.write(begin)
        while True:
            writer.write(again)
            await writer.drain()

    return answer


@pytest.mark.parametrize(
    ("begin", "again"),
    [
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
        (b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 100),
        (b"HTTP/1.1 200 OK\r\n", b"a:\r\n" * 1000),
        (b"HTTP/1.1 200 OK\r\nA: ", b"x" * 1000),
        (b"", b"x" * 1000),
    ],
    ids=["interim answers", "early hints", "headers", "one header", "status line"],
)
async def test_an_endless_head_is_cut(begin: bytes, again: bytes) -> None:
    async with serving() as server:
        server.answers["/"] = endless(begin, again)
        error = await refused(Egress([allow("127.0.0.1", server.port)]), get(f"http://127.0.0.1:{server.port}/"))
    assert (error.code, str(HEAD_BYTES) in error.message) == ("limit", True)


@pytest.mark.parametrize(
    "again",
    [b"1;" + b"a" * 4000 + b"\r\nx\r\n", b"1\r\nx\r\n" * 1000],
    ids=["chunk extensions", "tiny chunks"],
)
async def test_what_lies_around_a_body_has_a_limit_too(again: bytes) -> None:
    async with serving() as server:
        server.answers["/"] = endless(CHUNKED, again)
        egress = Egress([allow("127.0.0.1", server.port)], EgressLimits(max_response_bytes=50_000))
        error = await refused(egress, get(f"http://127.0.0.1:{server.port}/"))
    assert (error.code, "all that lies around" in error.message) == ("limit", True)


async def test_endless_trailers_are_cut() -> None:
    async with serving() as server:
        server.answers["/"] = endless(CHUNKED + b"0\r\n", b"a: b\r\n" * 100)
        egress = Egress([allow("127.0.0.1", server.port)], EgressLimits(max_response_bytes=1000))
        assert (await refused(egress, get(f"http://127.0.0.1:{server.port}/"))).code == "limit"


async def test_a_flood_of_tiny_chunks_leaves_the_loop_to_others() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    chunks = 5000
    async with serving() as server:
        server.answers["/"] = CHUNKED + b"1\r\nx\r\n" * chunks + b"0\r\n\r\n"
        egress = Egress([allow("127.0.0.1", server.port)])
        beside = asyncio.ensure_future(other())
        answer = await egress.request(get(f"http://127.0.0.1:{server.port}/"))
        beside.cancel()
        await egress.close()
    assert len(answer["body"]["text"]) == chunks
    assert turns >= chunks


async def test_each_answer_of_a_connection_has_its_whole_allowance() -> None:
    async with serving() as server:
        server.answers["/"] = reply(b"x" * 40_000, A="b" * 20_000)
        egress = Egress([allow("127.0.0.1", server.port)], EgressLimits(max_response_bytes=40_000))
        for _ in range(4):
            assert (await egress.request(get(f"http://127.0.0.1:{server.port}/")))["status"] == 200
        await egress.close()
        assert server.connections == 1


@pytest.mark.parametrize("answer", [reply(b"one"), CHUNKED + b"3\r\none\r\n0\r\n\r\n"], ids=["with a length", "in chunks"])
async def test_what_comes_after_an_answer_is_not_taken_for_the_next_one(answer: bytes) -> None:
    async with serving() as server:
        server.answers["/"] = answer + reply(b"somebody else's")
        egress = Egress([allow("127.0.0.1", server.port)])
        bodies = [(await egress.request(get(f"http://127.0.0.1:{server.port}/{path}")))["body"]["text"] for path in ("", "next", "last")]
        await egress.close()
    assert (bodies, server.connections) == (["one", "hello", "hello"], 2)


async def test_a_server_that_takes_no_request_is_left_in_time() -> None:
    taken, left = 0, asyncio.Event()

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal taken
        taken = len(await reader.read(1))
        await given_up.wait()
        while await reader.read(1 << 20):
            pass
        left.set()
        writer.close()

    given_up = asyncio.Event()
    async with await asyncio.start_server(deaf, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        egress = Egress([allow("127.0.0.1", port)], EgressLimits(max_request_bytes=32 << 20))
        payload = {"method": "POST", "url": f"http://127.0.0.1:{port}/", "body": {"text": "x" * (32 << 20)}, "timeout_ms": 500}
        assert (await refused(egress, payload)).code == "timeout"
        given_up.set()
        await asyncio.wait_for(left.wait(), 10)
    assert taken == 1


async def test_what_comes_through_tls_is_counted_too(tmp_path: Path) -> None:
    authority = make_authority(tmp_path)
    async with serving(authority) as server:
        server.answers["/"] = endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100)
        rules = [allow("idp.example", server.port, scheme="https")]
        egress = Egress(rules, resolver=resolver(idp_example=["127.0.0.1"]), ssl_context=authority.trust)
        assert (await refused(egress, get(f"https://idp.example:{server.port}/"))).code == "limit"


async def test_a_server_that_never_ends_its_handshake_is_left() -> None:
    hellos, left = 0, asyncio.Event()

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal hellos
        hellos += bool(await reader.read(10_000))
        await reader.read()
        left.set()
        writer.close()

    async with await asyncio.start_server(mute, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        egress = Egress([allow("127.0.0.1", port, scheme="https")])
        for n in range(3):
            left.clear()
            assert (await refused(egress, get(f"https://127.0.0.1:{port}/", timeout_ms=500))).code == "timeout"
            await asyncio.wait_for(left.wait(), 5)
            assert hellos == n + 1


class Plenty:
    """A stream with as much to read as is asked for."""

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return b"x" * max_bytes

    async def write(self, buffer: bytes, timeout: float | None = None) -> None: ...

    async def aclose(self) -> None: ...

    async def start_tls(self, ssl_context: object, server_hostname: str | None = None, timeout: float | None = None) -> Plenty:
        return self

    def get_extra_info(self, info: str) -> object:
        return None


async def test_reads_are_small_and_counted_before_they_are_parsed() -> None:
    allowance = Allowance()
    stream = Metered(Plenty(), allowance)
    sizes = [len(await stream.read(65_536)) for _ in range(HEAD_BYTES // READ_BYTES)]
    assert set(sizes) == {READ_BYTES}
    with pytest.raises(HostCallError):
        await stream.read(1)
    allowance.body(10)
    assert await stream.read(1) == b"x"
