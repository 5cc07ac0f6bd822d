"""The arena: a whole MockForge with a well-behaved plugin, into which hostile ones are loaded while it answers requests.

What is left behind (memory charged, instances, descriptors, threads, processes) is counted before and after each of them.
"""

from __future__ import annotations

import asyncio
import gc
import os
import re
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from mockforge_asgi.config import load_config
from mockforge_asgi.errors import MockForgeError
from mockforge_asgi.events import CallFinished, Event, GuestLogged
from mockforge_asgi.http.exchange import Exchange
from mockforge_asgi.middleware import MockForge
from mockforge_asgi.plugins.authorization import authorize
from mockforge_asgi.plugins.plugin import Plugin
from mockforge_asgi.runtime import PluginRuntime
from mockforge_asgi.state.workers import is_alone
from mockforge_asgi.testing import Client, Conversation
from tests.hostile.core import GOOD

EXTENSIONS = {"extism": "plugin.wasm", "component": "plugin.wasm", "python": "plugin.py"}
SETTLED_S = 30.0
"""What is still held after that is taken for left behind."""
LATE_S = 2.0
"""Another request that takes longer was held up: no measure of speed, the machine may be busy."""


@dataclass(frozen=True, slots=True)
class Remains:
    """What the process holds."""

    charged: int
    descriptors: int
    threads: int
    children: int
    names: tuple[str, ...] = ()
    """What the descriptors stand for, without the numbers that the system gives."""

    def beyond(self, before: Remains) -> dict[str, object]:
        """What there is more of than before; for descriptors also which."""
        counts = ("charged", "descriptors", "threads", "children")
        more: dict[str, object] = {n: (a, b) for n in counts if (b := getattr(self, n)) > (a := getattr(before, n))}
        if "descriptors" in more:
            more["which"] = sorted((Counter(self.names) - Counter(before.names)).elements())
        return more


@dataclass(slots=True)
class Arena:
    """A running product. `folder` is for packages."""

    runtime: PluginRuntime
    client: Client
    folder: Path
    seen: list[Event] = field(default_factory=list)
    slowest_s: float = 0.0
    answered: int = 0
    is_probing: bool = False
    count: int = 0

    async def load(self, code: bytes | str, runtime: str, limits: dict[str, Any], more: dict[str, Any] | None = None) -> Plugin:
        """Load a package of that code as the plugin `evil`, by the product's own road; raises what that raises."""
        self.count += 1
        folder = self.folder / f"evil{self.count}"
        folder.mkdir()
        manifest = {
            "manifest_version": 1,
            "id": "evil",
            "version": "1.0.0",
            "contract": "0.1",
            "kinds": ["response"],
            "runtime": runtime,
            "entry": EXTENSIONS[runtime],
            "limits": limits,
            **(more or {}),
        }
        (folder / "plugin.yaml").write_text(yaml.safe_dump(manifest))
        (folder / EXTENSIONS[runtime]).write_bytes(code.encode("utf-8", "surrogatepass") if isinstance(code, str) else code)
        use = {
            "use": str(folder),
            "instances": {"max": 24},
            "limits": limits,  # the operator's word, too: a manifest alone gets less memory
            "grants": {n: {k: v for k, v in asked.items() if k != "reason"} for n, asked in manifest.get("permissions", {}).items()},
        }
        config = load_config({"version": 1, "dev": True, "plugins": {"evil": use}})
        authorization = await asyncio.to_thread(authorize, config.plugins["evil"], config)
        return await self.runtime._alive().loader.load(authorization)

    def put(self, plugin: Plugin) -> None:
        """Let requests reach it."""
        self.runtime.registry.put(plugin)

    async def take_out(self) -> None:
        """Retire it, and wait until it has gone."""
        self.runtime.registry.remove("evil")
        await self.runtime.registry._retired()

    async def settle(self, before: Remains | None = None) -> Remains:
        """What is held once nothing moves any more; with `before`, once it is no more than that. After `SETTLED_S` it is told as it is.

        A thread that handed over its result holds it a moment longer, and with it a module and its descriptors.
        """
        is_alone("the arena")  # the file that workers lock is opened once, and for the process
        last, deadline = None, time.monotonic() + SETTLED_S
        while True:
            await asyncio.sleep(0.001)
            now = self.remains()
            if (not now.beyond(before) if before else now == last) or time.monotonic() > deadline:
                return now
            last = now

    def remains(self) -> Remains:
        """What is held now."""
        gc.collect()
        sandbox = self.runtime._alive().sandbox[0]
        workers = sum(not thread.name.startswith("asyncio_") for thread in threading.enumerate())
        pid = os.getpid()
        children = 0
        for thread in os.listdir(f"/proc/{pid}/task"):
            with suppress(FileNotFoundError):  # one of the C library's, which lived for an expiry of a timer
                children += len(Path(f"/proc/{pid}/task/{thread}/children").read_text().split())
        names = []
        for number in os.listdir("/proc/self/fd"):
            with suppress(OSError):  # the descriptor of this very listing
                names.append(re.sub(r":\[\d+\]$", "", os.readlink(f"/proc/self/fd/{number}")))
        return Remains(sandbox.memory.charged, len(names), workers, children, tuple(sorted(names)))

    async def probe(self) -> None:
        """Ask the good plugin again and again until told to stop; note the longest it took."""
        began = time.perf_counter()
        while self.is_probing:
            answer = await self.client.get("/good")
            assert (answer.status, answer.text) == (200, "good")
            self.answered += 1
            await asyncio.sleep(0.001)
            began, before = time.perf_counter(), began
            self.slowest_s = max(self.slowest_s, began - before)

    @asynccontextmanager
    async def probed(self) -> AsyncIterator[None]:
        """Other requests go on meanwhile."""
        self.slowest_s, self.answered, self.is_probing = 0.0, 0, True
        task = asyncio.create_task(self.probe())
        try:
            yield
        finally:
            self.is_probing = False
            await task


def exchange() -> Exchange:
    """A request as plugins are given it."""
    talk = Conversation([{"type": "http.request", "body": b"", "more_body": False}])
    scope = {
        "type": "http", "method": "GET", "scheme": "http", "path": "/evil", "raw_path": b"/evil", "query_string": b"", "root_path": "",
        "headers": [(b"host", b"t")], "client": ("127.0.0.1", 1), "server": ("t", 80), "http_version": "1.1", "extensions": {},
    }  # fmt: skip
    return Exchange(scope, talk.receive, talk.send)


async def ask(plugin: Plugin) -> Any:
    """Its answer to one request, or the error that ended the call."""
    made = exchange()
    try:
        return await plugin.generate(made)
    except MockForgeError as error:
        return error
    finally:
        made.close()


@asynccontextmanager
async def arena(folder: Path) -> AsyncIterator[Arena]:
    """A MockForge with the plugin `good`, and a route for `evil`."""
    good = folder / "good"
    good.mkdir()
    (good / "plugin.wasm").write_bytes(GOOD)
    (good / "plugin.yaml").write_text(
        'manifest_version: 1\nid: good\nversion: 1.0.0\ncontract: "0.1"\nkinds: [response]\nruntime: extism\nentry: plugin.wasm\n'
        "limits: {timeout_ms: 60000}\n"
    )
    config = {
        "version": 1,
        "dev": True,
        "plugins": {"good": {"use": str(good)}, "evil": {"use": str(folder / "evil"), "enabled": False}},
        "routes": [
            {"match": {"path": f"/{name}"}, "response": {"plugin": name}} for name in ("good", "evil")
        ],
    }  # fmt: skip
    runtime = PluginRuntime(config)
    made = Arena(runtime, Client(MockForge(None, runtime=runtime)), folder)
    for kind in (CallFinished, GuestLogged):
        runtime.events.subscribe(made.seen.append, kind)
    async with made.client:
        yield made
