"""`python -m benchmarks.soak`: calls, reloads, crashes and departures for a long time, and what the process holds meanwhile.

An Extism guest and a Python guest answer HTTP requests of an app in this process. In each round they are called, crash (a trap; an endless
loop), are left by clients in mid-call, and are edited while calls run. After each round memory, file descriptors, threads and child
processes are counted. Exit status 1 when they grow: a round's are compared with those after a quarter of the rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import wasmtime

from benchmarks.conditions import machine
from mockforge_asgi import MockForge
from mockforge_asgi.events import CallFinished, PluginLoaded, PluginStopped
from mockforge_asgi.testing import Client

MIB: Final = 1 << 20
AT_ONCE: Final = 32
GUESTS: Final = ("extism", "python")
_INSTANCES: Final = 8

_ANSWER: Final = '{"status":200,"headers":[],"body":{"text":"fine"}}'
_EXTISM: Final = """(module
  (import "extism:host/env" "input_length" (func $length (result i64)))
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "store_u8" (func $store (param i64 i32)))
  (import "extism:host/env" "output_set" (func $output (param i64 i64)))
  (memory (export "memory") 1) (data (i32.const 0) "ANSWER") (global (export "version") i32 (i32.const VERSION))
  (func (export "response_generate") (result i32) (local $block i64) (local $i i32)
    (if (i64.gt_u (call $length) (i64.const 2000)) (then (unreachable)))
    (local.set $block (call $alloc (i64.const SIZE)))
    (loop $next
      (call $store (i64.add (local.get $block) (i64.extend_i32_u (local.get $i))) (i32.load8_u (local.get $i)))
      (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const SIZE))))
    (call $output (local.get $block) (i64.const SIZE)) (i32.const 0)))"""
_PYTHON: Final = """from mockforge_plugin import ResponsePlugin

class Answers(ResponsePlugin):
    version = VERSION
    seen = []

    def generate(self, request):
        while len(request.path) > 2000:
            pass
        self.seen.append(bytes(100))
        return "fine"
"""
_MANIFEST: Final = """manifest_version: 1
id: {name}-guest
version: 1.0.{edit}
contract: "0.1"
kinds: [response]
runtime: {name}
entry: {entry}
limits: {{cpu_ms: {cpu_ms}, timeout_ms: 60000}}
"""
_LONG: Final = "/" + "x" * 3000


@dataclass(frozen=True, slots=True)
class Work:
    """How much to do, in all."""

    calls: int = 20_000
    reloads: int = 2_000
    crashes: int = 1_000
    rounds: int = 20


@dataclass(frozen=True, slots=True)
class PooledInstance:
    """What the process holds after a round."""

    round: int
    rss_mb: float
    descriptors: int
    threads: int
    children: int
    instances_mb: float
    objects: int


@dataclass(slots=True)
class Done:
    """What was done, as the events tell it."""

    calls: int = 0
    crashes: int = 0
    cancelled: int = 0
    loaded: int = 0
    stopped: int = 0


class Soak:
    """The app, its plugins' folders, and what has been done."""

    def __init__(self, folder: Path, work: Work) -> None:
        self.folder, self.work, self.done, self.edits = folder, work, Done(), 0
        self._extism = [_extism(version) for version in range(2)]
        for name in GUESTS:
            (folder / name).mkdir()
            self.edit(name)
        self.forge = MockForge(
            config={
                "version": 1,
                "dev": True,
                "plugins": {
                    name: {
                        "use": str(folder / name),
                        "isolation": "reused",
                        "breaker": {"enabled": False},
                        "instances": {"max": _INSTANCES},
                    }
                    for name in GUESTS
                },
                "routes": [{"match": {"path": f"/{name}/**"}, "response": {"plugin": name}} for name in GUESTS],
            }
        )
        events = self.forge.runtime.events
        events.subscribe(self._called, CallFinished)
        events.subscribe(self._loaded, PluginLoaded)
        events.subscribe(self._stopped, PluginStopped)
        self.client = Client(self.forge)

    def _called(self, event: object) -> None:
        assert isinstance(event, CallFinished)
        if event.op == "response.generate":
            self.done.calls += event.outcome == "ok"
            self.done.crashes += event.outcome in ("failed", "limit")
            self.done.cancelled += event.outcome == "cancelled"

    def _loaded(self, _: object) -> None:
        self.done.loaded += 1

    def _stopped(self, _: object) -> None:
        self.done.stopped += 1

    def edit(self, name: str) -> None:
        """Change a plugin's code, and its manifest."""
        self.edits += 1
        code, entry = (self._extism[self.edits % 2], "plugin.wasm") if name == "extism" else (_python(self.edits), "plugin.py")
        cpu_ms = 50 if name == "extism" else 20
        manifest = _MANIFEST.format(name=name, edit=self.edits, entry=entry, cpu_ms=cpu_ms).encode()
        for file, content in ((entry, code), ("plugin.yaml", manifest)):
            new = self.folder / f"new-{self.edits}"
            new.write_bytes(content)
            new.replace(self.folder / name / file)

    async def run(self) -> list[PooledInstance]:
        """Do all the work; what was held after each round."""
        work, held = self.work, []
        async with self.client:
            for number in range(1, work.rounds + 1):
                await self.call(work.calls // work.rounds)
                await self.crash(work.crashes // work.rounds)
                await self.leave(work.crashes // work.rounds // 5)
                await self.reload(work.reloads // work.rounds)
                await self.settled()
                held.append(self.held(number))
        assert self.done.stopped == self.done.loaded, "every generation was stopped"
        return held

    async def call(self, times: int, path: str = "/x", status: int = 200) -> None:
        """That many requests, some at once, to each guest in turn."""
        for first in range(0, times, AT_ONCE):
            paths = (f"/{GUESTS[i % len(GUESTS)]}{path}" for i in range(first, min(times, first + AT_ONCE)))
            answers = await asyncio.gather(*(self.client.get(path) for path in paths))
            assert all(answer.status == status or status == 0 for answer in answers), [answer.status for answer in answers]

    async def crash(self, times: int) -> None:
        """That many traps and endless loops, half each; no more at once than there are instances, so that none waits in vain."""
        target = self.done.crashes + times
        while self.done.crashes < target:
            await self.call(min(_INSTANCES, target - self.done.crashes), _LONG, status=0)

    async def leave(self, times: int) -> None:
        """That many requests given up while their plugin computes."""
        for _ in range(times):
            waiting = asyncio.ensure_future(self.client.get("/python" + _LONG))
            for _ in range(3):
                await asyncio.sleep(0.001)
            waiting.cancel()
            await asyncio.wait([waiting])

    async def reload(self, times: int) -> None:
        """That many edits, each while calls run."""
        runtime = self.forge.runtime
        for number in range(times):
            name = GUESTS[number % len(GUESTS)]
            before = runtime.registry.generation
            self.edit(name)
            calls = [asyncio.ensure_future(self.client.get(f"/{name}/x")) for _ in range(2)]
            await runtime.refresh()
            assert [answer.status for answer in await asyncio.gather(*calls)] == [200, 200]
            while runtime.registry.generation == before:  # one of the calls was loading it
                await runtime.refresh()
                await asyncio.sleep(0.001)

    async def settled(self) -> None:
        """Wait until the generations that were replaced have ended."""
        while self.done.loaded - self.done.stopped > len(GUESTS):
            await asyncio.sleep(0.001)

    def held(self, number: int) -> PooledInstance:
        """What the process holds now."""
        gc.collect()
        life = self.forge.runtime._life
        assert life is not None
        return PooledInstance(
            number, _rss() / MIB, len(os.listdir("/proc/self/fd")), _threads(), len(_children()),
            life.sandbox[0].memory.charged / MIB, len(gc.get_objects()),
        )  # fmt: skip


def faults(held: list[PooledInstance], *, grows_mb: float = 8.0, grows_share: float = 0.05) -> Iterator[str]:
    """What has grown since a quarter of the rounds. Memory, the median of the last three, may by so much; descriptors, threads and
    processes not at all."""
    start = held[max(1, len(held) // 4) - 1]
    last = sorted(held[-3:], key=lambda each: each.rss_mb)[1] if len(held) > 3 else held[-1]
    most_mb = max(grows_mb, start.rss_mb * grows_share)
    if last.rss_mb - start.rss_mb > most_mb:
        yield f"resident memory grew from {start.rss_mb:.1f} to {last.rss_mb:.1f} MiB, by more than {most_mb:.1f}"
    for what in ("descriptors", "threads", "children"):
        before, after = getattr(start, what), getattr(held[-1], what)
        if after > before:
            yield f"{what}: {before} became {after}"
    if held[-1].objects > start.objects * 1.02 + 500:
        yield f"Python objects: {start.objects} became {held[-1].objects}"


def _extism(version: int) -> bytes:
    text = _EXTISM.replace("VERSION", str(version)).replace("SIZE", str(len(_ANSWER)))
    return bytes(wasmtime.wat2wasm(text.replace("ANSWER", _ANSWER.replace('"', '\\"'))))


def _python(version: int) -> bytes:
    return _PYTHON.replace("VERSION", str(version)).encode()


def _rss() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _threads() -> int:
    """All of them but those of the loop's executor, which starts them one by one and stops at a few more than there are cores."""
    return len(os.listdir("/proc/self/task")) - sum(thread.name.startswith("asyncio_") for thread in threading.enumerate())


def _children() -> list[str]:
    found: list[str] = []
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError):  # one of the C library's, which lived for an expiry of a timer
            found += (task / "children").read_text().split()
    return found


def main(arguments: list[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="scripts/soak", description="Calls, reloads and crashes; what the process holds meanwhile.")
    for name, value in asdict(Work()).items():
        parser.add_argument(f"--{name}", type=int, default=value, metavar="N", help=f"default {value}")
    work = Work(**vars(parser.parse_args(arguments)))
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        soak = Soak(Path(folder), work)
        held = asyncio.run(soak.run())
    for each in held:
        print(json.dumps({name: round(value, 1) for name, value in asdict(each).items()}))
    found = list(faults(held))
    print(
        json.dumps(
            {"work": asdict(work), "done": asdict(soak.done), "wall_s": round(time.perf_counter() - began, 1), "faults": found, **machine()}
        )
    )
    for fault in found:
        print(f"scripts/soak: {fault}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
