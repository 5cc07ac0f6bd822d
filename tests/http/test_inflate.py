"""Bodies that come packed: whole however they are cut, and never larger than allowed."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockforge_asgi.errors import HostCallError
from mockforge_asgi.http.inflate import BoundedBody
from mockforge_asgi.security.egress.client import Egress, EgressLimits
from tests.support.loopback_servers import Server, allow, get, refused, reply, serving


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serving() as made:
        yield made


@pytest.fixture
async def door(server: Server) -> AsyncIterator[Egress]:
    made = Egress([allow("127.0.0.1", server.port)])
    yield made
    await made.close()


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


CODINGS: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("", bytes),
    ("identity", bytes),
    ("gzip", gzip.compress),
    (" GZip ", gzip.compress),
    ("x-gzip", lambda data: gzip.compress(data[:5]) + gzip.compress(data[5:])),
    ("deflate", zlib.compress),
    ("deflate", raw_deflate),
]


def take(coding: str, sent: bytes, cuts: list[int], most: int) -> bytes:
    body = BoundedBody(coding, most)
    places = sorted({cut % (len(sent) + 1) for cut in cuts} | {0, len(sent)})
    for start, end in pairwise(places):
        for _ in body.feed(sent[start:end]):
            pass
    return body.whole()


@given(st.sampled_from(CODINGS), st.binary(max_size=300), st.lists(st.integers(0, 10_000), max_size=6))
def test_a_body_is_whole_however_it_is_cut(coding: tuple[str, Callable[[bytes], bytes]], data: bytes, cuts: list[int]) -> None:
    assert take(coding[0], coding[1](data), cuts, 10_000) == data


@pytest.mark.parametrize("step", [1, 2, 7, 64])
@given(st.sampled_from(CODINGS), st.binary(max_size=60).map(lambda data: data * 9), st.lists(st.integers(0, 10_000), max_size=4))
def test_a_body_is_whole_in_steps_of_any_size(
    step: int, coding: tuple[str, Callable[[bytes], bytes]], data: bytes, cuts: list[int]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mockforge_asgi.http.inflate._STEP_BYTES", step)
        assert take(coding[0], coding[1](data), cuts, 10_000) == data


def test_a_bomb_is_unpacked_in_steps() -> None:
    body = BoundedBody("gzip", 4 << 20)
    assert sum(1 for _ in body.feed(gzip.compress(bytes(4 << 20)))) >= 16
    assert body.whole() == bytes(4 << 20)


def test_many_members_are_refused_before_they_hold_the_loop() -> None:
    body, steps = BoundedBody("gzip", 1 << 20), 0
    with pytest.raises(HostCallError, match="more than 1,000 gzip members") as caught:
        for _ in body.feed(gzip.compress(b"") * 50_000):
            steps += 1
    assert (caught.value.code, steps) == ("limit", 999)


def test_a_thousand_members_are_taken_one_in_a_step() -> None:
    body = BoundedBody("gzip", 1 << 20)
    assert sum(1 for _ in body.feed(gzip.compress(b"x", mtime=0) * 1000)) == 1000
    assert body.whole() == b"x" * 1000


@pytest.mark.parametrize("pack", [zlib.compress, raw_deflate])
@pytest.mark.parametrize("more", [b"x", zlib.compress(b"more"), gzip.compress(b"more")])
def test_deflate_has_no_members(pack: Callable[[bytes], bytes], more: bytes) -> None:
    with pytest.raises(HostCallError, match="behind its end"):
        take("deflate", pack(b"text") + more, [], 1000)


@given(st.sampled_from(["gzip", "deflate", ""]), st.binary(max_size=200), st.lists(st.integers(0, 1000), max_size=4))
def test_any_bytes_are_a_body_or_a_door_error(coding: str, sent: bytes, cuts: list[int]) -> None:
    try:
        assert len(take(coding, sent, cuts, 100)) <= 100
    except HostCallError as error:
        assert error.code in ("limit", "unavailable")


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_bomb_is_not_unpacked(coding: str) -> None:
    data = bytes(50_000_000)
    bomb = gzip.compress(data) if coding == "gzip" else zlib.compress(data)
    del data
    tracemalloc.start()
    try:
        with pytest.raises(HostCallError, match="more than 100000 bytes"):
            take(coding, bomb, [], 100_000)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_what_is_sent_is_bounded_before_it_is_unpacked() -> None:
    with pytest.raises(HostCallError) as caught:
        take("gzip", gzip.compress(b"") * 100, [], 500)
    assert caught.value.code == "limit"


@pytest.mark.parametrize("coding", ["br", "gzip, gzip", "zstd"])
def test_an_encoding_that_was_not_asked_for_is_refused(coding: str) -> None:
    with pytest.raises(HostCallError, match="not asked for"):
        BoundedBody(coding, 100)


def test_a_body_that_ends_early_may_be_asked_for_again() -> None:
    with pytest.raises(HostCallError) as caught:
        take("gzip", gzip.compress(b"hello")[:-4], [], 100)
    assert caught.value.retryable


@pytest.mark.parametrize(
    ("coding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress), ("deflate", lambda b: zlib.compress(b)[2:-4])]
)
async def test_a_packed_answer_is_unpacked(server: Server, door: Egress, coding: str, pack: Callable[[bytes], bytes]) -> None:
    server.answers["/"] = reply(pack(b"text " * 100), Content_Encoding=coding)
    answer = await door.request(get(f"http://127.0.0.1:{server.port}/"))
    assert answer == {"status": 200, "headers": [], "body": {"text": "text " * 100}}


async def test_several_gzip_members_are_one_body(server: Server, door: Egress) -> None:
    server.answers["/"] = reply(gzip.compress(b"one ") + gzip.compress(b"two"), Content_Encoding="gzip")
    assert (await door.request(get(f"http://127.0.0.1:{server.port}/")))["body"] == {"text": "one two"}


@pytest.mark.parametrize(
    ("body", "coding", "code"),
    [(gzip.compress(b"\0" * 50_000_000), "gzip", "limit"), (b"x" * 200_000, "identity", "limit"), (b"not packed", "gzip", "unavailable"),
     (b"x", "br", "unavailable"), (gzip.compress(b"x" * 1000, mtime=0)[:-20], "gzip", "unavailable"),
     (gzip.compress(gzip.compress(b"x", mtime=0), mtime=0), "gzip, gzip", "unavailable")],
)  # fmt: skip
async def test_a_body_that_cannot_be_taken_is_refused(server: Server, body: bytes, coding: str, code: str) -> None:
    server.answers["/"] = reply(body, Content_Encoding=coding)
    egress = Egress([allow("127.0.0.1", server.port)], EgressLimits(max_response_bytes=100_000))
    assert (await refused(egress, get(f"http://127.0.0.1:{server.port}/"))).code == code


@pytest.mark.parametrize("coding", ["br", "zstd", "compress", "gzip, br", "zstd, gzip"])
async def test_bombs_in_encodings_that_were_not_asked_for_are_not_unpacked(server: Server, door: Egress, coding: str) -> None:
    server.answers["/"] = reply(b"\x28\xb5\x2f\xfd" + bytes(1000), Content_Encoding=coding)
    assert "not asked for" in (await refused(door, get(f"http://127.0.0.1:{server.port}/"))).message
