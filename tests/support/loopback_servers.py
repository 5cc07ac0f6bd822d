"""Real servers on the loopback for tests of the egress door: raw bytes, TLS with an authority of their own, names that we resolve."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from mockforge_asgi.config.hosts import canonical_host
from mockforge_asgi.config.network import NetworkRule
from mockforge_asgi.errors import HostCallError
from mockforge_asgi.security.egress.client import Egress

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter, str], Awaitable[None]]


def allow(host: str, port: int, private: bool = True, scheme: str = "http") -> NetworkRule:
    """A place that is allowed."""
    return NetworkRule(scheme, host if "*" in host else canonical_host(host), port, private)


@dataclass
class Server:
    """A server of raw bytes: what it was sent, and what it answers by path."""

    port: int = 0
    heads: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    connections: int = 0
    answers: dict[str, bytes | Answer] = field(default_factory=dict)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                self.heads.append(head)
                length = next((int(line[15:]) for line in head.split("\r\n") if line.lower().startswith("content-length:")), 0)
                self.bodies.append(await reader.readexactly(length))
                answer = self.answers.get(head.split(" ")[1], reply(b"hello"))
                if callable(answer):
                    await answer(reader, writer, head)
                    break
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def reply(body: bytes, status: str = "200 OK", **headers: str) -> bytes:
    """An answer as bytes; `_` in a header's name stands for `-`."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *(f"{k.replace('_', '-')}: {v}" for k, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


@asynccontextmanager
async def serving(authority: Authority | None = None) -> AsyncIterator[Server]:
    """A server of the test, over TLS where it is given a certificate."""
    made = Server()
    running = await asyncio.start_server(made.serve, "127.0.0.1", 0, ssl=authority and authority.server)
    made.port = running.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        running.close()


def resolver(**names: list[str] | list[list[str]]) -> Callable[[str, int], Awaitable[Sequence[str]]]:
    """Names to addresses; a list of lists answers one after the other."""

    async def resolve(host: str, port: int) -> Sequence[str]:
        found: Any = names.get(host.replace(".", "_").replace("-", "_"))
        if found is None:
            raise OSError("Name or service not known")
        return list(found.pop(0)) if isinstance(found[0], list) else list(found)

    return resolve


def get(url: str, **more: Any) -> dict[str, Any]:
    """The payload of a GET."""
    return {"method": "GET", "url": url, "headers": [], **more}


async def refused(egress: Egress, payload: dict[str, Any]) -> HostCallError:
    """Why the door does not do it."""
    with pytest.raises(HostCallError) as caught:
        await egress.request(payload)
    await egress.close()
    return caught.value


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: str) -> None:
    """Answers nothing until the client leaves."""
    await reader.read()


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: str) -> None:
    """Begins a body that never ends."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    for _ in range(1000):
        writer.write(b"x")
        await writer.drain()
    await reader.read()


@dataclass(frozen=True)
class Authority:
    """A server's TLS context and the client's trust in it."""

    server: ssl.SSLContext
    names_seen: list[str]
    trust: Callable[[], ssl.SSLContext]


def make_authority(folder: Path) -> Authority:
    """An authority whose only certificate is for `idp.example`."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("idp.example")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True).sign(key, hashes.SHA256())
    )  # fmt: skip
    pem = folder / "server.pem"
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem)
    names: list[str] = []
    context.sni_callback = lambda sock, server_name, ctx: names.append(server_name)
    return Authority(context, names, lambda: ssl.create_default_context(cafile=str(pem)))
