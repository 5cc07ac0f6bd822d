"""`python -m benchmarks [NAME ...] [--json FILE] [--quick] ...`: a table and JSON lines."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import nullcontext
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import TextIO

from benchmarks.figures import Figure, show

NAMES = (
    "auth",
    "calls",
    "concurrency",
    "data",
    "data_files",
    "fairness",
    "hostile",
    "in_process",
    "redaction",
    "routes",
    "service",
    "templates",
)


def runner(name: str) -> Callable[..., AsyncIterator[Figure]]:
    """The benchmark's `run(quick)`, which may know more options."""
    found: Callable[..., AsyncIterator[Figure]] = import_module(f"benchmarks.{name}").run
    return found


async def measure(names: list[str], quick: bool, out: TextIO, **options: object) -> None:
    """Run the benchmarks one after the other; each figure is shown and written as it comes, so that a failure loses none before it."""
    for name in names:
        run = runner(name)
        known = {option: value for option, value in options.items() if option in signature(run).parameters}
        async for figure in run(quick, **known):
            show(figure)
            out.write(figure.line() + "\n")
            out.flush()


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Measures the budgets. One JSON line a figure.")
    parser.add_argument("names", nargs="*", choices=[*NAMES, []], metavar="NAME", help=f"one or more of {', '.join(NAMES)} (default: all)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the JSON lines there instead of to standard output")
    parser.add_argument("--quick", action="store_true", help="few and short turns: to see that it runs, not to quote")
    parser.add_argument("--peers", action="store_true", help="service: beside WireMock and Prism, where they are installed")
    parser.add_argument("--against", metavar="COMMIT", help="in_process, service: beside another commit, in the same run")
    parser.add_argument("--cases", metavar="CASE,...", help="in_process, service: only these")
    options = parser.parse_args()
    more = {"peers": options.peers, "against": options.against, "only": options.cases.split(",") if options.cases else None}
    with options.json.open("w", encoding="utf-8") if options.json else nullcontext(sys.stdout) as out:
        asyncio.run(measure(options.names or list(NAMES), options.quick, out, **more))
    return 0


if __name__ == "__main__":
    sys.exit(main())
