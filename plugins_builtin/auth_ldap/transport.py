"""A connection to one server: socket, TLS, deadlines and how much may be answered. What the bytes mean is libldap's affair.

libldap is given one end of a socket pair instead of the server's socket, and this module carries its bytes. Left to connect by itself,
libldap 2.5 built with GnuTLS (Debian 12) spins for ever in the handshake of a server that does not answer, whatever time-outs are
set; it cannot say what is wrong with a certificate, and takes answers of any size. Here TLS is Python's `ssl`.
"""

from __future__ import annotations

import socket
import ssl
import time
from contextlib import suppress

from .failures import BadAnswer, Unreachable
from .settings import Server

MAX_ANSWER_BYTES = 4 << 20
"""The most that a server may send for one operation."""
_CHUNK = 16_384


class Transport:
    """Open until `close`. Used by one thread."""

    def __init__(self, server: Server, tls: ssl.SSLContext | None, deadline_s: float) -> None:
        """Connected, and encrypted for `ldaps://`. Raises Unreachable."""
        self.server, self._tls = server, tls
        self._socket = _connected(server, deadline_s)
        self._inner: socket.socket | None = None
        self._received = 0
        if server.tls == "ldaps":
            try:
                self.encrypt(deadline_s)
            except BaseException:
                self.close()
                raise

    def end_for_libldap(self) -> int:
        """A descriptor that libldap takes over; what was carried to one before and not read yet is forgotten."""
        if self._inner is not None:
            self._inner.close()
        self._inner, theirs = socket.socketpair()
        for end in (self._inner, theirs):
            end.setblocking(False)
        return theirs.detach()

    def encrypt(self, deadline_s: float) -> None:
        """From here on TLS, with the certificate and its host name checked. Raises Unreachable."""
        assert self._tls is not None, "there is a context where a server wants one"
        try:
            self._socket.settimeout(_left(deadline_s))
            self._socket = self._tls.wrap_socket(self._socket, server_hostname=self.server.host)
        except ssl.SSLCertVerificationError as error:
            raise Unreachable(f"{self.server.uri} is not trusted: {error.verify_message.rstrip('.')}") from None
        except TimeoutError:
            raise Unreachable(f"{self.server.uri} did not end the TLS handshake in time") from None
        except ssl.SSLError as error:
            raise Unreachable(f"{self.server.uri} speaks no TLS that is accepted here ({error.reason or 'handshake failed'})") from None
        except OSError as error:
            raise Unreachable(f"{self.server.uri} broke off the TLS handshake ({_why(error)})") from None

    @property
    def is_encrypted(self) -> bool:
        """Whether TLS is spoken."""
        return isinstance(self._socket, ssl.SSLSocket)

    def begin(self) -> None:
        """A new operation: what may be answered counts from here."""
        self._received = 0

    def send(self, deadline_s: float) -> None:
        """Carry what libldap wrote. Raises Unreachable."""
        try:
            while data := self._written():
                self._socket.settimeout(_left(deadline_s))
                self._socket.sendall(data)
        except TimeoutError:
            raise Unreachable(f"{self.server.uri} takes nothing more") from None
        except OSError as error:
            raise Unreachable(f"{self.server.uri} closed the connection ({_why(error)})") from None

    def receive(self, deadline_s: float) -> None:
        """Wait for some bytes, and carry them to libldap. Raises Unreachable, BadAnswer."""
        try:
            self._socket.settimeout(_left(deadline_s))
            data = self._socket.recv(_CHUNK)
        except TimeoutError:
            raise Unreachable(f"{self.server.uri} did not answer in time") from None
        except OSError as error:
            raise Unreachable(f"{self.server.uri} closed the connection ({_why(error)})") from None
        if not data:
            raise Unreachable(f"{self.server.uri} closed the connection")
        self._received += len(data)
        if self._received > MAX_ANSWER_BYTES:
            raise BadAnswer(f"{self.server.uri} answered more than {MAX_ANSWER_BYTES >> 20} MiB")
        try:
            if self._inner is not None and self._inner.send(data) == len(data):
                return
        except OSError:
            pass
        raise BadAnswer(f"{self.server.uri} answered what libldap does not read")

    def is_alive(self) -> bool:
        """Whether the server has not closed it meanwhile; nothing is due when nothing was asked."""
        try:
            self._socket.settimeout(0)
            self._socket.recv(1)  # its end, or what nobody asked for: a farewell (RFC 4511 §4.4.1)
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except OSError:
            pass
        return False

    def close(self) -> None:
        """Close it."""
        for end in (self._socket, self._inner):
            if end is not None:
                with suppress(OSError):
                    end.close()

    def _written(self) -> bytes:
        try:
            return b"" if self._inner is None else self._inner.recv(_CHUNK)
        except BlockingIOError:
            return b""


def tls_context(ca_file: str | None) -> ssl.SSLContext:
    """TLS 1.2 or newer, certificates and host names checked against the file's authorities, or else the system's. Raises OSError."""
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = max(context.minimum_version, ssl.TLSVersion.TLSv1_2)
    return context


def _connected(server: Server, deadline_s: float) -> socket.socket:
    try:
        addresses = socket.getaddrinfo(server.host, server.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise Unreachable(f"{server.uri}: there is no such host ({_why(error)})") from None
    cause = "no address"
    for family, kind, protocol, _, address in addresses:
        made = socket.socket(family, kind, protocol)
        try:
            made.settimeout(_left(deadline_s))
            made.connect(address)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return made
        except TimeoutError:
            cause = "no answer in time"
        except OSError as error:
            cause = _why(error)
        made.close()
    raise Unreachable(f"{server.uri} cannot be reached ({cause})")


def _left(deadline_s: float) -> float:
    """Seconds until then. Raises TimeoutError."""
    left = deadline_s - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _why(error: OSError) -> str:
    return error.strerror or type(error).__name__
