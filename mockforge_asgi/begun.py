"""Coroutines that are started by hand, with `send(None)`: one that has to wait is awaited from there on."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from types import coroutine
from typing import Any, TypeVar

from mockforge_asgi.errors import MockForgeError

T = TypeVar("T")


@coroutine
def rest_of(
    work: Coroutine[Any, Any, T], waits_for: Any, failed: Callable[[BaseException], BaseException] | None = None
) -> Generator[Any, Any, T]:
    """Await the rest of a coroutine that was started and yielded `waits_for`; to the event loop it is like awaiting the coroutine itself.

    Time-outs, task groups and cancel scopes that the coroutine has entered belong to the same task, and are left before anything that was
    entered since. `failed` gives what is raised in place of an exception that comes out of the coroutine, unless that is one of ours.
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
    except MockForgeError:
        raise
    except (Exception, SystemExit) as error:  # an author's code: whatever it raises
        if failed is None:
            raise
        raise failed(error) from error
