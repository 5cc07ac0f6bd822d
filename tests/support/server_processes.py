"""Real servers as subprocesses on free loopback ports, and a small client that sends just what it is told."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, DataReceived, Event, ResponseReceived, StreamEnded, StreamReset, TrailersReceived

ROOT = Path(__file__).resolve().parents[2]
COMMANDS: Mapping[str, tuple[str, ...]] = {
    "uvicorn-h11": ("uvicorn", "--http", "h11", "--loop", "asyncio", "--port", "{port}", "{app}"),
    "uvicorn-httptools": ("uvicorn", "--http", "httptools", "--loop", "uvloop", "--port", "{port}", "{app}"),
    "hypercorn": ("hypercorn", "--bind", "127.0.0.1:{port}", "{app}"),
    "granian": ("granian", "--interface", "asgi", "--host", "127.0.0.1", "--port", "{port}", "{app}"),
    "daphne": ("daphne", "-b", "127.0.0.1", "-p", "{port}", "{app}"),
}
READY = ("Uvicorn running on", "Running on http", "Started worker-1", "Listening on TCP address")
HAS_LIFESPAN = frozenset(COMMANDS) - {"daphne"}


@dataclass(slots=True)
class Running:
    """A server that answers."""

    name: str
    port: int
    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)
    is_ready: threading.Event = field(default_factory=threading.Event)
    process_ended: threading.Event = field(default_factory=threading.Event)

    def follow(self) -> None:
        """Keep what it prints."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip())
            if any(words in line for words in READY):
                self.is_ready.set()
        self.is_ready.set()
        self.process_ended.set()

    def until_it_accepts(self) -> None:
        """Try until a connection is accepted: some say that they are ready a little too early."""
        while self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=20).close()
            except ConnectionRefusedError:
                self.process_ended.wait(0.01)
            else:
                return

    @property
    def output(self) -> str:
        """All it has printed."""
        return "\n".join(self.lines)

    def request(self, method: str, target: str, body: bytes | Iterator[bytes] | None = None, /, **headers: str) -> Answer:
        """Send a request whose target is just these characters."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, target, body, named, encode_chunked=not isinstance(body, bytes | None))
            response = connection.getresponse()
            try:
                received, is_cut = response.read(), False
            except http.client.IncompleteRead as short:
                received, is_cut = short.partial, True
            pairs = tuple((name.lower(), value) for name, value in response.getheaders())
            return Answer(response.status, pairs, received, is_cut)
        finally:
            connection.close()

    def get(self, target: str, **headers: str) -> Answer:
        """A GET request."""
        return self.request("GET", target, None, **headers)

    def http2(self, method: str, target: str, **headers: str) -> Answer:
        """Send a request over HTTP/2, without TLS and without asking first (RFC 9113 §3.3)."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            return _over_http2(connection, method, target, headers)

    def raw(self, request: bytes) -> Answer:
        """Send just these bytes; what comes back is read to the end of the first answer."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            connection.sendall(request)
            response = http.client.HTTPResponse(connection)
            response.begin()
            return Answer(response.status, tuple((name.lower(), value) for name, value in response.getheaders()), response.read())

    @contextmanager
    def leaving(self, target: str) -> Iterator[socket.socket]:
        """A client that sends a GET request and leaves at the end of the block."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            connection.sendall(f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            yield connection


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; `is_cut`: the connection ended within the body."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    is_cut: bool = False
    trailers: tuple[tuple[str, str], ...] = ()

    def header(self, name: str) -> str | None:
        """The first value of a header."""
        return next((value for key, value in self.headers if key == name), None)


def _over_http2(connection: socket.socket, method: str, target: str, headers: Mapping[str, str]) -> Answer:
    state = H2Connection(H2Configuration(client_side=True, header_encoding="latin-1"))
    state.initiate_connection()
    pseudo = [(":method", method), (":scheme", "http"), (":authority", "127.0.0.1"), (":path", target)]
    state.send_headers(1, [*pseudo, *((name.replace("_", "-"), value) for name, value in headers.items())], end_stream=True)
    head: dict[type[Event], tuple[tuple[str, str], ...]] = {}
    body = b""
    while True:
        connection.sendall(state.data_to_send())
        received = connection.recv(65536)
        for event in state.receive_data(received):
            if isinstance(event, ResponseReceived | TrailersReceived):
                head[type(event)] = tuple((str(name), str(value)) for name, value in event.headers or ())
            elif isinstance(event, DataReceived):
                body += event.data or b""
                state.acknowledge_received_data(event.flow_controlled_length or 0, 1)
            elif isinstance(event, StreamEnded | StreamReset | ConnectionTerminated) or not received:
                (_, status), *pairs = head[ResponseReceived]
                return Answer(int(status), tuple(pairs), body, not isinstance(event, StreamEnded), head.get(TrailersReceived, ()))


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(name: str, app: str) -> Iterator[Running]:
    """The server with `tests.servers.apps:<app>`, stopped at the end of the block."""
    port = free_port()
    filled = (part.format(port=port, app=f"tests.servers.apps:{app}") for part in COMMANDS[name])
    with _process(name, port, ["-m", *filled]) as server:
        if not server.is_ready.wait(60) or server.process.poll() is not None:
            raise RuntimeError(f"{name} did not start:\n{server.output}")
        server.until_it_accepts()
        yield server


@contextmanager
def serving_file(file: Path) -> Iterator[Running]:
    """`mockforge serve` with a configuration, under uvicorn, stopped at the end of the block."""
    port = free_port()
    with _process("mockforge", port, ["-m", "mockforge_asgi", "serve", str(file), "--port", str(port)]) as server:
        server.until_it_accepts()
        if server.process.poll() is not None:
            raise RuntimeError(f"it did not start:\n{server.output}")
        yield server


@contextmanager
def running_process(name: str, arguments: list[str], more: Mapping[str, str] | None = None) -> Iterator[Running]:
    """A Python process with these arguments, in which `{port}` is filled in, and with these variables besides; stopped at the end."""
    port = free_port()
    with _process(name, port, [argument.replace("{port}", str(port)) for argument in arguments], more) as server:
        server.until_it_accepts()
        if server.process.poll() is not None:
            raise RuntimeError(f"{name} did not start:\n{server.output}")
        yield server


@contextmanager
def _process(name: str, port: int, arguments: list[str], more: Mapping[str, str] | None = None) -> Iterator[Running]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **(more or {})}
    process = subprocess.Popen(
        [sys.executable, *arguments], cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    server = Running(name, port, process)
    follower = threading.Thread(target=server.follow, daemon=True)
    follower.start()
    try:
        yield server
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        follower.join(10)
        if process.stdout is not None:
            process.stdout.close()
