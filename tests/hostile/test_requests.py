"""Hostile guests as clients see them: a status, and nothing of a plugin's inside."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mockforge_asgi.events import CallFinished
from mockforge_asgi.testing import Conversation
from tests.hostile.arena import Arena, arena
from tests.hostile.core import SPIN, answers, asks, generates
from tests.hostile.python_cases import plugin


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[Arena]:
    async with arena(tmp_path) as made:
        yield made


@pytest.mark.parametrize(
    ("code", "runtime", "status"),
    [
        (answers(r'{"status":200,"headers":[["x-a","b\r\nset-cookie: c=d"]]}'), "extism", 502),
        (answers('{"status":0}'), "extism", 502),
        (answers('{"status":999}'), "extism", 502),
        (answers("[" * 30_000), "extism", 502),
        (generates(SPIN), "extism", 504),
        (generates("(unreachable)"), "extism", 502),
        (asks("clock.sleep", '{"ns":3600000000000}'), "extism", 504),
        (plugin(r"raise ValueError('the inside: \x1b[2J /etc/shadow')"), "python", 502),
    ],
)
async def test_the_client_gets_a_status_and_no_inside(ground: Arena, code: bytes | str, runtime: str, status: int) -> None:
    limits = {"cpu_ms": 200, "timeout_ms": 1000, "memory_mb": 64 if runtime == "python" else 16}
    ground.put(await ground.load(code, runtime, limits))
    answer = await ground.client.get("/evil", headers={"origin": "https://page.test"})  # in dev mode only other origins are told nothing
    assert answer.status == status
    assert answer.header("set-cookie") is None and answer.header("x-a") is None
    for inside in ("inside", "shadow", "Traceback", "plugin.py", "wasm", "cpu_ms"):
        assert inside not in answer.text
    assert (await ground.client.get("/good")).text == "good"
    await ground.take_out()


async def test_headers_that_are_the_hosts_are_left_out_of_an_answer(ground: Arena) -> None:
    theirs = ("content-length", "transfer-encoding", "connection", "set-cookie", "strict-transport-security")
    document = {"status": 200, "headers": [*([name, "7"] for name in theirs), ["x-own", "1"]], "body": {"text": "body"}}
    ground.put(await ground.load(answers(json.dumps(document)), "extism", {}))
    answer = await ground.client.get("/evil")
    assert (answer.status, answer.text, answer.header("x-own"), answer.header("content-length")) == (200, "body", "1", "4")
    assert not [
        name for name, _ in answer.headers if name in ("transfer-encoding", "connection", "set-cookie", "strict-transport-security")
    ]
    await ground.take_out()


@pytest.mark.parametrize("code", [generates(SPIN), asks("clock.sleep", '{"ns":3600000000000}')], ids=["spins", "waits"])
@pytest.mark.parametrize("clients", [1, 20])
async def test_a_guest_that_never_returns_ends_with_its_client(ground: Arena, code: bytes, clients: int) -> None:
    before = await ground.settle()
    ground.put(await ground.load(code, "extism", {"cpu_ms": 10_000, "timeout_ms": 60_000}))
    talks = [Conversation([{"type": "http.request", "body": b"", "more_body": False}]) for _ in range(clients)]
    scope = ground.client.scope("GET", "/evil")
    tasks = [asyncio.ensure_future(ground.client.app(dict(scope), talk.receive, talk.send)) for talk in talks]
    pool = ground.runtime._alive().sandbox[0].memory
    async with ground.probed():
        async with asyncio.timeout(60):
            while sum(p.live - len(p.idle) for p in pool._plugins if p.plugin == "evil") < clients:
                await asyncio.sleep(0.005)
        await asyncio.sleep(0.05)  # longer than a client is believed to be there unwatched
        for talk in talks:
            talk.leave()
        async with asyncio.timeout(30):
            await asyncio.gather(*tasks)
    assert all(talk.sent == [] for talk in talks)
    assert [e.outcome for e in ground.seen if isinstance(e, CallFinished) and e.plugin == "evil" and e.op == "response.generate"] == [
        "cancelled"
    ] * clients
    await ground.take_out()
    assert not (await ground.settle(before)).beyond(before)
