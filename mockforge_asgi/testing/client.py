"""`Client` calls an ASGI app in the process of the test, without server or sockets; `Conversation` is the server's side of one request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from urllib.parse import quote, unquote, urlsplit

from mockforge_asgi.exact_json import dumps, loads
from mockforge_asgi.types import ASGIApp, Json, Message, Scope


@dataclass(frozen=True, slots=True)
class Response:
    """What the app answered. Header names are lower-case."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """The first value of a header."""
        return next((value for key, value in self.headers if key == name.lower()), None)

    def json(self) -> Json:
        """The body as JSON."""
        return loads(self.body)

    @property
    def text(self) -> str:
        """The body as UTF-8 text."""
        return self.body.decode()


Body = bytes | Iterable[bytes] | AsyncIterable[bytes]


class Client:
    """Calls one app. `client` is the address the app believes to be called from."""

    def __init__(self, app: ASGIApp, *, host: str = "testserver", root_path: str = "", client: str = "127.0.0.1") -> None:
        self.app, self.host, self.root_path, self.client = app, host, root_path, client
        self.state: dict[str, object] = {}
        self._lifespan: _Lifespan | None = None

    async def __aenter__(self) -> Client:
        self._lifespan = _Lifespan(self.app, self.state)
        await self._lifespan.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._lifespan is not None:
            await self._lifespan.stop()

    def scope(self, method: str, url: str, headers: Mapping[str, str] | Iterable[tuple[str, str]] = ()) -> Scope:
        """The scope of a request; `url` is a path with an optional query, percent-encoded where it is not ASCII."""
        url = "".join(c if c.isascii() else quote(c) for c in url)
        parts = urlsplit(url if not url.startswith("//") else "http:/" + url[1:])
        raw = url.partition("?")[0] if url.startswith("//") else parts.path
        pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
        named = {name.lower() for name, _ in pairs}
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": method.upper(),
            "scheme": "http",
            "path": self.root_path + unquote(raw),
            "raw_path": (self.root_path + raw).encode("ascii"),
            "query_string": parts.query.encode("ascii"),
            "root_path": self.root_path,
            "headers": [
                *([] if "host" in named else [(b"host", self.host.encode())]),
                *((name.lower().encode("ascii"), value.encode("latin-1")) for name, value in pairs),
            ],
            "client": (self.client, 50000),
            "server": (self.host, 80),
            "state": dict(self.state),
            "extensions": {},
        }

    async def request(
        self, method: str, url: str, *, headers: Mapping[str, str] | Iterable[tuple[str, str]] = (), body: Body = b"", json: Json = None
    ) -> Response:
        """Send a request and wait for the whole response. `json` replaces `body`."""
        pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
        if json is not None:
            body = dumps(json)
            pairs.append(("content-type", "application/json"))
        if isinstance(body, bytes) and body:
            pairs.append(("content-length", str(len(body))))
        elif not isinstance(body, bytes):
            pairs.append(("transfer-encoding", "chunked"))
        conversation = Conversation([m async for m in _messages(body)])
        await self.app(self.scope(method, url, pairs), conversation.receive, conversation.send)
        return conversation.response

    async def get(self, url: str, *, headers: Mapping[str, str] | Iterable[tuple[str, str]] = ()) -> Response:
        """A GET request."""
        return await self.request("GET", url, headers=headers)

    async def post(
        self, url: str, *, headers: Mapping[str, str] | Iterable[tuple[str, str]] = (), body: Body = b"", json: Json = None
    ) -> Response:
        """A POST request."""
        return await self.request("POST", url, headers=headers, body=body, json=json)


async def _messages(body: Body) -> AsyncIterable[Message]:
    if isinstance(body, bytes):
        yield {"type": "http.request", "body": body, "more_body": False}
        return
    if isinstance(body, AsyncIterable):
        async for chunk in body:
            yield {"type": "http.request", "body": chunk, "more_body": True}
    else:
        for chunk in body:
            yield {"type": "http.request", "body": chunk, "more_body": True}
    yield {"type": "http.request", "body": b"", "more_body": False}


class Conversation:
    """The server's side of one request: gives the messages in turn, then waits until `leave`; keeps what is sent."""

    def __init__(self, messages: Iterable[Message] = ()) -> None:
        self._messages = list(messages)
        self._left = asyncio.Event()
        self.sent: list[Message] = []
        self.received = 0

    async def receive(self) -> Message:
        """The app's `receive`."""
        if self._messages:
            self.received += 1
            return self._messages.pop(0)
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """The app's `send`."""
        self.sent.append(message)

    def leave(self) -> None:
        """The client goes away."""
        self._left.set()

    @property
    def response(self) -> Response:
        """What was answered, as far as it came."""
        start = next((m for m in self.sent if m["type"].endswith("response.start")), None)
        if start is None:
            raise AssertionError(f"the app sent no answer, only {[m['type'] for m in self.sent]}")
        headers = tuple((n.decode("latin-1"), v.decode("latin-1")) for n, v in start.get("headers") or ())
        body = b"".join(m.get("body") or b"" for m in self.sent if m["type"].endswith("response.body"))
        return Response(start["status"], headers, body)


class _Lifespan:
    """The app's lifespan, in a task of its own as servers run it."""

    def __init__(self, app: ASGIApp, state: dict[str, object]) -> None:
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._from_app: asyncio.Queue[Message] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._app, self._state = app, state

    async def start(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self._state}
        self._task = asyncio.ensure_future(self._run(scope))
        self._task.add_done_callback(lambda task: task.cancelled() or task.exception())  # one that failed may have said so already
        await self._turn("startup")

    async def stop(self) -> None:
        await self._turn("shutdown")
        if self._task is not None:
            await self._task

    async def _run(self, scope: Scope) -> None:
        await self._app(scope, self._to_app.get, self._from_app.put)

    async def _turn(self, phase: str) -> None:
        if self._task is None or self._task.done():
            return
        await self._to_app.put({"type": f"lifespan.{phase}"})
        answer = asyncio.ensure_future(self._from_app.get())
        await asyncio.wait({answer, self._task}, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            answer.cancel()
            if self._task.exception() is not None and phase == "shutdown":
                await self._task
            return
        message = answer.result()
        if message["type"] == f"lifespan.{phase}.failed":
            raise RuntimeError(f"{phase} failed: {message.get('message', '')}")
