"""Coroutines that are started by hand, with `send(None)`: one that has to wait is awaited from there on."""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from types import coroutine
from typing import Any, TypeVar

T = TypeVar("T")


@coroutine
def rest_of(work: Coroutine[Any, Any, T], waits_for: Any) -> Generator[Any, Any, T]:
    """Await the rest of a coroutine that was started and yielded `waits_for`; to the event loop it is like awaiting the coroutine itself.

    Time-outs, task groups and cancel scopes that the coroutine has entered belong to the same task, and are left before anything that was
    entered since.
    """
    try:
        while True:
            try:
                value = yield waits_for
            except BaseException as error:  # a cancellation, mostly
                waits_for = work.throw(error)
            else:
                waits_for = work.send(value)
    except StopIteration as ended:
        return ended.value  # type: ignore[no-any-return]  # of a coroutine that gives T
