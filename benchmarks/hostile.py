"""Other requests' latency while guests of other plugins spin: `idle`, one, twenty, twenty of which one fills its memory, as many as the
pool's memory cap lets live at once (64), and one that fills 64 MiB over and over; and while a client sends the worst that there is
(`worst.py`), in its requests or by the guests that it makes answer.

The server runs in its own process. A probe sends 200 requests a second over one connection and notes each answer's time;
as many clients as there are spinners keep a spinning request in flight. `value` is the median, `ratio` the p99 in
milliseconds above that of `idle`. `…/held` is the longest that the loop was held in one piece meanwhile, in processor time.

`python -m benchmarks.hostile [ATTACK ...]` measures only those, for two seconds each.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from benchmarks import guests, worst
from benchmarks.figures import Figure, Turn, percentile, show, summary
from benchmarks.servers import serving
from mockforge_asgi.plugins.package.package import read_package

CASES = {
    "idle": [],
    "1_spinner": ["spin"],
    "20_spinners": ["spin"] * 20,
    "20_spinners_1_fill": ["spin"] * 19 + ["fill"],
    "64_spinners_1_fill": ["spin"] * 63 + ["fill"],
    "1_fill_64_mb": ["fill64"],
}
_CAP_MB = 2176
"""Each instance counts for two memories of its limit: 64 × 2 × 16 MiB, and one of 64 MiB beside them."""
_RATE = 200
_CLIENTS = 1


def write(folder: Path) -> Path:
    """Three plugins that never end within their budget of two seconds, and a static route beside them."""
    uses = {}
    for name, body, memory_mb in (("spin", guests.SPIN, 16), ("fill", guests.FILL, 16), ("fill64", guests.FILL_64, 64)):
        place = folder / name
        place.mkdir()
        (place / "plugin.wasm").write_bytes(guests.extism(body))
        manifest = {"manifest_version": 1, "id": name, "version": "1.0.0", "contract": "0.1", "kinds": ["response"], "runtime": "extism"}
        limits = {"memory_mb": memory_mb, "cpu_ms": 2000, "timeout_ms": 60_000}
        (place / "plugin.yaml").write_text(yaml.safe_dump({**manifest, "entry": "plugin.wasm", "limits": limits}))
        uses[name] = {"use": f"./{name}", "digest": read_package(place).digest, "instances": {"max": 64}, "limits": limits}
    routes = [
        {"match": {"path": "/health"}, "response": {"json": {"status": "ok"}}},
        *({"match": {"path": f"/{name}"}, "response": {"plugin": name}} for name in uses),
    ]
    file = folder / "mockforge.yaml"
    file.write_text(yaml.safe_dump({"version": 1, "plugins": uses, "routes": routes, "limits": {"pool_memory_mb": _CAP_MB}}))
    return file


async def run(quick: bool) -> AsyncIterator[Figure]:
    """The spinners, then the worst bytes."""
    async for figure in spinning(quick):
        yield figure
    async for figure in sending(worst.ATTACKS, 2.0 if quick else 5.0):
        yield figure


async def sending(names: Iterable[str], seconds: float) -> AsyncIterator[Figure]:
    """Each attack in turn, after a time without any."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mockforge-bench-")))
        other = await stack.enter_async_context(serving("benchmarks.hostile_apps:control_characters"))
        url = await stack.enter_async_context(serving("benchmarks.hostile_apps:watched", {"BENCH_CONFIG": str(worst.write(folder, other))}))
        host, port = urlsplit(url).hostname or "", urlsplit(url).port or 0
        calm = 0.0
        for name in ("idle", *names):
            message = worst.ATTACKS[name].message(host) if name in worst.ATTACKS else b""
            if message:
                await _send(host, port, message)  # makes the instance
            await _held(host, port)
            turn = await _measure(url, [message] * _CLIENTS if message else [], seconds)
            held, p99 = await _held(host, port), (turn.p99 or 0.0) * 1e3
            conditions = {"probe_rate": _RATE, "seconds": seconds, "clients": _CLIENTS, "held_ms": held}
            figure = Figure(bench="hostile", case=f"worst/{name}", value=turn.value * 1e3, unit="ms", p99=p99, conditions=conditions)
            calm = calm or p99
            yield figure if name == "idle" else replace(figure, ratio=p99 - calm, against="worst/idle p99 (ms above it)")
            yield Figure(bench="hostile", case=f"worst/{name}/held", value=held, unit="ms")


async def _held(host: str, port: int) -> float:
    return float((await _send(host, port, worst.Attack("GET", "/held").message(host))).rpartition(b"\r\n\r\n")[2])


async def spinning(quick: bool) -> AsyncIterator[Figure]:
    """Each case in turns."""
    seconds, turns = (2.0, 1) if quick else (8.0, 3)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mockforge-bench-")))
        environment = {"BENCH_CONFIG": str(write(folder))}
        url = await stack.enter_async_context(serving("benchmarks.apps:configured", environment))
        seen: dict[str, list[Turn]] = {case: [] for case in CASES}
        for _ in range(turns):
            for case, spinners in CASES.items():
                seen[case].append(await _measure(url, [worst.Attack("GET", f"/{name}").message("spinner") for name in spinners], seconds))
    calm = summary(seen["idle"]).p99 or 0.0
    for case, found in seen.items():
        middle = summary(found)
        conditions = {"probe_rate": _RATE, "seconds": seconds, "turns": turns, "spinners": len(CASES[case])}
        figure = Figure(bench="hostile", case=case, value=middle.value * 1e3, unit="ms", p99=(middle.p99 or 0) * 1e3, conditions=conditions)
        added = ((middle.p99 or 0) - calm) * 1e3
        yield figure if case == "idle" else replace(figure, ratio=added, against="idle p99 (ms above it)")


async def _measure(url: str, messages: list[bytes], seconds: float) -> Turn:
    host, port = urlsplit(url).hostname or "", urlsplit(url).port or 0
    attackers = [asyncio.create_task(_keep_sending(host, port, message)) for message in messages]
    await asyncio.sleep(0.3)  # let them be in flight
    times: list[float] = []
    reader, writer = await asyncio.open_connection(host, port)
    request = f"GET /health HTTP/1.1\r\nhost: {host}\r\n\r\n".encode()
    end = time.perf_counter() + seconds
    while (now := time.perf_counter()) < end:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
        times.append(time.perf_counter() - now)
        await asyncio.sleep(max(0.0, 1 / _RATE - times[-1]))
    writer.close()
    for attacker in attackers:
        attacker.cancel()
    await asyncio.gather(*attackers, return_exceptions=True)
    times.sort()
    return Turn(percentile(times, 0.5), percentile(times, 0.99))


async def _keep_sending(host: str, port: int, message: bytes) -> None:
    while True:
        await _send(host, port, message)


async def _send(host: str, port: int, message: bytes) -> bytes:
    """The answer to a request that ends its connection."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(message)
        return await reader.read()
    except ConnectionError:  # refused before all of it was sent
        return b""
    finally:
        writer.close()


async def _print(names: Iterable[str]) -> None:
    async for figure in sending(names, 2.0):
        show(figure, sys.stdout)


if __name__ == "__main__":
    asyncio.run(_print(sys.argv[1:] or worst.ATTACKS))
