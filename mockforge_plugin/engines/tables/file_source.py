"""What the sources of files share: the file is built into a database, which is asked; when the file changes, a new one takes over.

Whatever comes while a file is read anew sees the old rows, all of them, and from then on the new ones. One that cannot be read leaves the
last good one in use, and the operator's log says what is wrong with it.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Final

from mockforge_plugin import HostError, Processes, data, log
from mockforge_plugin.context import HostContext, detached, entered
from mockforge_plugin.engines.tables.cache import Stamp, default_folder
from mockforge_plugin.engines.tables.database import Access, Database
from mockforge_plugin.engines.tables.prepare import known, prepare
from mockforge_plugin.engines.tables.sheets import Sheet
from mockforge_plugin.engines.tables.source import TableSource

IN_PROCESS_BYTES: Final = 2 << 20
"""Larger files are read in a process of their own."""
SETTLED_S: Final = 0.1
"""A file is read anew when nobody has written to it for so long."""
POLL_S: Final = 0.5
_START_S: Final = 20.0
"""How long the start waits for a file; it is loaded all the same."""
_FRESH_S: Final = 0.4
"""How long a query waits for a small file that has just been changed."""
_BUILD_MS: Final = 600_000


class FileSource(TableSource):
    """A source that is one file. Formats say how it is read."""

    worker: ClassVar[str] = "worker.py"
    """The plugin's module whose function `build` does the same in a process."""
    always_in_process: ClassVar[bool] = False
    """Whether small files are read in a process, too."""

    @staticmethod
    def read(path: Path, config: Mapping[str, Any]) -> Sequence[Sheet]:
        """The format's `Reader`, for small files, in a thread."""
        raise NotImplementedError

    def init(self) -> None:
        """Read the configuration."""
        config = self.config
        self.file = Path(self.plugin.base_dir, Path(config["file"]).expanduser())
        self.folder = (
            str(Path(self.plugin.base_dir, config["cache_dir"]).expanduser()) if config.get("cache_dir") else str(default_folder())
        )
        self._processes = Processes(self.worker, most=1, queue=8, timeout_ms=_BUILD_MS)
        self._path = str(self.file)
        self._seen: tuple[int, ...] = ()
        self._stamp: Stamp | None = None
        """Of the file that is in use, or that was found to be bad."""
        self._bad = ""
        self.problem = f"{self.file.name} is being read"
        self._loading: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._context: HostContext | None = None

    async def start(self) -> None:
        """Read the file; a large one is waited for only for a while."""
        self._context = detached()
        self._watching = asyncio.create_task(self._watch(), name=f"mockforge-tables-{self.plugin.id}")
        await asyncio.wait((self._load(),), timeout=_START_S)
        if self.database is None and not self._is_loaded():
            log.warning(f"{self.file.name} is still being read; until then its queries are answered 503")

    async def stop(self) -> None:
        """End what runs in the background."""
        for task in (self._watching, self._loading):
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    async def refresh(self, timeout_s: float) -> None:
        """Read the file anew when it has changed: a small one is waited for, and not long."""
        if not self._has_changed():
            return
        loading = self._load()
        with suppress(OSError):
            if self.file.stat().st_size <= IN_PROCESS_BYTES:
                await asyncio.wait((loading,), timeout=min(_FRESH_S, timeout_s))

    def _is_loaded(self) -> bool:
        return self._loading is None or self._loading.done()

    def _has_changed(self) -> bool:
        try:
            about = os.stat(self._path)
            return self._seen != (about.st_mtime_ns, about.st_size, about.st_ino, about.st_ctime_ns)  # at each query: quickly
        except OSError:
            return self.database is None and self._stamp is not None

    async def _watch(self) -> None:
        """Look at the file now and then: cached results are forgotten when it changes, also while nobody asks."""
        while True:
            await asyncio.sleep(POLL_S)
            if self._has_changed():
                await asyncio.wait((self._load(),))

    def _load(self) -> asyncio.Task[None]:
        """The task that reads the file anew: one at a time."""
        if self._loading is None or self._loading.done():
            self._loading = asyncio.create_task(self._loaded())
        return self._loading

    async def _loaded(self) -> None:
        assert self._context is not None, "start() comes first"
        with entered(self._context):
            try:
                await self._settled()
                stamp = Stamp.of(self.file)
            except OSError as error:
                self._tell(f"cannot be read: {error.strerror or error}")
                return
            try:
                found = await self._prepared(stamp)
            except HostError as error:
                found = {"error": f"could not be read: {error.message}", "stamp": None}
            except Exception as error:  # parsers are not ours: whatever one raises, the last good file stays in use
                found = {"error": f"could not be read ({type(error).__name__}: {str(error)[:200]})", "stamp": None}
            if found.get("again"):
                return  # somebody writes to it: the next look finds it
            self._stamp = stamp = stamp if found["stamp"] is None else Stamp(*found["stamp"])
            self._seen = (stamp.modified_ns, stamp.size, stamp.inode, stamp.changed_ns)
            if "error" in found:
                self._tell(found["error"])
                return
            self._take(Path(found["database"]))

    async def _settled(self) -> None:
        """Wait until nobody writes to the file. One that is read for the first time is not waited for. Raises OSError."""
        if self.database is None:
            return
        until_s = time.monotonic() + 5.0
        while Stamp.of(self.file).age_s < SETTLED_S and time.monotonic() < until_s:
            await asyncio.sleep(SETTLED_S / 4)

    async def _prepared(self, stamp: Stamp) -> dict[str, Any]:
        said = (self.plugin.version, str(self.file), dict(self.config), self.folder)
        if not self.always_in_process and stamp.size <= IN_PROCESS_BYTES:
            return await asyncio.to_thread(prepare, self.read, *said)
        if (before := await asyncio.to_thread(known, *said)) is not None:
            return before
        found: dict[str, Any] = await self._processes.call("build", *said)
        return found

    def _take(self, path: Path) -> None:
        old = self.database
        if old is not None and old.path == path:
            self.problem = self._bad = ""
            return
        try:
            self.database = Database(path, Access(is_immutable=True, threads=self.config.get("threads", 4)))
        except sqlite3.Error as error:
            self._stamp, self._seen = None, ()
            self._tell(f"its database {path.name} cannot be opened: {error}")
            path.unlink(missing_ok=True)  # it is built anew
            return
        self.problem = self._bad = ""
        if old is not None:
            log.info(f"{self.file.name} has changed and is read anew")
            old.close(partial(old.path.unlink, missing_ok=True))  # other workers that have it open keep it
            data.changed()

    def _tell(self, problem: str) -> None:
        self.problem = f"{self.file.name}: {problem}"
        if problem != self._bad:
            log.error(f"{self.file}: {problem}{'; the last good one stays in use' if self.database is not None else ''}")
        self._bad = problem
