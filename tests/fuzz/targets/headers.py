"""Headers that a guest sets: refused, or they come out of HTTP/1.1 as they went in, and nothing else comes out.

An input is (name, value) pairs: a line break after each name and each value, whose own bytes are Latin-1 or UTF-8. What is read back is
read by h11 and by httptools.
"""

from __future__ import annotations

from random import Random

import h11
import httptools

from mockforge_asgi.http.headers import OURS, BadHeader, GuestHeaders, is_restricted
from mockforge_asgi.http.responses import MockResponse
from tests.fuzz.fuzzing import Target

GRANTED = frozenset({"set-cookie", "x-accel-redirect"})
BREAK = b"\x1e"
NAMES = (
    b"x-a", b"X-A", b"set-cookie", b"Set-Cookie", b"content-length", b"transfer-encoding", b"connection", b"location",
    b"x-accel-redirect",
    b"x-accel-buffering", b"access-control-allow-origin", b"content-type", b"te", b"", b" x", b"x ", b"x:", b"x\r\ny", b"h\xc3\xb6st",
    b"trailer",
)  # fmt: skip
PARTS = (
    b"\r\n", b"\n", b"\r", b"\x00", b"\x0b", b"\x7f", b"\t", b" ", b"\x80", b"\xff", b"\xc3\xa9", b": ", b"a",
    b"HTTP/1.1 200 OK\r\n\r\n", b",",
    b";",    b"\xe2\x80\xa8", b"\xc4\x8a",
)  # fmt: skip
SEEDS = (BREAK.join([b"X-A", b"b", b"Set-Cookie", b"a=b; Path=/"]), BREAK.join([b"location", b" /x\t"]), b"x-a" + BREAK + b"\xc3\xa9")


class Read:
    """What httptools finds."""

    def __init__(self) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.body, self.is_complete = b"", False

    def on_header(self, name: bytes, value: bytes) -> None:
        """One more."""
        self.headers.append((name, value))

    def on_body(self, body: bytes) -> None:
        """A piece of it."""
        self.body += body

    def on_message_complete(self) -> None:
        """The end."""
        self.is_complete = True


def check(data: bytes) -> None:
    """Send them, and read them again."""
    parts = [_text(part) for part in data.split(BREAK)][:60]
    pairs = [list(pair) for pair in zip(parts[::2], parts[1::2], strict=False)]
    try:
        kept, denied = GuestHeaders(GRANTED).read(pairs)
    except BadHeader as error:
        assert str(error)
        return
    assert all(name not in OURS and (name.decode() in GRANTED or not is_restricted(name)) for name, _ in kept)
    assert all(is_restricted(name.encode()) and name not in GRANTED for name in denied)
    wire = MockResponse(200, kept, b"body").wire
    sent = b"HTTP/1.1 200 OK\r\n" + b"".join(name + b": " + value + b"\r\n" for name, value in wire) + b"\r\nbody"
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="GET", target="/", headers=[("host", "h")]))
    client.send(h11.EndOfMessage())
    client.receive_data(sent)
    head, body, end = client.next_event(), client.next_event(), client.next_event()
    assert isinstance(head, h11.Response) and list(head.headers) == list(wire), (head, wire)
    assert isinstance(body, h11.Data) and bytes(body.data) == b"body" and isinstance(end, h11.EndOfMessage)
    read = Read()
    httptools.HttpResponseParser(read).feed_data(sent)
    assert [(name, value.strip(b" \t")) for name, value in read.headers] == list(wire), (read.headers, wire)
    assert read.is_complete and read.body == b"body"


def _text(part: bytes) -> str:
    try:
        return part.decode()
    except UnicodeDecodeError:
        return part.decode("latin-1")


def mutate(data: bytes, random: Random) -> bytes:
    """Another name, another value, or something put into one."""
    parts = data.split(BREAK)
    n = random.randrange(len(parts))
    match random.randrange(4):
        case 0:
            parts[n] = random.choice(NAMES)
        case 1:
            parts += [random.choice(NAMES), random.choice(PARTS)]
        case _:
            at = random.randrange(len(parts[n]) + 1)
            parts[n] = parts[n][:at] + random.choice(PARTS) + parts[n][at:]
    return BREAK.join(parts)


TARGET = Target(check, 5_000, SEEDS, mutate, max_bytes=1024)
