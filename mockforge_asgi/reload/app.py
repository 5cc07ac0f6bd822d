"""An app that follows edits of its configuration, and of the files that its routes answer with: built anew before the next request, swapped
when it has started.

A broken edit is reported with its place, and the last good configuration stays in use. Edits of plugins are the runtime's affair.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from mockforge_asgi.config import Config
from mockforge_asgi.errors import ConfigError, MockForgeError
from mockforge_asgi.events import Level
from mockforge_asgi.plugins.package.package import is_left_out
from mockforge_asgi.reload.watcher import Watch, Watcher
from mockforge_asgi.types import ASGIApp, Message, Receive, Scope, Send


class Generation:
    """One app made from one configuration, with its lifespan and the number of requests in it."""

    __slots__ = ("_events", "_retired", "_said", "_task", "app", "running")

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.running = 0
        self._events: asyncio.Queue[Message] = asyncio.Queue()
        self._said: asyncio.Queue[Message] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._retired: asyncio.Event | None = None

    async def start(self) -> None:
        """Run the app's start-up. Raises ConfigError with what it says if it fails."""
        self._task = asyncio.create_task(self._live())
        said = await self._exchange({"type": "lifespan.startup"})
        if said["type"] == "lifespan.startup.failed":
            raise ConfigError(str(said.get("message") or "the app could not be started."))

    async def stop(self) -> None:
        """Let the running requests end, then run the app's shutdown."""
        self._retired = asyncio.Event()
        if self.running:
            await self._retired.wait()
        await self._exchange({"type": "lifespan.shutdown"})
        if self._task is not None:
            await self._task

    async def _live(self) -> None:
        scope: Scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}
        try:
            await self.app(scope, self._events.get, self._said.put)
        except Exception as error:  # foreign code: reported by who waits
            await self._said.put({"type": "lifespan.startup.failed", "message": f"{type(error).__name__}: {error}"})
        finally:
            await self._said.put({"type": "mockforge.over"})

    async def _exchange(self, message: Message) -> Message:
        await self._events.put(message)
        return await self._said.get()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request in this generation, even if another takes over meanwhile."""
        self.running += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self.running -= 1
            if self._retired is not None and not self.running:
                self._retired.set()


class ReloadingApp:
    """Serves the current generation. `load` reads the configuration again, `build` makes an app of it; both may use the `watcher`."""

    def __init__(
        self,
        config: Config,
        load: Callable[[], Config],
        build: Callable[[Config], ASGIApp],
        *,
        watcher: Watcher | None = None,
        report: Callable[[Level, str], None],
    ) -> None:
        self._file, self._load, self._build, self._report = config.file or Path(), load, build, report
        self._server = config.server
        self._watcher = watcher or Watcher()
        self._watcher.is_polled_before = True  # by __call__
        self._watch = self._watcher.watch()
        self._watch.set((self._file, *_answer_files(config)))
        self._seen = self._watch.poll()
        self._current = Generation(build(config))
        self._changing = asyncio.Lock()
        self._retiring: set[asyncio.Task[None]] = set()
        self._steps: set[asyncio.Task[None]] = set()
        self._is_started = False
        self._blocked: Watch | None = None
        """While a configuration waits for a plugin to be mended: on the plugins' files, from before it was tried."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one scope."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        if not self._is_started:
            await self._whole(self._begin())
        if self._watch.poll() != self._seen or (self._blocked is not None and self._blocked.version):
            await self._whole(self._change())
        await self._current(scope, receive, send)

    async def _whole(self, step: Coroutine[Any, Any, None]) -> None:
        """Wait for it. A request that is cancelled meanwhile does not take it along: what was edited is not looked at twice."""
        task = asyncio.create_task(step)
        self._steps.add(task)
        task.add_done_callback(self._steps.discard)
        await asyncio.shield(task)

    async def _begin(self) -> None:
        async with self._changing:
            if not self._is_started:
                await self._current.start()
                self._is_started = True

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self._begin()
        except MockForgeError as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        async with self._changing:
            await self._current.stop()
        await asyncio.gather(*self._retiring, return_exceptions=True)
        await send({"type": "lifespan.shutdown.complete"})

    async def _change(self) -> None:
        async with self._changing:
            seen = self._watch.poll()
            if seen == self._seen and not self._is_unblocked():
                return  # done by another request
            if not self._file.exists():
                return  # between an editor's remove and rename
            self._seen, self._blocked = seen, None
            try:
                config = await asyncio.to_thread(self._load)
                self._follow(config)
                fresh = Generation(self._build(config))
                await fresh.start()
            except MockForgeError as error:
                self._report("error", f"{error}\nThe last good configuration stays in use.")
                return
            self._blocked = None
            old, self._current = self._current, fresh
            self._report("info", f"{self._file.name} changed: the new configuration is in use.")
            if config.server != self._server:
                self._server = config.server
                self._report("warning", "what changed under `server:` applies from the next start of `mockforge serve`.")
            task = asyncio.create_task(old.stop())
            self._retiring.add(task)
            task.add_done_callback(self._ended)

    def _follow(self, config: Config) -> None:
        """Watch the files of a configuration before it is built; edits that its own file has had meanwhile still count."""
        self._watch.set((self._file, *_answer_files(config)))
        self._blocked = self._watcher.watch()
        for use in config.plugins.values():
            if use.enabled:
                self._blocked.add_tree(use.path, is_left_out)

    def _is_unblocked(self) -> bool:
        return self._blocked is not None and self._blocked.version > 0

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._retiring.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self._report("error", f"the configuration before did not stop as it should: {error}")


def _answer_files(config: Config) -> tuple[Path, ...]:
    return tuple(Path(str(route.response.value)) for route in config.routes if route.response.kind == "file")
