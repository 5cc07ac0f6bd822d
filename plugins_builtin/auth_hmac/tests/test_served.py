"""Signed requests as they come over the wire: `mockforge serve`, uvicorn, real sockets."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Iterator

import pytest

from plugins_builtin.auth_hmac.tests.mock import mock
from plugins_builtin.auth_hmac.tests.signing import KEY, Signer, content_digest
from tests.support.server_processes import Running, serving_file

BODY = b'{"item": "tea"}'


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    file = tmp_path_factory.mktemp("served") / "mockforge.json"
    file.write_text(json.dumps({**mock(), "dev": False}))
    with serving_file(file) as running:
        yield running


def signer(server: Running) -> Signer:
    return Signer(host=f"127.0.0.1:{server.port}")


def test_signed_requests_pass_whatever_way_their_body_comes(server: Running) -> None:
    for body in (BODY, iter([BODY[:5], BODY[5:]]), gzip.compress(BODY)):
        whole = BODY if not isinstance(body, bytes) else body
        headers = signer(server).headers("POST", "/orders/7?a=%2f&b", whole)
        more = {"content-encoding": "gzip"} if whole != BODY else {}
        assert server.request("POST", "/orders/7?a=%2f&b", body, **headers, **more).status == 200
        assert server.request("POST", "/orders/7?a=%2f&b", whole, **headers, **more).status == 401
    assert server.get("/orders/7").status == 401
    assert KEY not in server.output


def wire(server: Running, head: str, body: bytes, signed: bytes = BODY, digest: str | None = None) -> int:
    """The status of a POST whose body is framed like this, signed for what it claims to be."""
    headers = signer(server).headers("POST", "/orders/7", signed)
    if digest is not None:
        headers["content-digest"] = digest
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    request = f"POST /orders/7 HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n{lines}{head}\r\n".encode()
    return server.raw(request + body).status


def chunked(*chunks: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"


CHUNKED, GIN = "Transfer-Encoding: chunked\r\n", b'{"item": "gin"}'


@pytest.mark.parametrize(
    ("head", "body", "statuses"),
    [
        (f"Content-Length: {len(BODY)}\r\n", BODY, {200}),
        (CHUNKED, chunked(BODY[:3], BODY[3:]), {200}),
        (CHUNKED, chunked(GIN), {401}),
        (CHUNKED, chunked(BODY, b" "), {401}),
        (f"Content-Length: {len(BODY)}\r\n{CHUNKED}", chunked(GIN), {400, 401}),
        (f"{CHUNKED}Content-Length: {len(BODY)}\r\n", chunked(GIN), {400, 401}),
        (f"Content-Length: {len(GIN)}\r\n{CHUNKED}", GIN, {400, 401}),
        (f"Content-Length: 0\r\n{CHUNKED}", chunked(GIN), {400, 401}),
        (f"Content-Length: {len(BODY)}\r\nContent-Length: {len(GIN) + 1}\r\n", GIN + b" ", {400, 401}),
        (f"Content-Length: {len(GIN)}\r\n", GIN + BODY, {400, 401}),
        ("Content-Length: 0\r\n", BODY, {400, 401}),
    ],
)
def test_a_body_that_is_framed_in_two_ways_is_the_one_that_was_signed_or_none(
    server: Running, head: str, body: bytes, statuses: set[int]
) -> None:
    assert wire(server, head, body) in statuses


def test_a_body_that_was_not_signed_does_not_come_in_behind_a_signed_head(server: Running) -> None:
    assert wire(server, CHUNKED, chunked(GIN), b"") == 401
    assert wire(server, f"Content-Length: {len(GIN)}\r\n", GIN, b"") == 401
    assert wire(server, CHUNKED, chunked(), b"") == 200
    assert wire(server, "", b"", b"") == 200
    assert wire(server, f"Content-Length: {len(BODY)}\r\n", BODY, digest=content_digest(GIN)) == 401


async def test_twenty_at_once_with_one_nonce(server: Running) -> None:
    headers = signer(server).headers("POST", "/orders/7", BODY)
    calls = [asyncio.to_thread(server.request, "POST", "/orders/7", BODY, **headers) for _ in range(20)]
    assert sorted(answer.status for answer in await asyncio.gather(*calls)) == [200] + [401] * 19
