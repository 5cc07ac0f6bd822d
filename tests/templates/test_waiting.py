"""Waiting in plain functions."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Generator
from contextvars import ContextVar
from typing import Any

import pytest

from mockforge_asgi.templates.waiting import MAX_IDLE, result_of, with_waiting

VALUE: ContextVar[str] = ContextVar("value", default="")


async def at_once(value: object) -> object:
    """The value, without waiting."""
    return value


async def later(value: object, times: int = 1) -> object:
    """The value, after others had their turn."""
    for _ in range(times):
        await asyncio.sleep(0)
    return value


async def fails(kind: type[BaseException], times: int = 0) -> object:
    """Never a value."""
    await later(None, times)
    raise kind("x")


@pytest.mark.parametrize("times", [0, 1, 3])
async def test_a_plain_function_gets_what_coroutines_give(times: int) -> None:
    assert await with_waiting(lambda: [result_of(at_once(1)), result_of(later(2, times)), result_of(at_once(3))]) == [1, 2, 3]


async def test_what_is_no_coroutine_is_awaited_too() -> None:
    future = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(future.set_result, 5)
    assert await with_waiting(lambda: result_of(future)) == 5


@pytest.mark.parametrize("times", [0, 1, 3])
async def test_an_error_is_raised_where_the_function_waits_and_can_be_caught(times: int) -> None:
    def function() -> str:
        try:
            result_of(fails(LookupError, times))
        except LookupError as error:
            return f"caught {error.args[0]}"
        return "none"

    assert await with_waiting(function) == "caught x"
    for error in (ValueError, KeyboardInterrupt):
        with pytest.raises(error):
            await with_waiting(lambda error=error: result_of(fails(error, times)))  # type: ignore[misc]


async def test_many_wait_at_once_each_for_its_own() -> None:
    waiting = list[asyncio.Future[int]]()

    async def meet(n: int) -> int:
        waiting.append(asyncio.get_running_loop().create_future())
        mine = waiting[-1]
        if len(waiting) == 200:
            for k, other in enumerate(waiting):
                other.set_result(k)
        return await mine + n - n

    assert sorted(await asyncio.gather(*(with_waiting(lambda n=n: result_of(meet(n))) for n in range(200)))) == list(range(200))  # type: ignore[misc]


async def test_cancelling_ends_the_function_where_it_waits() -> None:
    ended = list[str]()

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("coroutine")

    def function() -> None:
        try:
            result_of(forever())
        finally:
            ended.append("function")

    task = asyncio.create_task(with_waiting(function))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == ["coroutine", "function"]
    assert await with_waiting(lambda: result_of(later(1))) == 1


async def test_a_timeout_within_the_coroutine_works_as_everywhere() -> None:
    async def hurried() -> str:
        try:
            async with asyncio.timeout(0.001):
                await asyncio.Event().wait()
        except TimeoutError:
            return "out of time"
        return ""

    assert await with_waiting(lambda: result_of(hurried())) == "out of time"


async def test_the_task_and_its_context_are_the_same_before_and_after() -> None:
    async def sets() -> list[object]:
        token, task = VALUE.set("set"), asyncio.current_task()
        await asyncio.sleep(0)
        seen = [VALUE.get(), asyncio.current_task() is task]
        VALUE.reset(token)
        return seen

    VALUE.set("outside")
    assert await with_waiting(lambda: (VALUE.get(), result_of(sets()), VALUE.get())) == ("outside", ["set", True], "outside")


async def test_an_abandoned_function_is_ended() -> None:
    ended = list[str]()

    def function() -> None:
        try:
            result_of(later(None))
        finally:
            ended.append("function")

    begun = with_waiting(function)
    begun.send(None)
    begun.close()
    assert ended == ["function"]


async def test_functions_in_functions_wait_too() -> None:
    def inner() -> object:
        return [result_of(later("a", 2)), result_of(later("b", 2))]

    def outer() -> object:
        return [result_of(later("c")), result_of(with_waiting(inner)), result_of(later("d"))]

    assert await asyncio.gather(*(with_waiting(outer) for _ in range(3))) == [["c", ["a", "b"], "d"]] * 3


async def test_a_coroutine_that_uses_greenlets_itself_stays_on_one_of_them() -> None:
    """As SQLAlchemy's asyncio does it: each of its waits goes to the greenlet that it was begun in."""
    from greenlet import getcurrent, greenlet

    async def spawned() -> list[object]:
        def function() -> list[object]:
            return [getcurrent().parent.switch(later(n, 2)) for n in range(3)]

        made = greenlet(function, getcurrent())
        found = made.switch()
        while not made.dead:
            found = made.switch(await found)
        return found  # type: ignore[no-any-return]

    assert await asyncio.gather(*(with_waiting(lambda: result_of(spawned())) for _ in range(3))) == [[0, 1, 2]] * 3


def test_each_thread_and_each_loop_has_its_own() -> None:
    made = list[object]()

    def runs() -> None:
        for _ in range(3):
            made.append(asyncio.run(with_waiting(lambda: result_of(later(threading.get_ident())))))

    threads = [threading.Thread(target=runs) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 12


def test_a_loop_that_ends_early_leaves_nothing_that_runs() -> None:
    ended = list[str]()

    def function() -> None:
        try:
            result_of(asyncio.sleep(60))
        finally:
            ended.append("function")

    async def leaves() -> None:
        task = asyncio.create_task(with_waiting(function))
        await asyncio.sleep(0)
        assert not task.done()

    asyncio.run(leaves())
    assert ended == ["function"]


class Held:
    """Something that should be let go."""


@pytest.mark.parametrize("fails_with", [None, ValueError])
async def test_an_idle_worker_holds_nothing_of_what_it_did(fails_with: type[Exception] | None) -> None:
    held = Held()
    seen, context = weakref.ref(held), ContextVar[Held | None]("held", default=None)

    async def uses(held: Held) -> None:
        context.set(held)
        try:
            await with_waiting(lambda: (held, result_of(fails(fails_with, 1) if fails_with else later(held))))
        except ValueError:
            pass

    gc.collect()
    gc.disable()
    try:
        await asyncio.create_task(uses(held))
        del held
        await asyncio.sleep(0)
        assert seen() is None, "and no cycle had to be collected"
    finally:
        gc.enable()


async def test_more_workers_than_are_kept_are_let_go() -> None:
    from greenlet import greenlet

    await asyncio.gather(*(with_waiting(lambda: result_of(later(1))) for _ in range(3 * MAX_IDLE)))
    gc.collect()
    assert sum(isinstance(found, greenlet) and not found.dead for found in gc.get_objects()) <= 2 * MAX_IDLE


def test_on_another_event_loop_what_is_sent_arrives() -> None:
    class Asks:
        def __await__(self) -> Generator[Any, Any, Any]:
            return (yield "first") + (yield "second")

    async def asks() -> Any:
        return await Asks()

    running = with_waiting(lambda: result_of(asks()))
    assert running.send(None) == "first" and running.send(1) == "second"
    with pytest.raises(StopIteration) as ended:
        running.send(2)
    assert ended.value.value == 3
