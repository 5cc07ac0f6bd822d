"""What a request costs in the process, without server or socket: time, processor time and Python calls of one call of the app.

`pass_through` is the bare app behind 21 mocks that do not claim the path; `static` a mock's answer of the same bytes; the
others are those of `cases`. `against` measures the same cases of another commit in the same run: each commit in a process of
its own, which take turns. Several such pairs of processes are started one after the other, since one may lie better in
memory than another for as long as it lives.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure, Turn, chosen, compare, summary
from benchmarks.revision import HERE, Revision, revision

CASES = {
    "bare": 20_000,
    "pass_through": 20_000,
    "static": 20_000,
    "templated": 4_000,
    "native_chain": 1_500,
    "sandboxed_chain": 1_500,
    "sandboxed_full_chain": 1_500,
    "python_chain": 1_000,
    "quickstart": 1_000,
    "quickstart_dev": 1_000,
}
"""How many calls a turn has."""
AGAINST = {"pass_through": "bare", "static": "bare", "sandboxed_chain": "native_chain", "quickstart_dev": "quickstart"}
_HEADERS = [
    (b"host", b"127.0.0.1:8000"),
    (b"user-agent", b"bench"),
    (b"accept", b"*/*"),
    (b"accept-encoding", b"gzip"),
    (b"connection", b"keep-alive"),
]
Seen = dict[str, dict[str, list[float]]]
"""What the turns gave, by case and by what was measured."""


def scope(path: str, method: str = "GET", headers: Iterable[tuple[str, str]] = ()) -> dict[str, Any]:
    """What a server makes of a small request."""
    more = [(name.lower().encode(), value.encode()) for name, value in headers]
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [*_HEADERS, *more],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8000),
        "state": {},
    }


async def receive() -> dict[str, Any]:
    """An empty body."""
    return {"type": "http.request", "body": b"", "more_body": False}


async def send(message: Any) -> None:
    """Nowhere."""


class Driver:
    """A process that measures the cases of one commit."""

    def __init__(self, of: Revision, process: asyncio.subprocess.Process) -> None:
        self.of, self._process = of, process

    async def ask(self, **wanted: object) -> dict[str, float]:
        """One line to it, and its answer. Raises: RuntimeError when it ended instead, having said why on standard error."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(wanted).encode() + b"\n")
        return {what: float(value) for what, value in (await self._line(wanted)).items()}

    async def begun(self) -> None:
        """It runs. Raises: RuntimeError when what it measures is not that commit's package."""
        package = Path(str((await self._line("start"))["package"]))
        if package != self.of.folder / "mockforge_asgi":
            raise RuntimeError(f"the driver of {self.of.label or 'this tree'} would measure {package}")

    async def _line(self, wanted: object) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the driver of {self.of.label or 'this tree'} ended at {wanted}; the reason is above")
        answer: dict[str, Any] = json.loads(line)
        return answer


@asynccontextmanager
async def driver(of: Revision, folder: Path) -> AsyncIterator[Driver]:
    """A driver of that commit, which ends with the block; the cases are written below the folder."""
    command = (sys.executable, "-m", "benchmarks.driver", str(folder))
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, cwd=of.folder, env=of.environment, stdin=pipe, stdout=pipe)
    try:
        started = Driver(of, process)
        await started.begun()
        yield started
        assert process.stdin is not None
        process.stdin.close()
        await asyncio.wait_for(process.wait(), 20)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def measure(revisions: Sequence[Revision], *, names: Sequence[str], rounds: int, turns: int, share: int) -> Seen:
    """All cases of all commits in turns, in that many rounds of processes."""
    seen: Seen = {of.case(name): {} for name in names for of in revisions}

    def keep(of: Revision, name: str, answer: dict[str, float]) -> None:
        for what, value in answer.items():
            seen[of.case(name)].setdefault(what, []).append(value)

    for _ in range(rounds):
        async with AsyncExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mockforge-bench-")))
            drivers = [await stack.enter_async_context(driver(of, folder / (of.label or "here"))) for of in revisions]
            for name in names:
                for each in drivers:
                    await each.ask(case=name, calls=CASES[name] // share)  # warms up
                for _ in range(turns):
                    for each in drivers:
                        keep(each.of, name, await each.ask(case=name, calls=CASES[name] // share))
                for each in drivers:
                    keep(each.of, name, await each.ask(case=name, count=True))
    return seen


async def run(quick: bool, against: str | None = None, only: Sequence[str] | None = None) -> AsyncIterator[Figure]:
    """Time, processor time and Python calls of the cases; ratios are to another case, and to the other commit."""
    rounds, turns, share = (1, 3, 10) if quick else (3, 5, 1)
    names = chosen(CASES, only)
    with ExitStack() as stack:
        other = stack.enter_context(revision(against)) if against else None
        revisions = [HERE, other] if other else [HERE]
        seen = await measure(revisions, names=names, rounds=rounds, turns=turns, share=share)
    for figure in figures(seen, other):
        yield figure


def figures(seen: Seen, other: Revision | None) -> Iterator[Figure]:
    """What the turns come to; then again against the other commit, where there is one."""
    listed = [_figure(name, what, measured[what]) for what in _MEASURES for name, measured in seen.items()]
    suffixes = [suffix for _, suffix in _MEASURES.values()]
    yield from compare(listed, {f"{name}{suffix}": f"{beside}{suffix}" for name, beside in AGAINST.items() for suffix in suffixes})
    if other:
        same = {f"{name}{suffix}": f"{other.case(name)}{suffix}" for name in CASES for suffix in suffixes}
        yield from (figure for figure in compare(listed, same) if figure.against)


_MEASURES = {"us": ("us", ""), "cpu_us": ("us", "/cpu"), "python_calls": ("calls", "/calls")}
"""What a driver answers: its unit, and what is put behind the case's name."""


def _figure(name: str, what: str, values: list[float]) -> Figure:
    unit, suffix = _MEASURES[what]
    case = name.partition("@")[0]
    conditions = {"turns": len(values), "calls": CASES[case], **({"routes": 21} if case in ("pass_through", "static") else {})}
    return Figure(
        bench="in_process", case=f"{name}{suffix}", value=summary([Turn(v) for v in values]).value, unit=unit, conditions=conditions
    )
