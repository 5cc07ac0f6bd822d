"""Worker threads are bounded, reused, and end."""

from __future__ import annotations

import asyncio
import contextvars
import threading

import pytest

from mockforge_asgi.errors import PluginUnavailable
from mockforge_asgi.plugins.threads import WorkerThreads


async def test_threads_are_used_again_and_never_more_than_allowed() -> None:
    threads = WorkerThreads("p", 3)
    names = await asyncio.gather(*(threads.run(lambda: threading.current_thread().name) for _ in range(50)))
    assert 1 <= len(set(names)) <= 3
    assert (threads.busy, threads.abandoned) == (0, 0)
    threads.close()


async def test_the_callers_context_variables_are_seen() -> None:
    variable = contextvars.ContextVar[str]("variable")
    variable.set("here")
    threads = WorkerThreads("p")
    assert await threads.run(variable.get) == "here"
    threads.close()


@pytest.mark.parametrize("raised", [ValueError, StopIteration, KeyboardInterrupt, SystemExit])
async def test_what_is_raised_reaches_the_caller_as_an_exception(raised: type[BaseException]) -> None:
    def fail() -> None:
        raise raised("no")

    threads = WorkerThreads("p")
    with pytest.raises(Exception, match="no"):
        await threads.run(fail)
    assert await threads.run(lambda: 1) == 1
    threads.close()


async def test_closed_threads_take_nothing_and_end() -> None:
    threads = WorkerThreads("closing", 2)
    running = await threads.run(threading.current_thread)
    threads.close()
    with pytest.raises(PluginUnavailable, match="stopping"):
        await threads.run(lambda: 1)
    await asyncio.to_thread(running.join, 10)
    assert not running.is_alive()
