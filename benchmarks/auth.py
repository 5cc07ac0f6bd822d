"""What the built-in auth plugins cost: a static route behind each of them, against the same route open, in turns of wrk.

`wrk/<plugin>`, `latency/<plugin>` and `cpu/<plugin>` are as in `service`; the ratio is to the open route. Except of `signed`, whose every
request has a nonce, all requests have the same credentials, which were seen before. `logins/…`: an open route, probed 200 times a second,
alone and beside 64 clients that log in by LDAP at the same server, 20 times a second in all, and as often as they can; `saml_logins/…`:
the same with responses of a SAML provider, each checked in a worker process.

Wants the extras auth, saml and ldap, and slapd. What is missing fails; `--cases` leaves it out.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.auth_cases import NAMES, OPEN, guarded, logins, signatures, write_open
from benchmarks.auth_saml import responses
from benchmarks.cases import Case
from benchmarks.figures import Figure, Turn, chosen, compare, percentile, summary
from benchmarks.load import Load, wrk
from benchmarks.processes import cpu_s
from benchmarks.servers import measured
from benchmarks.service import CONNECTIONS, Measured

LOGINS, SAML_LOGINS = "logins", "saml_logins"
CLIENTS, LOGINS_A_SECOND = 64, 20
_PROBE = 200
_MOST_A_SECOND = 9_000
"""More signed requests than this are not made for a turn."""


async def run(quick: bool, only: Sequence[str] | None = None) -> AsyncIterator[Figure]:
    """The plugins in turns, then the logins."""
    names = chosen((OPEN, *NAMES, LOGINS, SAML_LOGINS), only)
    plugins = [name for name in names if name not in (LOGINS, SAML_LOGINS)]
    seconds, turns = (1.0, 2) if quick else (5.0, 5)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mockforge-bench-")))
        directory = _directory(stack, folder) if {LOGINS, "ldap_cached"} & set(names) else ""
        provider = await stack.enter_async_context(introspection())
        served = [await _served(stack, folder, name, provider, directory) for name in plugins]
        for turn in range(turns + 1):
            for each in served:
                load, cpu_us = await _turn(each, seconds, folder)
                if turn:  # the first turn warms up
                    each.keep(load, cpu_us)
        for figure in figures(served, {"tool": "wrk", "connections": CONNECTIONS, "seconds": seconds, "turns": turns}):
            yield figure
        often = (2.0, 1) if quick else (10.0, 3)
        if LOGINS in names:
            guard = logins(directory)
            async for figure in beside_logins(LOGINS, guard.write(folder / "logins.json"), partial(_ldap_client, guard.headers), often):
                yield figure
        if SAML_LOGINS in names:
            presented = responses(folder, often)
            async for figure in beside_logins(SAML_LOGINS, presented.file, presented.client, often):
                yield figure


def _directory(stack: AsyncExitStack, folder: Path) -> str:
    from tests.support.openldap import openldap

    return stack.enter_context(openldap(folder / "directory")).plain


@asynccontextmanager
async def introspection() -> AsyncIterator[str]:
    """An endpoint that takes every token for active."""
    answer = json.dumps({"active": True, "sub": "ada", "aud": "bench", "scope": "read", "exp": int(time.time()) + 86400}).encode()
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(answer)

    async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        length = next((int(line.split(b":")[1]) for line in asked.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
        await reader.readexactly(length)
        writer.write(head + answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answers, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/introspect"
    finally:
        server.close()


async def _served(stack: AsyncExitStack, folder: Path, name: str, provider: str, directory: str) -> Measured:
    file, headers = folder / f"{name}.json", {}
    if name == OPEN:
        write_open(file)
    else:
        guard = guarded(name, provider, directory)
        guard.write(file)
        headers = dict(guard.headers)
    server = await stack.enter_async_context(measured("configured", file))
    host, port = urlsplit(server.url).hostname or "", urlsplit(server.url).port or 0
    await (await _connection(host, port, "/health", headers))()  # so that the credentials were seen once, and not by 32 requests at once
    return Measured(name, Case("configured", "/health", headers, config=file), server)


async def _turn(each: Measured, seconds: float, folder: Path) -> tuple[Load, float]:
    """One turn of wrk, and the server's microseconds of processor time a request. Raises: RuntimeError where a request is refused."""
    script = None
    if each.name == "signed":
        script = folder / "signed.lua"
        script.write_text(_lua(signatures(urlsplit(each.url).netloc, int(seconds * _MOST_A_SECOND))))
    before = cpu_s(each.server.pid)
    load = await wrk(each.url, seconds=seconds, connections=CONNECTIONS, headers=each.case.headers, script=script)
    if load.errors:
        raise RuntimeError(f"{each.name}: {load.errors} of {load.requests} requests failed")
    return load, (cpu_s(each.server.pid) - before) / load.requests * 1e6


def _lua(made: Sequence[tuple[str, str]]) -> str:
    lines = [f"{{{json.dumps(about)}, {json.dumps(signature)}}}," for about, signature in made]
    send = 'return wrk.format("GET", nil, {["signature-input"] = signed[n][1], ["signature"] = signed[n][2]})'
    return "\n".join(["local n = 0", "local signed = {", *lines, "}", f"function request()\n  n = n + 1\n  {send}\nend\n"])


def figures(seen: Sequence[Measured], conditions: Mapping[str, object]) -> list[Figure]:
    """What the turns come to, against the open route."""
    listed = []
    for each in seen:
        rate = summary([Turn(load.requests_s) for load in each.loads])
        latency = summary([Turn(load.p50_ms, load.p99_ms) for load in each.loads])
        cost = summary([Turn(us) for us in each.cpu_us])
        for what, turn, unit in (("wrk", rate, "requests/s"), ("latency", latency, "ms"), ("cpu", cost, "us")):
            case = f"{what}/{each.name}"
            listed.append(Figure(bench="auth", case=case, value=turn.value, unit=unit, p99=turn.p99, conditions=conditions))
    against = {f.case: f"{f.case.partition('/')[0]}/{OPEN}" for f in listed if not f.case.endswith(f"/{OPEN}")}
    return sorted(compare(listed, against), key=lambda figure: ("wrk", "latency", "cpu").index(figure.case.partition("/")[0]))


Client = Callable[[str, int], Awaitable[Callable[[], Awaitable[int]]]]
"""From host and port to what logs in once, over a connection of its own, and gives the status."""


async def _ldap_client(headers: Mapping[str, str], host: str, port: int) -> Callable[[], Awaitable[int]]:
    return await _connection(host, port, "/health", headers)


async def beside_logins(name: str, file: Path, client: Client, often: tuple[float, int]) -> AsyncIterator[Figure]:
    """The open route's latency, alone and beside logins, in turns."""
    seconds, turns = often
    async with measured("configured", file) as server:
        rates: Mapping[str, float | None] = {"idle": None, "20_a_second": LOGINS_A_SECOND, "as_many_as_go": float("inf")}
        seen: dict[str, list[tuple[Turn, int]]] = {each: [] for each in rates}
        await _beside(server.url, client, LOGINS_A_SECOND, 1.0)
        for _ in range(turns):
            for each, rate in rates.items():
                seen[each].append(await _beside(server.url, client, rate, seconds))
    calm = summary([turn for turn, _ in seen["idle"]]).p99 or 0.0
    for each, found in seen.items():
        middle = summary([turn for turn, _ in found])
        done = round(sum(count for _, count in found) / (seconds * turns))
        facts = {"probe_rate": _PROBE, "seconds": seconds, "turns": turns, "clients": CLIENTS if done else 0, "logins_a_second": done}
        figure = Figure(bench="auth", case=f"{name}/{each}", value=middle.value, unit="ms", p99=middle.p99, conditions=facts)
        yield figure if each == "idle" else replace(figure, ratio=(middle.p99 or 0) - calm, against=f"{name}/idle p99 (ms above it)")


async def _beside(url: str, client: Client, rate: float | None, seconds: float) -> tuple[Turn, int]:
    """The probe's latency in ms while 64 clients log in at that rate in all, and how many logins there were."""
    host, port = urlsplit(url).hostname or "", urlsplit(url).port or 0
    done = 0

    async def login(first: float) -> None:
        nonlocal done
        ask = await client(host, port)
        await asyncio.sleep(first)
        while True:
            began = time.perf_counter()
            status = await ask()
            if status != 200 and rate != float("inf"):
                raise RuntimeError(f"a login was answered {status}")
            done += status == 200
            await asyncio.sleep(max(0.0, CLIENTS / (rate or 1) - (time.perf_counter() - began)))

    clients = [asyncio.ensure_future(login(i / (rate or 1))) for i in range(CLIENTS)] if rate else []
    ask = await _connection(host, port, "/open", {})
    times: list[float] = []
    end = time.perf_counter() + seconds
    while (now := time.perf_counter()) < end:
        await ask()
        times.append((time.perf_counter() - now) * 1e3)
        await asyncio.sleep(max(0.0, 1 / _PROBE - times[-1] / 1e3))
    failed = [each for each in clients if each.done()]
    for each in clients:
        each.cancel()
    await asyncio.gather(*clients, return_exceptions=True)
    for each in failed:
        each.result()
    times.sort()
    return Turn(percentile(times, 0.5), percentile(times, 0.99)), done


async def _connection(host: str, port: int, path: str, headers: Mapping[str, str]) -> Callable[[], asyncio.Future[int]]:
    """What asks for that path over a connection of its own, and gives the status."""
    reader, writer = await asyncio.open_connection(host, port)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    request = f"GET {path} HTTP/1.1\r\nhost: {host}:{port}\r\n{lines}\r\n".encode()

    async def ask() -> int:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
        return int(head.split()[1])

    return lambda: asyncio.ensure_future(ask())
