"""data-sqlite: rows of a SQLite database that somebody else may be writing to meanwhile."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Final

from mockforge_plugin import data, log
from mockforge_plugin.context import HostContext, detached, entered
from mockforge_plugin.engines.tables.database import Access, Database
from mockforge_plugin.engines.tables.source import TableSource

POLL_S: Final = 0.5


class SqliteSource(TableSource):
    """One database file, which is opened when it is there."""

    def init(self) -> None:
        """Read the configuration."""
        self.file = Path(self.plugin.base_dir, Path(self.config["file"]).expanduser())
        self.problem = f"{self.file.name} is not opened yet"
        self._access = Access(writes=self.config.get("write", False), threads=self.config.get("threads", 4))
        self._inode: tuple[int, int] | None = None
        self._version = 0
        self._told = ""
        self._watching: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Open the database, if it is there."""
        context = detached()
        await self.refresh(0.0)
        self._watching = asyncio.create_task(self._watch(context), name=f"mockforge-sqlite-{self.plugin.id}")

    async def stop(self) -> None:
        """End what runs in the background."""
        if self._watching is not None:
            self._watching.cancel()
            with suppress(asyncio.CancelledError):
                await self._watching

    async def refresh(self, timeout_s: float) -> None:
        """Open the database anew where another file has its name."""
        try:
            about = self.file.stat()
        except OSError as error:
            if self.database is None:
                self._tell(f"cannot be opened: {error.strerror or error}")
            return
        if (inode := (about.st_dev, about.st_ino)) == self._inode:
            return
        try:
            opened = Database(self.file, self._access)
            self._version = opened.data_version()
        except sqlite3.Error as error:
            self._tell(f"cannot be opened: {error}")
            return
        old, self.database, self._inode = self.database, opened, inode
        self.problem = self._told = ""
        if old is not None:
            log.info(f"{self.file.name} is another file now, and opened anew")
            old.close()
            data.changed()

    async def _watch(self, context: HostContext) -> None:
        """What the host has cached is forgotten when somebody else writes; the schema is read anew."""
        with entered(context):
            while True:
                await asyncio.sleep(POLL_S)
                await self.refresh(0.0)
                if self.database is None:
                    continue
                with suppress(sqlite3.Error):  # somebody writes at this moment: the next look sees it
                    version = self.database.data_version()
                    if version != self._version:
                        self.database.reread()
                        self._version = version
                        data.changed()

    def _tell(self, problem: str) -> None:
        self.problem = f"{self.file.name} {problem}"
        if problem != self._told:
            log.error(f"{self.file} {problem}")
        self._told = problem
