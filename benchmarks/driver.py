"""Measures cases in its own process, as it is told on standard input: `python -m benchmarks.driver FOLDER`.

Each line is a JSON object, and so is each answer: `{"case", "calls"}` gives `{"us", "cpu_us"}`, the mean time and processor time
of one call of the app; `{"case", "count": true}` gives `{"python_calls"}`, how many Python functions are entered in one, by the
median of some requests (a coroutine that goes on after a wait counts once more). A case is loaded when it is first named, and
answers some requests that are checked. The first line it writes by itself: `{"package"}`, where the measured package lies.

Of the package it uses `MockForge` alone, so that another commit's can be measured with it.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
from itertools import count
from pathlib import Path
from time import perf_counter, process_time
from types import FrameType
from typing import Any

import mockforge_asgi
from benchmarks import apps
from benchmarks.cases import Case, case
from benchmarks.in_process import scope, send

CHUNK = 500
"""How many requests are made ready before the clock runs."""
COUNTED = 21


class Request:
    """One request and, where they are kept, its answers. The client stays: nothing comes after the body."""

    __slots__ = ("_body", "scope", "sent")

    def __init__(self, sent: Case, n: int) -> None:
        body, headers = sent.content(n), sent.header_pairs(n)
        if body:
            headers.append(("content-length", str(len(body))))
        self.scope = scope(sent.target(n), sent.method, headers)
        self._body: bytes | None = body
        self.sent: list[Any] = []

    async def receive(self) -> dict[str, Any]:
        """The body in one piece, then nothing."""
        if self._body is None:
            await asyncio.get_running_loop().create_future()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}

    async def keep(self, message: Any) -> None:
        """Where the answer is looked at."""
        self.sent.append(message)


class Loaded:
    """A case with its application, ready to be called."""

    def __init__(self, folder: Path, name: str) -> None:
        self._case = case(folder / name, name)
        if self._case.config is not None:
            os.environ["BENCH_CONFIG"] = str(self._case.config)
        self.app: Any = getattr(apps, self._case.app)()
        self._numbers = count(1)

    async def check(self) -> None:
        """Some answers, each to its own request. The first loads the plugins."""
        for _ in range(20):
            n = next(self._numbers)
            request = Request(self._case, n)
            await self.app(request.scope, request.receive, request.keep)
            status = next(m["status"] for m in request.sent if m["type"] == "http.response.start")
            self._case.check(n, status, b"".join(m.get("body", b"") for m in request.sent).decode())

    async def timed(self, calls: int) -> dict[str, float]:
        """Microseconds of one call, as the mean, without the making of its request."""
        app, wall, used, left = self.app, 0.0, 0.0, calls
        while left > 0:
            ready = [Request(self._case, next(self._numbers)) for _ in range(min(left, CHUNK))]
            left -= len(ready)
            cpu, begun = process_time(), perf_counter()
            for request in ready:
                await app(request.scope, request.receive, send)
            wall, used = wall + perf_counter() - begun, used + process_time() - cpu
        return {"us": wall / calls * 1e6, "cpu_us": used / calls * 1e6}

    async def counted(self) -> dict[str, float]:
        """Python functions entered in one call, the sending of two messages and the receiving of one included."""
        seen = []
        for _ in range(COUNTED):
            request, entered = Request(self._case, next(self._numbers)), 0

            def note(frame: FrameType, event: str, argument: object) -> None:
                nonlocal entered
                entered += event == "call"

            sys.setprofile(note)
            try:
                await self.app(request.scope, request.receive, send)
            finally:
                sys.setprofile(None)
            seen.append(entered)
        return {"python_calls": statistics.median(seen)}

    async def stop(self) -> None:
        """Its plugins, if it has any."""
        if (runtime := getattr(self.app, "runtime", None)) is not None:
            await runtime.stop()


async def serve(folder: Path) -> None:
    """Carry out each line, until there are no more."""
    loaded: dict[str, Loaded] = {}
    loop = asyncio.get_running_loop()
    print(json.dumps({"package": str(Path(mockforge_asgi.__file__).parent)}), flush=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        wanted = json.loads(line)
        name = wanted["case"]
        if name not in loaded:
            loaded[name] = Loaded(folder, name)
            await loaded[name].check()
        of = loaded[name]
        answer = await of.counted() if wanted.get("count") else await of.timed(wanted["calls"])
        await of.check()
        print(json.dumps(answer), flush=True)
    for of in loaded.values():
        await of.stop()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
