"""What a log line costs whose text is the worst that a client or a guest can send: 32 KiB, with many secrets and keys in PEM configured.

`client` is the path of a request, `guest` a line of a plugin; secrets are looked for, control characters made visible, the line written.
"""

from __future__ import annotations

import base64
import random
from collections.abc import AsyncIterator, Callable
from functools import partial
from time import thread_time

from benchmarks.figures import Figure, Turn, summary
from mockforge_asgi.events import EventStream, RequestAnswered
from mockforge_asgi.plugins.hostcalls.guest_log import GuestLog
from mockforge_asgi.security.redaction import Redactor
from mockforge_asgi.security.secrets import Secrets
from mockforge_asgi.telemetry.log import LogWriter

SIZE = 32 * 1024
CHANCE = random.Random(7)
PEM = ["-----BEGIN PRIVATE KEY-----\n" + "\n".join(base64.b64encode(CHANCE.randbytes(48)).decode() for _ in range(26)) for _ in range(10)]
KEYS = [base64.b64encode(CHANCE.randbytes(24)).decode() for _ in range(1000)]
TEXTS = {
    "dashes": "-",
    "heads of PEM files": "-----BEGIN PRIVATE KEY-----\n",
    "beginnings of JWTs": "eyJ-",
    "schemes": "bearer aaaaaaaa ",
    "passwords": "password=x ",
    "URLs": "a://b:",
    "words": "handled for ada in 12 ms ",
    "beginnings of secrets": "".join(key[:8] for key in KEYS),
    "secrets": "".join(KEYS),
    "control characters": "\x1b",
}


class Nowhere:
    """A stream that keeps nothing."""

    def write(self, text: str) -> None:
        """Nowhere."""

    def flush(self) -> None:
        """Nothing to do."""


def lines() -> dict[str, Callable[[str], object]]:
    """A client's line and a guest's, as `mockforge serve` writes them."""
    redactor = Redactor(Secrets({str(n): secret for n, secret in enumerate(PEM + KEYS)}))
    events = EventStream(redactor)
    events.subscribe(LogWriter(Nowhere()))
    now = iter(range(1_000_000_000))
    log = GuestLog("guest", events, clock=lambda: float(next(now)))

    def client(text: str) -> None:
        events.emit(RequestAnswered(method="GET", path=text, status=404, answered_by="responses", wall_s=0.001))

    def guest(text: str) -> None:
        log.write({"level": "info", "message": text})

    return {"client": client, "guest": guest}


def timed(call: Callable[[], object], calls: int) -> Turn:
    """Microseconds of the processor that one call takes: the mean, and the longest of them in place of a percentile."""
    taken = []
    for _ in range(calls):
        begun = thread_time()
        call()
        taken.append((thread_time() - begun) * 1e6)
    return Turn(sum(taken) / calls, max(taken))


async def run(quick: bool) -> AsyncIterator[Figure]:
    """Every text in turns."""
    calls, turns = (20, 3) if quick else (100, 9)
    cases = {f"{who}/{name}": partial(write, (text * SIZE)[:SIZE]) for who, write in lines().items() for name, text in TEXTS.items()}
    seen: dict[str, list[Turn]] = {name: [] for name in cases}
    for turn in range(turns + 1):
        for name, call in cases.items():
            value = timed(call, calls)
            if turn:  # the first turn warms up
                seen[name].append(value)
    for name, found in seen.items():
        value = summary(found)
        yield Figure(
            bench="redaction",
            case=name,
            value=value.value,
            p99=value.p99,
            unit="us",
            conditions={"bytes": SIZE, "secrets": len(PEM + KEYS)},
        )
