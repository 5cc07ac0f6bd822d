"""Load from other processes: wrk for throughput, locust for percentiles at a stated rate."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cases import Case
from benchmarks.conditions import ROOT
from benchmarks.script import CHECKED

_UNITS_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


@dataclass(frozen=True, slots=True)
class Load:
    """What a load generator saw. `wrong` tells of answers that a script found not to be their request's; empty if there are none."""

    requests_s: float
    p50_ms: float
    p99_ms: float
    errors: int
    requests: int = 0
    wrong: str = ""


async def wrk(
    url: str, *, seconds: float, connections: int = 32, headers: Mapping[str, str] | None = None, script: Path | None = None
) -> Load:
    """As many requests as go through, over that many connections, from one thread; each is what the script makes, if there is one."""
    if shutil.which("wrk") is None:
        raise RuntimeError("wrk is not installed. On Debian and Ubuntu: apt-get install wrk")
    extra = [part for name, value in (headers or {}).items() for part in ("-H", f"{name}: {value}")]
    extra += ["-s", str(script)] if script else []
    text = await _output("wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "--latency", *extra, url)
    return parse_wrk(text)


def parse_wrk(text: str) -> Load:
    """Read wrk's report."""

    def milliseconds(label: str) -> float:
        found = re.search(rf"^\s+{label}\s+([\d.]+)(us|ms|s|m)\s*$", text, re.MULTILINE)
        return float(found[1]) * _UNITS_MS[found[2]] if found else float("nan")

    rate = re.search(r"^Requests/sec:\s+([\d.]+)", text, re.MULTILINE)
    if rate is None:
        raise RuntimeError(f"wrk said nothing of use:\n{text}")
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    broken = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    errors = (int(refused[1]) if refused else 0) + (sum(map(int, broken.groups())) if broken else 0)
    total = re.search(r"^\s*(\d+) requests in ", text, re.MULTILINE)
    checked = re.search(rf"^{CHECKED}(\d+), wrong: (\d+) ?(.*)", text, re.MULTILINE)
    is_right = checked is None or (checked[1] != "0" and checked[2] == "0")
    wrong = "" if is_right or checked is None else f"{checked[2]} of {checked[1]}, such as {checked[3]}"
    return Load(float(rate[1]), milliseconds("50%"), milliseconds("99%"), errors, int(total[1]) if total else 0, wrong)


async def locust(url: str, case: Case, *, rate: int, seconds: int) -> Load:
    """`rate` requests a second in all, spread evenly over 20 users."""
    text = await _output(
        *(sys.executable, "-m", "locust", "-f", str(ROOT / "benchmarks" / "locustfile.py"), "--headless", "--json", "--skip-log"),
        *("--users", "20", "--spawn-rate", "20", "--run-time", f"{seconds}s", "--host", url, "--rate", str(rate)),
        *("--path", case.path, "--method", case.method, "--request-headers", json.dumps(dict(case.headers)), "--body", case.body),
    )
    return parse_locust(text)


def parse_locust(text: str) -> Load:
    """Read locust's JSON report."""
    entry = json.loads(text[text.index("[") :])[0]
    times = sorted((float(ms), int(count)) for ms, count in entry["response_times"].items())
    total = sum(count for _, count in times)

    def percentile(share: float) -> float:
        seen = 0
        for ms, count in times:
            seen += count
            if seen >= share * total:
                return ms
        return float("nan")

    seconds = max(entry["last_request_timestamp"] - entry["start_time"], 1e-9)
    return Load(total / seconds, percentile(0.5), percentile(0.99), entry["num_failures"])


async def _output(*command: str) -> str:
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
    out, err = await process.communicate()
    if process.returncode not in (0, 1):
        raise RuntimeError(f"{command[0]} failed: {err.decode(errors='replace')[-2000:]}")
    return out.decode()
