"""The applications that hostile clients and guests are let loose on; each function is a factory for uvicorn."""

from __future__ import annotations

import asyncio
import gc
import os
import time

from mockforge_asgi import MockForge
from mockforge_asgi.runtime import PluginRuntime
from mockforge_asgi.telemetry.log import LogWriter
from mockforge_asgi.types import ASGIApp, Receive, Scope, Send


def watched() -> ASGIApp:
    """The same, its log written to nowhere; `/held` tells how long the loop was held at most, in ms of processor time, and begins anew."""
    runtime = PluginRuntime(os.environ["BENCH_CONFIG"])
    app = MockForge(runtime=runtime)
    runtime.events.subscribe(LogWriter(open(os.devnull, "w", encoding="utf-8"), redact=lambda text: runtime.events.redact(text)))  # noqa: SIM115
    longest = since = 0.0

    def beat() -> None:
        nonlocal longest, since
        now = time.thread_time()
        longest, since = max(longest, now - since), now
        asyncio.get_running_loop().call_later(0.001, beat)

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal longest, since
        if scope.get("path") != "/held":
            return await app(scope, receive, send)
        body = b"%.3f" % (longest * 1e3)
        if not since:
            gc.freeze()  # as `mockforge serve` does when it begins
            beat()
        longest = 0.0
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})

    return serve


def control_characters() -> ASGIApp:
    """A server that answers with 4 MiB of them."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4194304")]})
            await send({"type": "http.response.body", "body": b"\x01" * (4 << 20)})

    return app
