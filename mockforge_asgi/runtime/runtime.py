"""PluginRuntime: the owner of everything that lives longer than a request.

Holds the sandbox, the registry of loaded plugins, the shared state and the event stream. One belongs to one process and
one event loop; on another loop (or in a forked worker) it starts anew, and where its first loop still runs, in another thread, a sibling
serves the other one. Two mounts may share one: it stops when the last of them has stopped, and where nobody stops it, with its loop.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Iterable, Mapping
from copy import copy
from pathlib import Path
from typing import Any

from mockforge_asgi.config import Config, PluginUse, load_config
from mockforge_asgi.contract import Json
from mockforge_asgi.errors import MockForgeError, PluginUnavailable, UnsupportedEventLoop, UnsupportedPlatform
from mockforge_asgi.events import EventStream, PluginRefused
from mockforge_asgi.http.exchange import Exchange
from mockforge_asgi.plugins.authorization import authorize
from mockforge_asgi.plugins.consistency import CheckReport, check_plugins
from mockforge_asgi.plugins.hostcalls.clock_random import REAL, ClockAndRandom
from mockforge_asgi.plugins.plugin import Plugin
from mockforge_asgi.plugins.registry import NOT_LOADED, LoadedPlugins, Registry
from mockforge_asgi.plugins.start_order import start_order
from mockforge_asgi.reload.plugins import PluginEdits
from mockforge_asgi.reload.watcher import Watcher
from mockforge_asgi.runtime.life import Life, new_life
from mockforge_asgi.runtime.loops import Loops
from mockforge_asgi.security.redaction import Redactor
from mockforge_asgi.sources import Sources
from mockforge_asgi.state import StateStore, open_store
from mockforge_asgi.telemetry.log import logged_events


class PluginRuntime:
    """Loads, holds and reloads the plugins of a configuration; what middlewares are given.

    `plugins` are the developer's own objects (`MockForge(plugins=[MyAuth()])`): trusted, never sandboxed. `dev` wins over what the
    configuration says. What happens goes to `logging.getLogger("mockforge")`, unless `events` are given: then to those who listen there.
    """

    def __init__(
        self,
        config: Config | str | os.PathLike[str] | Mapping[str, Any] | None = None,
        *,
        plugins: Iterable[object] = (),
        events: EventStream | None = None,
        clock_random: ClockAndRandom = REAL,
        cache_dir: Path | None = None,
        dev: bool | None = None,
        watcher: Watcher | None = None,
        checked: CheckReport | None = None,
    ) -> None:
        self._own = tuple(plugins)
        self.config: Config = load_config(config, dev=dev, own=self.own_names)
        self.events = events or logged_events()
        self.watcher: Watcher | None = (watcher or Watcher()) if self.config.dev else None
        """Of edits, in development mode."""
        self._redactor = known if isinstance(known := self.events.redact, Redactor) else Redactor()
        self.events.redact = self._redactor
        self._clock_random, self._cache_dir = clock_random, cache_dir
        self._checked = None if self.config.dev else checked
        """Loaded by the first start; in dev mode the plugins are looked at again, for their files may have been edited since."""
        self.loop: asyncio.AbstractEventLoop | None = None
        """Where it runs, or ran last."""
        self._elsewhere = NOT_LOADED
        """No plugins, with the reason: what there is on an event loop that cannot have any."""
        self._loops = Loops(self, self._open_state)
        self._siblings = self._loops.siblings
        self.loaded: LoadedPlugins = NOT_LOADED
        """The plugins as they are loaded now; another object with every change. On a loop that a sibling serves, `current` gives them."""
        self._starting: asyncio.Task[None] | None = None
        self._life: Life | None = None
        self._ending: Life | None = None
        self.leave()

    def leave(self) -> Life | None:
        """Have nothing, as in the beginning; gives the life that there was, which is not touched."""
        life, self.loop, self._pid, self._mounts = self._life, None, os.getpid(), 0
        self._starting = self._ending = None
        self._live(None)
        return life

    def sibling(self) -> PluginRuntime:
        """A runtime with the same configuration, state, events and secrets, for another event loop."""
        made = copy(self)
        made.loaded, made._life, made._checked = NOT_LOADED, None, None
        made.leave()
        return made

    def _here(self) -> PluginRuntime:
        return self._siblings.get(asyncio._get_running_loop(), self)

    @property
    def own_names(self) -> tuple[str, ...]:
        """The names of the developer's own plugins."""
        if not self._own:
            return ()
        from mockforge_asgi.plugins.native.inline import own_names

        return own_names(self._own)

    @property
    def is_ready(self) -> bool:
        """Whether plugins answer on the running loop, in this process."""
        life = self._life
        if life is not None and self._pid == os.getpid() and life.loop is _running_loop():
            return True
        here = self._here()
        return here is not self and here.is_ready

    @property
    def registry(self) -> Registry:
        """The loaded plugins. Raises UnsupportedPlatform before `start`."""
        return self._alive().registry

    @property
    def state(self) -> StateStore:
        """The shared state. Raises UnsupportedPlatform before `start`."""
        return self._alive().state

    @property
    def sources(self) -> Sources:
        """The data sources. Raises UnsupportedPlatform before `start`."""
        return self._alive().sources

    def plugin(self, name: str) -> Plugin:
        """The current generation of a plugin, by its configured name. Raises KeyError."""
        loaded = self._here().loaded if self._siblings else self.loaded
        plugin = loaded.plugins.get(name)
        return plugin if plugin is not None else self._alive().registry[name]

    async def current(self, *, refreshed: bool = False) -> LoadedPlugins:
        """The plugins as they are loaded on this event loop, in this process; `refreshed`: with every edit of their files.

        On an event loop that cannot have any there are none. Raises MockForgeError.
        """
        if not self.is_ready:
            try:
                await self.ensure()
            except UnsupportedEventLoop as error:
                if self._elsewhere.unavailable != str(error):
                    self._elsewhere = LoadedPlugins(unavailable=str(error))
                return self._elsewhere
        if refreshed:
            await self.refresh()
        return self._here().loaded

    def _live(self, life: Life | None) -> None:
        self._life = life
        self._changed()

    def _changed(self) -> None:
        before, self.loaded = self.loaded, NOT_LOADED if self._life is None else self._life.registry.loaded
        for derived in tuple(before.derived):
            derived.forget(before)
        before.derived.clear()

    def _alive(self) -> Life:
        here = self._here()
        if here._life is None:
            if here._ending is not None and here._pid == os.getpid():
                raise PluginUnavailable("*", "all plugins are being stopped")
            raise UnsupportedPlatform("the plugin runtime is not started: await runtime.start(), or let the server send lifespan events.")
        return here._life

    async def start(self) -> None:
        """Load and start every plugin, once a stop has ended; further mounts that start it only count. Raises MockForgeError."""
        while (life := self._here()._ending_on(_running_loop())) is not None:
            await life.ended.wait()
        await self.ensure()
        self._here()._mounts += 1

    async def stop(self) -> None:
        """Stop every plugin when the last mount stops."""
        here = self._here()
        here._mounts = max(0, here._mounts - 1)
        if here._mounts == 0 and here._life is not None and here._life.end is not None:
            await here._life.end.aclose()
            self._loops.forget_state()

    async def ensure(self) -> None:
        """Be ready on this loop: what a request calls under a server that sends no lifespan events. Raises MockForgeError."""
        if self.is_ready:
            return
        loop = _running_loop()
        here = self._loops.runtime_of(loop)
        if here is not self:
            return await here.ensure()
        if self._ending_on(loop) is not None:
            raise PluginUnavailable("*", "all plugins are being stopped")
        if self._starting is None or self._starting.done() or self._starting.get_loop() is not loop:
            self._starting = loop.create_task(self._begin(loop), name="mockforge-start")
        starting = self._starting
        try:
            await asyncio.shield(starting)
        finally:
            if starting.done() and self._starting is starting:
                self._starting = None

    def _ending_on(self, loop: asyncio.AbstractEventLoop) -> Life | None:
        life = self._ending
        return life if life is not None and life.loop is loop and self._pid == os.getpid() else None

    async def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        life = self._loops.begin(lambda state: self._new_life(loop, state))
        try:
            await life.state.open()
            await self._load_all(life)
        except BaseException as error:
            await self._end(life)
            self._loops.end(life, self)
            if isinstance(error, MockForgeError):  # whoever starts it shows the error, a server in its own log
                error.args = tuple(self._redactor(arg) if isinstance(arg, str) else arg for arg in error.args)
            raise
        life.end = self._until_the_end_of(life)
        await anext(life.end)
        self._live(life)

    async def _until_the_end_of(self, life: Life) -> AsyncGenerator[None, None]:
        """Runs on when it is closed, by `stop` or by the loop (`loop.shutdown_asyncgens`, which `asyncio.run` calls)."""
        owner = os.getpid()
        try:
            yield
        finally:
            if owner == os.getpid():  # a fork of a running loop has none of the threads that it would wait for
                if self._life is life:
                    self._live(None)
                    self._mounts = 0
                self._ending = life
                try:
                    await self._end(life)
                finally:
                    self._ending = None if self._ending is life else self._ending
                    self._loops.end(life, self)
                    life.ended.set()

    async def _load_all(self, life: Life) -> None:
        if self.watcher is not None:
            life.edits = PluginEdits(self.watcher, self.config.plugins.values())
        found, self._checked = self._checked, None
        if found is None:
            found = await asyncio.to_thread(check_plugins, self.config)
        found.raise_refused()
        for authorization in start_order(found.authorized):
            life.registry.put(await life.loader.load(authorization))
        if self._own:
            from mockforge_asgi.plugins.native.inline import load_own

            async for plugin in load_own(self._own, life.loader.services, taken=self.config.plugins, is_dev=self.config.dev):
                life.registry.put(plugin)

    def _open_state(self) -> StateStore:
        return open_store(self.config.state.url, str(self.config.file or self.config.base_dir))

    def _new_life(self, loop: asyncio.AbstractEventLoop, state: StateStore) -> Life:
        registry = Registry(self.events, self._changed)
        return new_life(
            loop, self.config, registry, state, redactor=self._redactor, clock_random=self._clock_random, cache_dir=self._cache_dir
        )

    async def _end(self, life: Life) -> None:
        async with life.checking:  # what is being loaded again is there by then, to be ended too
            await life.registry.close()
        for sandbox in life.sandbox:
            await sandbox.close()
        await life.state.close()

    async def refresh(self) -> None:
        """In dev mode, before a request: load again what was edited. A broken edit is reported, and the last good one stays."""
        life = self._alive()
        if life.edits is None or not life.edits.is_any() or life.checking.locked():
            return
        async with life.checking:
            for name in life.edits.each():
                if self._here()._life is life:
                    await self._load_again(life, self.config.plugins[name])

    async def _load_again(self, life: Life, use: PluginUse) -> None:
        try:
            life.registry.put(await life.loader.load(await asyncio.to_thread(authorize, use, self.config)))
        except MockForgeError as error:
            self.events.emit(PluginRefused(plugin=use.name, reason=str(error), kept_last_good=use.name in life.registry))

    async def query(self, exchange: Exchange | None, source: str, query: str, params: Mapping[str, Json]) -> Json:
        """Rows of a source's named query, for templates. Raises HostCallError."""
        return await self.sources.query(source, query, params)


def _running_loop() -> asyncio.AbstractEventLoop:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise UnsupportedEventLoop(
            "plugins run on asyncio only, and this is not an asyncio event loop. Static mocks answer, and requests that no plugin is "
            "asked about pass through, on any loop."
        ) from None
