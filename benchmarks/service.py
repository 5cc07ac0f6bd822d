"""Whole requests over sockets: uvicorn in one process, the load generator in another.

Throughput ratios from wrk (32 connections, one thread), in turns; percentiles and errors from locust at a fixed rate that
all of them can serve.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from benchmarks import chain
from benchmarks.conditions import ROOT
from benchmarks.figures import Figure, Turn, compare, summary
from benchmarks.load import locust, wrk
from benchmarks.servers import serving

AGAINST = {
    "starlette": "bare",
    "wrapped": "starlette",
    "static": "bare",
    "sandboxed_chain": "native_chain",
    "native_threads_chain": "native_chain",
    "quickstart": "native_chain",
}
"""Which case each one is compared with."""


@dataclass(frozen=True, slots=True)
class Case:
    """An application, and the request sent to it."""

    app: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    config: Path | None = None


def cases(folder: Path) -> dict[str, Case]:
    """All of them; the chains' plugins are written below the folder."""
    runtimes: tuple[Literal["native", "native_threads", "extism"], ...] = ("native", "native_threads", "extism")
    files = {}
    for runtime in runtimes:
        (folder / runtime).mkdir()
        files[runtime] = chain.write(folder / runtime, runtime)
    return {
        "bare": Case("bare", "/health"),
        "starlette": Case("starlette", "/app"),
        "wrapped": Case("wrapped", "/app"),
        "static": Case("static", "/health"),
        "native_chain": Case("configured", "/hello/Ada", chain.KEY, files["native"]),
        "native_threads_chain": Case("configured", "/hello/Ada", chain.KEY, files["native_threads"]),
        "sandboxed_chain": Case("configured", "/hello/Ada", chain.KEY, files["extism"]),
        "quickstart": Case("configured", "/hello/Ada", chain.KEY, ROOT / "examples" / "quickstart" / "mockforge.yaml"),
    }


async def run(quick: bool) -> AsyncIterator[Figure]:
    """wrk over all cases in turns, then locust over each."""
    seconds, turns, rate = (1.0, 2, 500) if quick else (5.0, 5, 1000)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mockforge-bench-")))
        listed = cases(folder)
        urls = {}
        for name, case in listed.items():
            environment = {"BENCH_CONFIG": str(case.config)} if case.config else {}
            urls[name] = await stack.enter_async_context(serving(f"benchmarks.apps:{case.app}", environment))
        seen: dict[str, list[Turn]] = {name: [] for name in listed}
        errors = dict.fromkeys(listed, 0)
        for turn in range(turns + 1):
            for name, case in listed.items():
                load = await wrk(urls[name] + case.path, seconds=seconds, headers=case.headers)
                errors[name] += load.errors
                if turn:  # the first turn warms up
                    seen[name].append(Turn(load.requests_s, load.p99_ms))
        conditions = {"tool": "wrk", "connections": 32, "seconds": seconds, "turns": turns}
        figures = []
        for name, turns_seen in seen.items():
            middle = summary(turns_seen)
            facts = {**conditions, "errors": errors[name]}
            figures.append(
                Figure(bench="service", case=f"wrk/{name}", value=middle.value, unit="requests/s", p99=middle.p99, conditions=facts)
            )
        for figure in compare(figures, {f"wrk/{a}": f"wrk/{b}" for a, b in AGAINST.items()}):
            yield figure
        for name, case in listed.items():
            measured = await locust(urls[name], case.path, rate=rate, seconds=5 if quick else 15, headers=case.headers)
            facts = {"tool": "locust", "rate": rate, "seen_rate": round(measured.requests_s), "errors": measured.errors}
            yield Figure(bench="service", case=f"locust/{name}", value=measured.p50_ms, unit="ms", p99=measured.p99_ms, conditions=facts)
