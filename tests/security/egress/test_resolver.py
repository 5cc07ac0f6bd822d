"""Lookups of names are few at once, shared, and counted till their end."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from mockforge_asgi.security.egress.resolver import MAX_AT_ONCE, Lookups, system_resolver


class Slow:
    """Answers when told to; remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.told = asyncio.Event()

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        await self.told.wait()
        if host == "gone":
            raise OSError("Name or service not known")
        return [f"192.0.2.{port}"]


async def test_who_asks_for_one_name_at_once_shares_one_lookup() -> None:
    slow = Slow()
    lookups = Lookups(slow)
    asking = [asyncio.ensure_future(lookups.addresses("a", 1)) for _ in range(5)]
    await asyncio.sleep(0)
    asking[0].cancel()
    slow.told.set()
    answers = await asyncio.gather(*asking, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError) and answers[1:] == [["192.0.2.1"]] * 4 and slow.asked == ["a"]
    assert await lookups.addresses("a", 1) == ["192.0.2.1"] and slow.asked == ["a", "a"]


async def test_no_more_run_at_once_whoever_gives_up() -> None:
    slow = Slow()
    lookups = Lookups(slow)
    for n in range(3 * MAX_AT_ONCE):
        asking = asyncio.ensure_future(lookups.addresses(f"n{n}", 1))
        await asyncio.sleep(0)
        asking.cancel()
    assert len(slow.asked) == MAX_AT_ONCE
    slow.told.set()
    answers = await asyncio.gather(*(lookups.addresses(f"m{n}", n) for n in range(20)))
    assert answers == [[f"192.0.2.{n}"] for n in range(20)]


async def test_a_name_that_is_not_there_is_told_to_all_who_ask() -> None:
    slow = Slow()
    slow.told.set()
    lookups = Lookups(slow)
    answers = await asyncio.gather(*(lookups.addresses("gone", 1) for _ in range(3)), return_exceptions=True)
    assert all(isinstance(answer, OSError) for answer in answers)


async def test_closing_ends_the_waiting() -> None:
    lookups = Lookups(Slow())
    asking = asyncio.ensure_future(lookups.addresses("a", 1))
    await asyncio.sleep(0)
    lookups.close()
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_the_system_knows_localhost() -> None:
    assert set(await system_resolver("localhost", 80)) <= {"127.0.0.1", "::1"}


async def test_names_that_are_slow_to_answer_keep_none_of_the_loops_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    answer, look_up = threading.Event(), socket.getaddrinfo
    waiting = 0

    def slow(host: str, *more: Any, **options: Any) -> Any:
        nonlocal waiting
        if not host.endswith(".example"):
            return look_up(host, *more, **options)
        waiting += 1
        answer.wait(30)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    plugins = [Lookups(system_resolver) for _ in range(10)]
    asking = [asyncio.ensure_future(plugin.addresses(f"n{n}.example", 80)) for plugin in plugins for n in range(MAX_AT_ONCE)]
    for _ in range(5):  # now there are more of them than the loop has threads for everybody
        await asyncio.sleep(0)
    try:
        assert await asyncio.wait_for(asyncio.to_thread(lambda: "here"), 10) == "here"
        assert await asyncio.wait_for(system_resolver("localhost", 80), 10)
    finally:
        answer.set()
    assert waiting == len(asking)
    assert all(isinstance(error, socket.gaierror) for error in await asyncio.gather(*asking, return_exceptions=True))


async def test_a_name_that_the_system_cannot_even_ask_for_has_no_address() -> None:
    with pytest.raises(OSError):
        await system_resolver("a" * 64 + ".example", 80)


def test_a_lookup_that_outlasts_its_loop_is_no_fault(monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder) -> None:
    answer = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *more, **options: answer.wait(30) and [])

    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(system_resolver("a.example", 80), 0.01)

    asyncio.run(give_up())
    answer.set()
    for thread in threading.enumerate():
        if thread.name == "mockforge-lookup":
            thread.join(10)
    assert not recwarn.list
