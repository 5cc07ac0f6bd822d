"""Other mock servers, measured beside ours where they are installed: WireMock (Java) and Prism (Node).

They are looked for in the folder that `BENCH_PEERS` names (else `~/.cache/mockforge-bench-peers`), where
`npm install --ignore-scripts wiremock @stoplight/prism-cli` has put them. What they answer is what our own cases of the same
kind answer: a constant, and a template that takes the path parameter and a header; Prism gives an example of its document.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cases import Case
from benchmarks.servers import Server, free_port, started

FOLDER = Path("~/.cache/mockforge-bench-peers")
INSTALL = "npm install --ignore-scripts --prefix {folder} wiremock @stoplight/prism-cli"
_JSON = {"Content-Type": "application/json"}
_HELLO = '{"message": "Hello, {{request.pathSegments.[1]}}", "caller": "{{request.headers.X-API-Key}}"}'
_MAPPINGS = [
    {"request": {"method": "GET", "urlPath": "/health"}, "response": {"status": 200, "headers": _JSON, "body": '{"status":"ok"}'}},
    {
        "request": {"method": "GET", "urlPathTemplate": "/hello/{name}"},
        "response": {"status": 200, "headers": _JSON, "body": _HELLO, "transformers": ["response-template"]},
    },
    *(
        {"request": {"method": "GET", "urlPathTemplate": f"/mocks/{n}/{{id}}"}, "response": {"status": 200, "jsonBody": {"n": n}}}
        for n in range(20)
    ),
]
_EXAMPLE = {"application/json": {"schema": {"type": "object"}, "example": {"status": "ok"}}}
_DOCUMENT = {
    "openapi": "3.0.3",
    "info": {"title": "bench", "version": "1"},
    "paths": {
        "/health": {"get": {"responses": {"200": {"description": "fine", "content": _EXAMPLE}}}},
        **{f"/mocks/{n}/items": {"get": {"responses": {"200": {"description": "fine", "content": _EXAMPLE}}}} for n in range(20)},
    },
}
_STATIC = Case("", "/health", answer=('"ok"',))
_TEMPLATED = Case("", "/hello/Ada{n}", {"X-API-Key": "key-{n}"}, answer=('"message": "Hello, Ada{n}"', '"caller": "key-{n}"'))


@dataclass(frozen=True, slots=True)
class Peer:
    """A server that is installed, the command that starts it, and the cases that it serves."""

    name: str
    command: tuple[str, ...]
    cases: dict[str, Case]
    warm_requests: int
    """How many requests of a case it must have answered before it can be called warm: compilers at run time go by that."""


def peers(folder: Path, work: Path) -> Iterator[Peer]:
    """Those that are installed in the folder; what they serve is written below `work`. Those missing are told on standard error."""
    jar = next(iter(sorted(folder.rglob("wiremock-standalone-*.jar"))), None)
    java = shutil.which("java")
    if jar and java:
        (work / "mappings").mkdir(parents=True)
        (work / "mappings" / "all.json").write_text(json.dumps({"mappings": _MAPPINGS}))
        options = ("--disable-banner", "--no-request-journal", "--bind-address", "127.0.0.1", "--root-dir", str(work))
        yield Peer(
            "wiremock", (java, "-jar", str(jar), *options, "--port"), {"wiremock": _STATIC, "wiremock_templated": _TEMPLATED}, 200_000
        )
    else:
        _missing("WireMock", folder, "" if java else " It needs java.")
    prism = folder / "node_modules" / ".bin" / "prism"
    if prism.exists() and shutil.which("node"):
        document = work / "openapi.json"
        document.parent.mkdir(parents=True, exist_ok=True)
        document.write_text(json.dumps(_DOCUMENT))
        command = (str(prism), "mock", str(document), "-h", "127.0.0.1", "--verboseLevel", "silent", "-p")
        yield Peer("prism", command, {"prism": _STATIC}, warm_requests=20_000)
    else:
        _missing("Prism", folder, "" if shutil.which("node") else " It needs node.")


def home() -> Path:
    """Where they are looked for."""
    return Path(os.environ.get("BENCH_PEERS") or FOLDER).expanduser()


@asynccontextmanager
async def running(peer: Peer) -> AsyncIterator[Server]:
    """The peer, at a free port."""
    port = free_port()
    async with started([*peer.command, str(port)], port, quiet=True) as server:
        yield server


def _missing(name: str, folder: Path, more: str) -> None:
    print(f"{name} is not installed in {folder} and is left out: {INSTALL.format(folder=folder)}{more}", file=sys.stderr)
