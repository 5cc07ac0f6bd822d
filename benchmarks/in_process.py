"""What a request costs in the process, without server or socket: the time one call of the app takes.

`pass_through` is the same app behind 21 mocks that do not claim the path; `static` a mock's answer of the same bytes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from time import perf_counter

from benchmarks.apps import MOCKS, bare
from benchmarks.figures import Figure, Turn, compare, summary
from mockforge_asgi import MockForge
from mockforge_asgi.types import ASGIApp, Message, Scope

AGAINST = {"pass_through": "bare", "static": "bare"}
HEADERS = [
    (b"host", b"127.0.0.1:8000"),
    (b"user-agent", b"bench"),
    (b"accept", b"*/*"),
    (b"accept-encoding", b"gzip"),
    (b"connection", b"keep-alive"),
    (b"x-request-id", b"1"),
]


def scope(path: str) -> Scope:
    """What a server makes of a small GET request."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": list(HEADERS),
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8000),
        "state": {},
    }


async def receive() -> Message:
    """An empty body."""
    return {"type": "http.request", "body": b"", "more_body": False}


async def send(message: Message) -> None:
    """Nowhere."""


async def once(app: ASGIApp, path: str, calls: int) -> float:
    """Microseconds of one call, the making of its scope included, as the mean over `calls`."""
    begun = perf_counter()
    for _ in range(calls):
        await app(scope(path), receive, send)
    return (perf_counter() - begun) / calls * 1e6


async def run(quick: bool) -> AsyncIterator[Figure]:
    """All cases in turns. Their difference to `bare` is what is added."""
    calls, turns = (2_000, 3) if quick else (50_000, 9)
    wrapped = MockForge(bare(), {"version": 1, "routes": MOCKS})
    cases: dict[str, tuple[ASGIApp, str]] = {
        "bare": (bare(), "/app"),
        "pass_through": (wrapped, "/app"),
        "static": (wrapped, "/health"),
    }
    seen: dict[str, list[Turn]] = {name: [] for name in cases}
    for turn in range(turns + 1):
        for name, (app, path) in cases.items():
            value = await once(app, path, calls)
            if turn:  # the first turn warms up
                seen[name].append(Turn(value))
    figures = [
        Figure(bench="in_process", case=name, value=summary(turns_seen).value, unit="us", conditions={"calls": calls, "routes": len(MOCKS)})
        for name, turns_seen in seen.items()
    ]
    for figure in compare(figures, AGAINST):
        yield figure
    await wrapped.runtime.stop()
