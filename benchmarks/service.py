"""Whole requests over sockets: each server in a process of its own, the load generator in another.

wrk (32 connections, one thread), in turns, gives throughput (`wrk/<case>`), latency (`latency/<case>`: median and p99) and, with the
server's processor time meanwhile, what a request costs the server (`cpu/<case>`, against the Starlette route;
`cpu_to_bare/<case>`, the same against the bare app). locust at a fixed rate, which all of them can serve, gives percentiles and errors.

In the first turn, which warms up, each answer is looked at: it must belong to a request of its own.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks import peers as others
from benchmarks.cases import Case, cases
from benchmarks.figures import Figure, Turn, chosen, compare, summary
from benchmarks.load import Load, locust, wrk
from benchmarks.processes import cpu_s
from benchmarks.revision import revision
from benchmarks.script import script
from benchmarks.servers import Server, measured, workers

WORKERS = "workers_2"
"""The sandboxed chain under `mockforge serve --workers 2`."""
CASES = (
    *("bare", "starlette", "wrapped", "static", "templated"),
    *("native_chain", "native_threads_chain", "sandboxed_chain", WORKERS, "sandboxed_full_chain", "python_chain"),
    *("quickstart", "quickstart_dev"),
)
FOREIGN = ("bare", "starlette", WORKERS)
"""Nothing of ours is in the first two; the third is not measured with another commit."""
AGAINST = {
    "starlette": "bare",
    "wrapped": "starlette",
    "static": "bare",
    "sandboxed_chain": "native_chain",
    "native_threads_chain": "native_chain",
    "quickstart": "native_chain",
    WORKERS: "sandboxed_chain",
}
"""Which case's requests a second each one's are compared with."""
CONNECTIONS = 32
_AGREE = 0.05
_MOST_WARMING = 60


@dataclass(slots=True)
class Measured:
    """A case, where it is served, and what its turns gave."""

    name: str
    case: Case
    server: Server
    warm_requests: int = 0
    loads: list[Load] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)

    @property
    def url(self) -> str:
        """What a request that does not vary asks for."""
        return self.server.url + self.case.path

    async def turn(self, n: int, seconds: float, folder: Path) -> tuple[Load, float]:
        """One turn of wrk, and the server's microseconds of processor time a request. Number 0 checks answers. Raises: RuntimeError."""
        before = cpu_s(self.server.pid)
        if self.case.varies:
            path = folder / f"{self.name}.lua"
            path.write_text(script(self.case, first=n * 10_000_000, check=n == 0))
            load = await wrk(self.server.url, seconds=seconds, connections=CONNECTIONS, script=path)
        else:
            load = await wrk(self.url, seconds=seconds, connections=CONNECTIONS, headers=self.case.headers)
        if load.wrong:
            raise RuntimeError(f"{self.name}: an answer is not its request's: {load.wrong}")
        return load, (cpu_s(self.server.pid) - before) / load.requests * 1e6 if load.requests else math.nan

    def keep(self, load: Load, cpu_us: float) -> None:
        """What a turn that counts gave."""
        self.loads.append(load)
        self.cpu_us.append(cpu_us)


async def run(quick: bool, peers: bool = False, against: str | None = None, only: Sequence[str] | None = None) -> AsyncIterator[Figure]:
    """wrk over the cases in turns, then locust over each."""
    names = chosen(CASES, only)
    seconds, turns, rate = (1.0, 2, 500) if quick else (5.0, 5, 1000)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mockforge-bench-")))
        ours = await _served(stack, folder, names)
        before = await _before(stack, folder, names, against) if against else []
        beside = await _peers(stack, folder) if peers else []
        for peer in beside:
            await warmed(peer, seconds, folder)
        for turn in range(turns + 1):
            for each in (*ours, *before, *beside):
                load, cpu_us = await each.turn(turn, seconds, folder)
                if turn:  # the first turn warms up
                    each.keep(load, cpu_us)
        conditions = {"tool": "wrk", "connections": CONNECTIONS, "seconds": seconds, "turns": turns}
        for figure in figures([*ours, *before, *beside], conditions):
            yield figure
        for each in ours:
            at_rate = await locust(each.server.url, each.case, rate=rate, seconds=5 if quick else 15)
            facts = {"tool": "locust", "rate": rate, "seen_rate": round(at_rate.requests_s), "errors": at_rate.errors}
            yield Figure(bench="service", case=f"locust/{each.name}", value=at_rate.p50_ms, unit="ms", p99=at_rate.p99_ms, conditions=facts)


async def _served(stack: AsyncExitStack, folder: Path, names: Sequence[str]) -> list[Measured]:
    """The cases of this tree, each served."""
    listed = []
    for name, case in cases(folder, names).items():
        if name == WORKERS and case.config is not None:
            server = await stack.enter_async_context(workers(case.config, 2))
        else:
            server = await stack.enter_async_context(measured(case.app, case.config))
        listed.append(Measured(name, case, server))
    return listed


async def _before(stack: AsyncExitStack, folder: Path, names: Sequence[str], commit: str) -> list[Measured]:
    """The same cases of another commit, as far as there is anything of it in them."""
    of = stack.enter_context(revision(commit))
    listed = cases(folder / of.label, (name for name in names if name not in FOREIGN))
    return [
        Measured(of.case(name), case, await stack.enter_async_context(measured(case.app, case.config, of))) for name, case in listed.items()
    ]


async def _peers(stack: AsyncExitStack, folder: Path) -> list[Measured]:
    """Other mock servers, as far as they are installed."""
    listed = []
    for peer in others.peers(others.home(), folder / "peers"):
        server = await stack.enter_async_context(others.running(peer))
        listed += [Measured(name, case, server, peer.warm_requests) for name, case in peer.cases.items()]
    return listed


async def warmed(peer: Measured, seconds: float, folder: Path) -> None:
    """Turns until it has answered its number of requests, and the costs of one in two that follow each other agree within 5 %."""
    last, answered = math.inf, 0
    for n in range(1, _MOST_WARMING + 1):
        load, cpu_us = await peer.turn(1_000 + n, max(seconds, 3.0), folder)
        answered += load.requests
        if answered >= peer.warm_requests and abs(cpu_us - last) <= _AGREE * min(cpu_us, last):
            return
        last = cpu_us
    raise RuntimeError(f"{peer.name} does not become even: still {last:.1f} us a request after {_MOST_WARMING} turns")


def figures(seen: Sequence[Measured], conditions: Mapping[str, object]) -> Iterator[Figure]:
    """What the turns of all cases come to, by what is measured; then again against the other commit, where there is one."""
    rates, latencies, costs = [], [], []
    for each in seen:
        facts = {**conditions, "errors": sum(load.errors for load in each.loads)}
        rate = summary([Turn(load.requests_s, load.p99_ms) for load in each.loads])
        latency = summary([Turn(load.p50_ms, load.p99_ms) for load in each.loads])
        tail = round(latency.p99 / latency.value, 2) if latency.p99 and latency.value else None
        rates.append(_figure(f"wrk/{each.name}", rate, "requests/s", facts))
        latencies.append(_figure(f"latency/{each.name}", latency, "ms", {**facts, "p99_to_median": tail}))
        costs.append(_figure(f"cpu/{each.name}", summary([Turn(us) for us in each.cpu_us]), "us", facts))
    names = [each.name for each in seen]
    yield from compare(rates, {f"wrk/{a}": f"wrk/{b}" for a, b in AGAINST.items()})
    yield from latencies
    yield from compare(costs, {f"cpu/{name}": "cpu/starlette" for name in names if name != "starlette"})
    to_bare = [replace(cost, case=f"cpu_to_bare/{name}") for name, cost in zip(names, costs, strict=True) if name != "bare"]
    against_bare = compare([*costs, *to_bare], {figure.case: "cpu/bare" for figure in to_bare})
    yield from (figure for figure in against_bare if figure.against == "cpu/bare")
    before = {f"{what}/{name.partition('@')[0]}": f"{what}/{name}" for name in names if "@" in name for what in ("wrk", "cpu")}
    yield from (figure for figure in compare([*rates, *costs], before) if figure.against)


def _figure(case: str, turn: Turn, unit: str, conditions: Mapping[str, object]) -> Figure:
    return Figure(bench="service", case=case, value=turn.value, unit=unit, p99=turn.p99, conditions=conditions)
