"""Real servers: however a request's head frames its body, auth and the wrapped app are given the same one."""

from __future__ import annotations

import pytest

from tests.support.server_processes import Running

CHUNKS = b"3\r\nhid\r\n3\r\nden\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    ("head", "sent"),
    [
        (b"Content-Length: 0\r\nTransfer-Encoding: chunked", CHUNKS),
        (b"Transfer-Encoding: chunked\r\nContent-Length: 0", CHUNKS),
        (b"Content-Length: 2\r\nTransfer-Encoding:\tchunked", CHUNKS),
        (b"Transfer-Encoding: CHUNKED", CHUNKS),
        (b"Transfer-Encoding: gzip, chunked\r\nContent-Length: 0", CHUNKS),
        (b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\nContent-Length: 0", CHUNKS),
        (b"Transfer-Encoding: identity\r\nContent-Length: 6", b"hidden"),
        (b"Content-Length: 0\r\nContent-Length: 6", b"hidden"),
        (b"Content-Length: 0, 6", b"hidden"),
        (b"Content-Length: 6, 6", b"hidden"),
        (b"Content-Length: 6", b"hidden"),
    ],
)
@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
def test_no_head_hides_a_body_from_auth(wrapped: Running, head: bytes, sent: bytes, version: bytes) -> None:
    answer = wrapped.raw(b"POST /signed/ HTTP/" + version + b"\r\nHost: a\r\nConnection: close\r\n" + head + b"\r\n\r\n" + sent)
    if answer.status == 200:
        assert (answer.header("x-read"), answer.body) == (b"hidden".hex(), b"hidden")
    else:
        assert answer.status in (400, 501)
