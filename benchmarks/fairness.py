"""Many well-behaved guests beside few greedy ones, on one loop: how long each class waits for its answers, who gets the processor.

Twenty callers of a short operation and four of one that computes for about three milliseconds think, send a call, and think again;
zero, two or eight guests spin until their budget of 250 ms ends, and begin again. `value` is the median of a class in milliseconds, `ratio`
its p99 over that without greedy guests. `share` in the conditions is the part of the guests' processor time that went to the class.

`python -m benchmarks.fairness --plot FILE` draws the distributions (matplotlib, in the extra `bench`).
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from benchmarks import guests
from benchmarks.figures import Figure, percentile
from benchmarks.sandbox import MEMORY_MB, MIB, host, sandbox
from mockforge_asgi.errors import LimitExceeded
from mockforge_asgi.events import CallFinished, Event, EventStream
from mockforge_asgi.exact_json import dumps
from mockforge_asgi.wasm.host import WasmHost
from mockforge_asgi.wasm.sandbox import GuestSpec

Tongue = Literal["extism", "python"]
GREEDY = (0, 2, 8)
_CALLERS: Mapping[str, tuple[int, float]] = {"short": (20, 0.02), "longer": (4, 0.05)}
"""Per class: how many callers, and for how many seconds each thinks between calls."""
_COUNTS: Mapping[Tongue, int] = {"extism": 10_000_000, "python": 60_000}
_BUDGET_S = 0.25


@dataclass(slots=True)
class Seen:
    """What one run gave: sorted waits in seconds per class, and processor seconds per class."""

    waits: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    cpu_s: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def __call__(self, event: Event) -> None:
        """Subscriber of the event stream."""
        if isinstance(event, CallFinished):
            self.cpu_s[event.plugin] += event.cpu_s


async def run(quick: bool) -> AsyncIterator[Figure]:
    """Both kinds of guest, each number of greedy ones in turns."""
    for tongue in ("extism", "python"):
        found = await measure(tongue, quick)
        for greedy, seen in found.items():
            for kind in _CALLERS:
                waits, calm = seen.waits[kind], found[0].waits[kind]
                p99 = percentile(waits, 0.99)
                share = round(seen.cpu_s[kind] / (sum(seen.cpu_s.values()) or 1), 3)
                conditions = {"greedy": greedy, "calls": len(waits), "share": share, "greedy_budget_ms": _BUDGET_S * 1e3}
                yield Figure(
                    bench="fairness",
                    case=f"{tongue}/{kind}/{greedy}_greedy",
                    value=percentile(waits, 0.5) * 1e3,
                    unit="ms",
                    p99=p99 * 1e3,
                    ratio=p99 / percentile(calm, 0.99) if greedy else None,
                    against=f"{tongue}/{kind}/0_greedy (p99)" if greedy else None,
                    conditions=conditions,
                )


async def measure(tongue: Tongue, quick: bool) -> dict[int, Seen]:
    """The waits and processor times beside each number of greedy guests."""
    seconds, turns = (0.5, 1) if quick else (4.0, 3)
    events = EventStream()
    inside = sandbox(events)
    try:
        hosts = {
            name: await host(inside, _guest(tongue, count), most=32, charge=MIB, name=name, cpu_s=_BUDGET_S)
            for name, count in (("short", None), ("longer", _COUNTS[tongue]), ("greedy", 0))
        }
        found = {greedy: Seen() for greedy in GREEDY}
        await _turn(tongue, hosts, max(GREEDY), 0.5, Seen())  # makes the instances
        for _ in range(turns):
            for greedy, seen in found.items():
                stop = events.subscribe(seen)
                await _turn(tongue, hosts, greedy, seconds, seen)
                stop()
    finally:
        await inside.close()
    for seen in found.values():
        for waits in seen.waits.values():
            waits.sort()
    return found


def _guest(tongue: Tongue, count: int | None) -> GuestSpec:
    if tongue == "extism":
        body = "" if count is None else guests.WORK.replace("COUNT", str(count)) if count else guests.SPIN
        return GuestSpec("extism", "plugin.wasm", {"plugin.wasm": guests.extism(body)}, MEMORY_MB["extism"])
    source = guests.PYTHON if count is None else guests.COMPUTING_PYTHON.replace("COUNT", str(count))
    return GuestSpec("python", "plugin.py", {"plugin.py": source.encode()}, MEMORY_MB["python"])


async def _turn(tongue: Tongue, hosts: Mapping[str, WasmHost], greedy: int, seconds: float, seen: Seen) -> None:
    op, document = _CALLS[tongue]
    end = time.perf_counter() + seconds
    hogs = [asyncio.create_task(_hog(hosts["greedy"], op, document)) for _ in range(greedy)]
    callers = [
        _caller(hosts[kind], op, document, think_s, end, seen.waits[kind])
        for kind, (many, think_s) in _CALLERS.items()
        for _ in range(many)
    ]
    await asyncio.gather(*callers)
    for hog in hogs:
        hog.cancel()
    await asyncio.gather(*hogs, return_exceptions=True)


_CALLS: Mapping[Tongue, tuple[str, bytes]] = {
    "extism": ("response.generate", dumps({})),
    "python": ("template.call", dumps({"function": "echo", "args": ["x"], "kwargs": {}})),
}


async def _caller(reached: WasmHost, op: str, document: bytes, think_s: float, end: float, waits: list[float]) -> None:
    while (due := time.perf_counter() + think_s) < end:
        await asyncio.sleep(think_s)
        await _call(reached, op, document)
        waits.append(time.perf_counter() - due)  # with what the loop was late


async def _hog(reached: WasmHost, op: str, document: bytes) -> None:
    while True:
        try:
            await _call(reached, op, document)
        except LimitExceeded:
            pass


async def _call(reached: WasmHost, op: str, document: bytes) -> None:
    lease = reached.lease()
    try:
        await lease.call(op, document)
    finally:
        lease.release()


def draw(found: Mapping[Tongue, Mapping[int, Seen]], file: Path) -> None:
    """One panel a kind of guest and a class: the share of calls (vertical) that waited no longer than so many milliseconds."""
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(len(_CALLERS), len(found), figsize=(10, 7), sharey=True, squeeze=False)
    for column, (tongue, runs) in enumerate(found.items()):
        for row, kind in enumerate(_CALLERS):
            panel = panels[row][column]
            for greedy, seen in runs.items():
                waits = seen.waits[kind]
                panel.plot([w * 1e3 for w in waits], [(i + 1) / len(waits) for i in range(len(waits))], label=f"{greedy} greedy")
            panel.set_xscale("log")
            panel.set_title(f"{tongue}: {kind} calls")
            panel.set_xlabel("wait for the answer, ms")
            panel.set_ylabel("share of calls")
            panel.axhline(0.99, color="grey", linewidth=0.5)
            panel.grid(alpha=0.3)
            panel.legend(loc="lower right")
    figure.tight_layout()
    figure.savefig(file)


async def _all(quick: bool) -> dict[Tongue, dict[int, Seen]]:
    tongues: tuple[Tongue, ...] = ("extism", "python")
    return {tongue: await measure(tongue, quick) for tongue in tongues}


def main() -> None:
    """The command that draws."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fairness", description="Measures and draws fairness.")
    parser.add_argument("--plot", type=Path, required=True, metavar="FILE", help="the picture, .svg or .png")
    parser.add_argument("--quick", action="store_true", help="short turns: to see that it runs")
    options = parser.parse_args()
    draw(asyncio.run(_all(options.quick)), options.plot)


if __name__ == "__main__":
    main()
