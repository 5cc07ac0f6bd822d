"""`python -m benchmarks.soak_sources` (`scripts/soak sources`): clients that leave in the middle of queries, and servers that hang and die.

MongoDB's protocol (SecantusDB, a process of its own) and an HTTP API (uvicorn, a thread), each asked through its source. In each round
many queries are left at any moment, each followed by one whose rows must be its own; then the server is frozen, killed and started
again. After every round the same descriptors must be open, and about as much memory be held.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import random
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks.soak import MIB, _rss
from plugins_builtin.data_rest.tests.api import Api, api_served
from tests.support.mongodb import MongoServer, mongodb
from tests.support.querying import Asking, asking

DOCUMENTS: Final = 50
AT_ONCE: Final = 4
MAX_DESCRIPTORS: Final = 10
MAX_GROWTH: Final = 48 * MIB
_RECOVERY_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Work:
    """How much to do, in all; each left query is one of four at once."""

    leaves: int = 10_000
    rounds: int = 5


@dataclass(slots=True)
class Held:
    """What the process held after each round, and whether all rows were right."""

    descriptors: list[int] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)
    wrong: int = 0

    def count(self) -> None:
        """Look at it now."""
        gc.collect()
        self.descriptors.append(len(os.listdir("/proc/self/fd")))
        self.memory.append(_rss())

    def faults(self) -> list[str]:
        """What grew, or was wrong. The first round is the measure of the others."""
        found = [f"{self.wrong} queries had another's rows"] if self.wrong else []
        if max(self.descriptors) - self.descriptors[0] > MAX_DESCRIPTORS:
            found.append(f"descriptors grow: {self.descriptors}")
        if max(self.memory) - self.memory[0] > MAX_GROWTH:
            found.append(f"memory grows: {[size // MIB for size in self.memory]} MiB")
        return found


async def leave(source: Asking, times: int, own: Callable[[int], tuple[dict[str, Any], Any]], draw: random.Random) -> int:
    """Leave so many queries, and after each four ask for rows that must be one's own. How many were not."""
    wrong = 0
    for turn in range(max(1, times // AT_ONCE)):
        leaving = [asyncio.create_task(source.rows("all")) for _ in range(AT_ONCE)]
        await asyncio.sleep(draw.random() * 0.005)
        for task in leaving:
            task.cancel()
        await asyncio.gather(*leaving, return_exceptions=True)
        params, expected = own(turn)
        wrong += await source.rows("one", params) != expected
    return wrong


async def recovers(source: Asking, params: dict[str, Any]) -> None:
    """Returns once it answers again. Raises TimeoutError."""
    async with asyncio.timeout(_RECOVERY_S):
        while True:
            try:
                await source.rows("one", params)
                return
            except Exception:
                await asyncio.sleep(0.05)


async def soak_mongodb(server: MongoServer, work: Work, draw: random.Random) -> Held:
    """Rounds over MongoDB's protocol."""
    with server.client() as client:
        client.shop.people.insert_many([{"_id": n, "text": "x" * 2000} for n in range(DOCUMENTS)])
    queries = {
        "all": {"query": {"find": "people"}},
        "one": {"query": {"find": "people", "filter": {"_id": ":id"}}, "params": {"id": "integer"}},
    }
    settings = {"hosts": [server.host], "database": "shop", "pool": {"wait_ms": 60_000}}
    held = Held()
    async with asking({"use": "mongodb", "config": settings, "queries": queries, "limits": {"timeout_ms": 5000}}) as source:
        for _ in range(work.rounds):
            held.wrong += await leave(source, work.leaves // work.rounds, _document, draw)
            for end, begin in ((server.freeze, server.thaw), (server.kill, server.start)):
                end()
                await asyncio.gather(*(source.refused("one", {"id": 1}) for _ in range(8)))
                begin()
                await recovers(source, {"id": 1})
            held.count()
    return held


def _document(turn: int) -> tuple[dict[str, Any], Any]:
    return {"id": turn % DOCUMENTS}, [{"_id": turn % DOCUMENTS, "text": "x" * 2000}]


async def soak_rest(api: Api, url: str, work: Work, draw: random.Random) -> Held:
    """Rounds over an HTTP API."""
    queries = {
        "all": {"query": {"get": "/items", "rows": "$.items"}},
        "one": {"query": {"get": "/users/:id", "rows": "$.data"}, "params": {"id": "integer"}},
    }

    def user(turn: int) -> tuple[dict[str, Any], Any]:
        return {"id": turn % 2 + 1}, [api.users[turn % 2 + 1]]

    held = Held()
    async with asking({"use": "rest", "config": {"url": f"{url}/v1"}, "queries": queries, "limits": {"timeout_ms": 5000}}) as source:
        for _ in range(work.rounds):
            held.wrong += await leave(
                source, work.leaves // work.rounds, lambda turn: ({"id": turn % 2 + 1}, [api.users[turn % 2 + 1]]), draw
            )
            api.asked.clear()
            held.count()
    return held


async def soak(work: Work, seed: int = 0) -> dict[str, Held]:
    """Both, one after the other."""
    draw, found = random.Random(seed), {}
    with tempfile.TemporaryDirectory() as folder, mongodb(Path(folder)) as server:
        found["mongodb"] = await soak_mongodb(server, work, draw)
    with api_served() as (api, served):
        found["rest"] = await soak_rest(api, served.url, work, draw)
    return found


def main() -> int:
    """Returns 1 where something grew or was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--leaves", type=int, default=Work().leaves, help="queries that are left, for each source")
    parser.add_argument("--rounds", type=int, default=Work().rounds)
    given = parser.parse_args()
    found = asyncio.run(soak(Work(given.leaves, given.rounds)))
    for name, held in found.items():
        print(f"{name}: descriptors {held.descriptors}, memory {[size // MIB for size in held.memory]} MiB")
    faults = [f"{name}: {fault}" for name, held in found.items() for fault in held.faults()]
    print(*faults or ["nothing grows"], sep="\n")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
