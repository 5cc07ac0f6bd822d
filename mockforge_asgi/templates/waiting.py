"""Waiting in the middle of what is written without `await`: a rendering pauses until its plugin responds, and others go on.

`with_waiting(function)` runs a plain function on a stack of its own (a greenlet, as SQLAlchemy does it); `result_of(coroutine)` in it gives
the coroutine's result. Most coroutines end without waiting, and then nothing is switched. What one waits for is handed to the task that
awaits `with_waiting`; that waits, and switches back with what came of it. An exception comes back too, so cancellation works. A coroutine
runs on one stack from its beginning to its end, since it may use greenlets itself.

Making a greenlet costs as much as a short rendering, so they are kept and used again. Each belongs to the thread that made it.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Generator
from types import CoroutineType, coroutine
from typing import Any, Final, TypeVar

T = TypeVar("T")

MAX_IDLE: Final = 32
"""How many workers that have nothing to do a thread keeps."""


_DONE: Final = object()
"""What a worker gives back when its function has ended."""


class _Thread(threading.local):
    """What one thread has: the library, imported when it is first needed, and its idle workers."""

    def __init__(self) -> None:
        from greenlet import getcurrent, greenlet

        self.tools: tuple[Callable[[], Any], type[Any], list[Any]] = getcurrent, greenlet, []
        """The function that gives the current greenlet, the class of them, and the idle ones."""


_THREAD: Final = _Thread()


async def with_waiting(function: Callable[[], T], waited: Callable[[], None] | None = None) -> T:
    """What the function returns. It may use `result_of`; `waited` is called whenever it has waited in it, before it goes on."""
    current, new_worker, idle = _THREAD.tools
    driver = current()
    worker = idle.pop() if idle else new_worker(_work)
    if worker.parent is not driver:
        worker.parent = driver
    # The very same context: what a coroutine sets before it waits it finds after that, and can reset.
    worker.gr_context = driver.gr_context
    job: list[Any] = [function]
    waits_for = worker.switch(job)
    while waits_for is not _DONE:
        try:
            value = await _yielded(waits_for)
        except BaseException as error:
            waits_for = worker.throw(error)
        else:
            if waited is not None:
                waited()
            waits_for = worker.switch(value)
    if len(idle) < MAX_IDLE:
        worker.gr_context = None
        idle.append(worker)
    if len(job) > 1:
        raise job.pop()
    return job[0]  # type: ignore[no-any-return]


def result_of(awaitable: Awaitable[T]) -> T:
    """The result of a coroutine, within a function that runs in `with_waiting`; others have their turn if it has to be waited for."""
    begun: Any = awaitable if type(awaitable) is CoroutineType else awaitable.__await__()
    try:
        waits_for = begun.send(None)
        while True:
            try:
                value = _THREAD.tools[0]().parent.switch(waits_for)
            except BaseException as error:
                waits_for = begun.throw(error)
            else:
                waits_for = begun.send(value)
    except StopIteration as ended:
        return ended.value  # type: ignore[no-any-return]


@coroutine
def _yielded(waits_for: Any) -> Generator[Any, Any, Any]:
    """What the event loop sends for what a coroutine waits for."""
    return (yield waits_for)


def _work(job: list[Any]) -> None:
    """The life of a worker: it runs the function in a job, leaves the result or the exception there, and waits for the next job."""
    from greenlet import GreenletExit, getcurrent

    while True:
        try:
            job[0] = job[0]()
        except GreenletExit:  # nobody will ever come back: the worker is collected as garbage
            return
        except BaseException as error:
            job.append(error)
        del job
        job = getcurrent().parent.switch(_DONE)
