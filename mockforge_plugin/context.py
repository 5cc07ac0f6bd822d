"""The way from a plugin to its host: one current context, whatever world the plugin runs in.

Natively the host sets it around each call (`entered`); in the sandbox there is one for the life of the instance (`install`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

from mockforge_plugin.failure import HostError
from mockforge_plugin.values import Json


class HostContext(Protocol):
    """What a host gives a plugin while it runs. Each method raises `HostError` when the host refuses or fails."""

    async def call(self, name: str, payload: dict[str, Json]) -> Json:
        """Call the host and await its answer."""

    def call_blocking(self, name: str, payload: dict[str, Json]) -> Json:
        """Call the host and block until it answers; refuses on an event loop's own thread."""

    def call_now(self, name: str, payload: dict[str, Json]) -> Json:
        """Make a host call that is answered at once: log, secret.get, config.get, clock.now, random.bytes."""


CURRENT: ContextVar[HostContext] = ContextVar("mockforge_plugin_host")
"""The context of the call that runs, where the host sets one for each."""
_installed: list[HostContext] = []


def current() -> HostContext:
    """The context of the running call. Raises: HostError outside a call."""
    try:
        return CURRENT.get()
    except LookupError:
        if _installed:
            return _installed[0]
    raise HostError("host calls work only while the host runs the plugin: move it from module level into a method", code="unavailable")


def detached() -> HostContext:
    """The current context, but natively one that does not end with the call: for work that goes on when who began it has given up."""
    context = current()
    anew: Callable[[], HostContext] | None = getattr(context, "anew", None)
    return context if anew is None else anew()


def install(context: HostContext) -> None:
    """Make this the context of everything that has no other (the sandbox does so once)."""
    _installed[:] = [context]


@contextmanager
def entered(context: HostContext) -> Iterator[HostContext]:
    """The context is current inside the `with` block (and in tasks and threads that copy it)."""
    token = CURRENT.set(context)
    try:
        yield context
    finally:
        CURRENT.reset(token)
