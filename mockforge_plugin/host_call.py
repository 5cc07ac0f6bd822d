"""Something asked of the host: made now, awaited or waited for later, and used once."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator
from typing import Any, Generic, TypeAlias, TypeVar

from mockforge_plugin.context import current
from mockforge_plugin.values import Json

T = TypeVar("T")
U = TypeVar("U")
Steps: TypeAlias = Generator[tuple[str, dict[str, Json]], Any, T]
"""Host calls to make one after the other: yields (name, payload), is sent the answer, returns the result."""


class HostCall(Generic[T]):
    """Something asked of the host. Await it in async code; `.result()` in plain functions. Use it once."""

    __slots__ = ("_steps",)

    def __init__(self, steps: Steps[T]) -> None:
        self._steps: Steps[T] | None = steps

    def __await__(self) -> Generator[Any, Any, T]:
        steps = self._take()
        try:
            name, payload = next(steps)
            context = current()
            while True:
                name, payload = steps.send((yield from context.call(name, payload).__await__()))
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]  # a generator's StopIteration is untyped

    def result(self) -> T:
        """The answer, waited for. Natively this blocks the plugin's worker thread, and is refused on the event loop's own."""
        steps = self._take()
        try:
            name, payload = next(steps)
            context = current()
            while True:
                name, payload = steps.send(context.call_blocking(name, payload))
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]  # a generator's StopIteration is untyped

    def then(self, change: Callable[[T], U]) -> HostCall[U]:
        """This call with its answer changed."""
        return HostCall(_then(self._take(), change))

    def _take(self) -> Steps[T]:
        steps, self._steps = self._steps, None
        if steps is None:
            raise RuntimeError("a host call is used once; call again for another answer")
        return steps

    def __del__(self) -> None:
        if self._steps is not None:
            words = "a host call was never awaited: nothing was asked. Write `await …`, or `….result()` in a plain method"
            warnings.warn(words, RuntimeWarning, stacklevel=2)


def _then(steps: Steps[T], change: Callable[[T], U]) -> Steps[U]:
    return change((yield from steps))


def ask(name: str, payload: dict[str, Json], pick: Callable[[Any], T]) -> Steps[T]:
    """One host call, and what is picked from its answer."""
    return pick((yield name, payload))


def _settled(value: T) -> Steps[T]:
    yield from ()
    return value


def settled(value: T) -> HostCall[T]:
    """A call that asks nothing and answers this."""
    return HostCall(_settled(value))
