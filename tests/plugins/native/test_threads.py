"""Worker threads are bounded, reused, and end."""

from __future__ import annotations

import asyncio
import contextvars
import threading

import pytest

from mockforge_asgi.errors import PluginUnavailable
from mockforge_asgi.plugins.native.threads import WorkerThreads


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


async def test_a_call_given_up_as_it_ends_leaves_its_slot_free() -> None:
    """The result is there, the caller is not woken yet, and its time is over."""
    threads = WorkerThreads("p", 1)
    for _ in range(3):
        call = asyncio.ensure_future(threads.run(lambda: 1))
        await asyncio.sleep(0)
        while threads.busy:
            await asyncio.sleep(0)
        assert not call.done()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    assert (threads.busy, threads.abandoned) == (0, 0)
    assert await threads.run(lambda: 2) == 2
    threads.close()


async def test_a_system_without_threads_left_is_told_and_costs_no_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    threads = WorkerThreads("p", 1)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        for _ in range(3):
            with pytest.raises(PluginUnavailable, match="can't start new thread"):
                await threads.run(lambda: 1)
    assert await threads.run(lambda: 1) == 1
    threads.close()
