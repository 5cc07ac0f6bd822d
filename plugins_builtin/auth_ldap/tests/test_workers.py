"""Threads and their queue."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from plugins_builtin.auth_ldap.failures import Busy, Unreachable
from plugins_builtin.auth_ldap.workers import Workers


class Mine:
    """What a thread has."""

    closed = 0

    def close(self) -> None:
        type(self).closed += 1


def soon() -> float:
    """A deadline that no test reaches."""
    return time.monotonic() + 60


async def test_what_waits_is_bounded_and_what_runs_too() -> None:
    workers, gate = Workers(Mine, most=2, queued=3), threading.Event()
    jobs = [asyncio.ensure_future(workers.run(lambda mine: gate.wait(30), soon())) for _ in range(5)]
    await asyncio.sleep(0)
    with pytest.raises(Busy):
        await workers.run(lambda mine: None, soon())
    gate.set()
    assert await asyncio.gather(*jobs) == [True] * 5
    assert workers.started == 2 and workers.busy == workers.waiting == 0
    workers.close()


async def test_what_nobody_waits_for_is_not_begun() -> None:
    workers, gate, begun = Workers(Mine, most=1, queued=3), threading.Event(), list[str]()
    first = asyncio.ensure_future(workers.run(lambda mine: gate.wait(30), soon()))
    left = asyncio.ensure_future(workers.run(lambda mine: begun.append("left"), soon()))
    late = asyncio.ensure_future(workers.run(lambda mine: begun.append("late"), time.monotonic() - 1))
    await asyncio.sleep(0)
    left.cancel()
    with pytest.raises(Unreachable):
        await late
    gate.set()
    await first
    assert await workers.run(lambda mine: "next", soon()) == "next"
    assert begun == [] and workers.busy == workers.waiting == 0
    workers.close()


async def test_an_error_reaches_who_waits_and_the_thread_goes_on() -> None:
    workers = Workers(Mine, most=1, queued=1)

    def fails(mine: Mine) -> None:
        raise ValueError("no")

    for _ in range(3):
        with pytest.raises(ValueError, match="no"):
            await workers.run(fails, soon())
    assert workers.started == 1
    Mine.closed = 0
    workers.close()
    for thread in threading.enumerate():
        if thread.name.startswith("auth-ldap"):
            thread.join(10)
    assert Mine.closed == 1
    with pytest.raises(Busy):
        await workers.run(lambda mine: None, soon())
