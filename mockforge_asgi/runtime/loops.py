"""Loops: what the runtimes of one configuration share where several event loops run at once, each in a thread of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from mockforge_asgi.errors import UnsupportedEventLoop
from mockforge_asgi.locks import ProcessLock
from mockforge_asgi.runtime.life import Life
from mockforge_asgi.state import StateStore

if TYPE_CHECKING:
    from mockforge_asgi.runtime.runtime import PluginRuntime

MAX_LOOPS: Final = 8
"""How many event loops may run at once with plugins of their own: each has instances and `limits.pool_memory_mb` of its own."""


class Loops:
    """The first runtime and its siblings, the state store that they share, and the lives that count on it."""

    def __init__(self, first: PluginRuntime, open_state: Callable[[], StateStore]) -> None:
        self._first, self._open_state = first, open_state
        self._lock = ProcessLock(forked=self._forked)
        self.siblings: dict[asyncio.AbstractEventLoop | None, PluginRuntime] = {}
        """The runtime of each loop that came while the first runtime's was running."""
        self._state: StateStore | None = None
        """Kept until a stop: it outlives event loops that just end, such as those that a test client makes for each request."""
        self._lives: set[Life] = set()
        self._left_behind: set[Life] = set()
        """Lives of a parent process, and of loops closed without being shut down: never touched again, and never freed."""

    def runtime_of(self, loop: asyncio.AbstractEventLoop) -> PluginRuntime:
        """The runtime of that loop, which runs: the first one, unless another loop that runs has it. Raises UnsupportedEventLoop."""
        with self._lock.here():
            if loop in self.siblings:
                return self.siblings[loop]
            first = self._first
            if first.loop is not loop:
                if first.loop is not None and first.loop.is_running():
                    first = self._sibling()
                    self.siblings[loop] = first
                else:
                    self._leave(first)
                first.loop = loop
            return first

    def _sibling(self) -> PluginRuntime:
        for loop, runtime in tuple(self.siblings.items()):
            if loop is None or not loop.is_running():
                self._leave(runtime)
                del self.siblings[loop]
        if len(self.siblings) + 1 >= MAX_LOOPS:
            raise UnsupportedEventLoop(
                f"this plugin runtime runs on {MAX_LOOPS} other event loops, each in a thread of its own, and on no more at once. Let "
                "fewer run, or give this one a PluginRuntime of its own; in tests, `with TestClient(app) as client:` has one loop for all."
            )
        return self._first.sibling()

    def _leave(self, runtime: PluginRuntime) -> None:
        life = runtime.leave()
        if life is not None:
            for sandbox in life.sandbox:
                sandbox.pause()
            self._left_behind.add(life)
            self._lives.discard(life)

    def _forked(self) -> None:
        for runtime in (self._first, *self.siblings.values()):
            self._leave(runtime)
        self.siblings.clear()

    def begin(self, life_of: Callable[[StateStore], Life]) -> Life:
        """A new life, with the store that all of them share."""
        with self._lock.here():
            self._state = self._state or self._open_state()
            life = life_of(self._state)
            self._lives.add(life)
            return life

    def end(self, life: Life, runtime: PluginRuntime) -> None:
        """That life has ended."""
        with self._lock.here():
            self._lives.discard(life)
            self._left_behind.discard(life)
            if runtime.loop is life.loop:
                runtime.loop = None
                if self.siblings.get(life.loop) is runtime:
                    del self.siblings[life.loop]

    def forget_state(self) -> None:
        """Start with an empty store next time, unless a life goes on with this one."""
        with self._lock.here():
            if not self._lives:
                self._state = None
