"""Servers that do not behave: each connection is a thread that does what the test says."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

SUCCESS, PROTOCOL_ERROR, SIZE_LIMIT, REFERRAL = 0, 2, 4, 10
BIND, SEARCH_ENTRY, SEARCH_DONE, EXTENDED = 0x61, 0x64, 0x65, 0x78


@dataclass
class Fake:
    """A listener; what it has seen of clients."""

    port: int
    connections: int = 0
    received: bytearray = field(default_factory=bytearray)

    @property
    def uri(self) -> str:
        """Where it listens, without TLS."""
        return f"ldap://127.0.0.1:{self.port}"

    def request(self, connection: socket.socket) -> tuple[int, int]:
        """(message id, operation's tag) of the next request. Raises ConnectionError."""
        return self.read(connection)[:2]

    def read(self, connection: socket.socket) -> tuple[int, int, bytes]:
        """The same, and the whole of it."""
        data = connection.recv(65536)
        if not data:
            raise ConnectionError
        self.received += data
        at = 2 + (data[1] & 0x7F if data[1] & 0x80 else 0)
        length = data[at + 1]
        return int.from_bytes(data[at + 2 : at + 2 + length], "big"), data[at + 2 + length], data


Behaviour = Callable[[Fake, socket.socket], None]


@contextmanager
def fake_server(behaviour: Behaviour) -> Iterator[Fake]:
    """A server that does this with each connection, and closes it then."""
    listener = socket.create_server(("127.0.0.1", 0))
    fake = Fake(listener.getsockname()[1])
    open_ones: list[socket.socket] = []

    def serve(connection: socket.socket) -> None:
        with suppress(OSError, IndexError), connection:
            behaviour(fake, connection)

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                fake.connections += 1
                open_ones.append(connection)
                threads.append(threading.Thread(target=serve, args=(connection,), daemon=True))
                threads[-1].start()

    threads = [threading.Thread(target=accept, daemon=True)]
    threads[0].start()
    try:
        yield fake
    finally:
        for end in (listener, *open_ones):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        for thread in threads:
            thread.join(10)


def tlv(tag: int, content: bytes) -> bytes:
    """A BER element (X.690 §8.1) of definite length."""
    return bytes([tag]) + length(len(content)) + content


def length(size: int) -> bytes:
    """The length octets of an element."""
    return bytes([size]) if size < 128 else b"\x84" + size.to_bytes(4, "big")


def message(number: int, operation: bytes) -> bytes:
    """An LDAP message."""
    return tlv(0x30, tlv(0x02, number.to_bytes(4, "big")) + operation)


def result(number: int, tag: int, code: int = SUCCESS, *, referral: str = "") -> bytes:
    """A message with a result code (RFC 4511 §4.1.9)."""
    more = tlv(0xA3, tlv(0x04, referral.encode())) if referral else b""
    return message(number, tlv(tag, tlv(0x0A, bytes([code])) + tlv(0x04, b"") + tlv(0x04, b"") + more))


def entry(number: int, dn: str, **attributes: str) -> bytes:
    """A message with an entry that a search has found."""
    pairs = b"".join(tlv(0x30, tlv(0x04, n.encode()) + tlv(0x31, tlv(0x04, v.encode()))) for n, v in attributes.items())
    return message(number, tlv(SEARCH_ENTRY, tlv(0x04, dn.encode()) + tlv(0x30, pairs)))


def silent(fake: Fake, connection: socket.socket) -> None:
    """Accepts, and never answers."""
    while data := connection.recv(65536):
        fake.received += data


def answering(*searches: bytes, bind: bytes = b"") -> Behaviour:
    """Accepts every password, and answers every search with these messages, whose numbers are set."""

    def behave(fake: Fake, connection: socket.socket) -> None:
        while True:
            number, tag = fake.request(connection)
            if tag == 0x60:
                connection.sendall(result(number, BIND) if not bind else bind)
            elif tag == 0x63:
                for answer in searches:
                    connection.sendall(answer.replace(b"\x02\x04\xee\xee\xee\xee", b"\x02\x04" + number.to_bytes(4, "big")))

    return behave


def carry(source: socket.socket, target: socket.socket) -> None:
    """Carries what one end says to the other, until it ends."""
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
