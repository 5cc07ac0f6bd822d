"""One user of the server, for reading or for writing: so many queries at once, each with its time, over a client made when needed.

The driver is not cancelled at once when whoever asked has left: what is quick ends by itself, and its connection is kept; what is not is
cancelled then, which ends its connection and so the server's work. Until it has ended, it counts among the queries that run.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar

import pymongo
from pymongo.asynchronous.database import AsyncDatabase

from mockforge_plugin import PluginError

from .failures import DRIVER, told
from .settings import ADMINISTER, CODEC, Client, client

T = TypeVar("T")
Database = AsyncDatabase[dict[str, Any]]
Work = Callable[[Client, Database], Awaitable[T]]

LEAVE_S: Final = 0.1
"""How long a query may go on when nobody waits for it."""
GRACE_S: Final = 0.2
"""How much longer than its time a query is waited for: the server ends it by itself, and its connection can be kept."""


class Role:
    """Runs work over connections of one user."""

    def __init__(self, config: Mapping[str, Any], *, writes: bool) -> None:
        self._config, self._writes = config, writes
        self._has_user = "user" in (config["write"] if writes and "user" in config["write"] else config)
        most = config["write"].get("max", 2) if writes else config["pool"].get("max", 5)
        self._slots, self._wait_s = asyncio.Semaphore(most), config["pool"].get("wait_ms", 500) / 1000
        self._client: Client | None = None
        self._opening = asyncio.Lock()
        self._running: set[asyncio.Task[Any]] = set()
        self.trouble = ""
        """Why the last query found no server; empty when it found one."""

    async def run(self, work: Work[T], timeout_ms: int) -> tuple[T, float]:
        """(what the work gives, how many seconds it waited for its turn). Raises PluginError."""
        since, timeout_s = time.monotonic(), timeout_ms / 1000
        await self._turn(timeout_s)
        waited_s = time.monotonic() - since
        task = asyncio.create_task(self._bounded(work, max(0.001, timeout_s - waited_s)))
        self._running.add(task)
        task.add_done_callback(self._ended)
        try:
            done, _ = await asyncio.wait((task,), timeout=timeout_s - waited_s + GRACE_S)
        except asyncio.CancelledError:
            asyncio.get_running_loop().call_later(LEAVE_S, task.cancel)
            raise
        if not done:
            task.cancel()
            raise PluginError("the server did not answer in time", code="timeout")
        return task.result(), waited_s

    async def close(self) -> None:
        """End all queries and connections."""
        running = [task for task in self._running if task is not asyncio.current_task()]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await self._drop()

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        self._slots.release()
        if not task.cancelled():
            task.exception()  # of one that was left nobody else asks

    async def _turn(self, timeout_s: float) -> None:
        if not self._slots.locked():
            await self._slots.acquire()  # which then does not wait
            return
        try:
            await asyncio.wait_for(self._slots.acquire(), min(self._wait_s, timeout_s))
        except TimeoutError:
            what = f"no connection was free within {self._wait_s:g} s: raise pool.max, or ask for less"
            raise PluginError(what, code="unavailable", retryable=True, details={"busy": True}) from None

    async def _bounded(self, work: Work[T], timeout_s: float) -> T:
        try:
            with pymongo.timeout(timeout_s):
                made = self._client or await self._open()
                if not made.topology_description.has_readable_server():
                    await self._find_server(made)
                found = await work(made, made.get_database(self._config["database"], codec_options=CODEC))
            self.trouble = ""
            return found
        except DRIVER as error:
            failed = told(error)
            if "login" in failed.message:  # the next query reads the secret again
                await self._drop()
        except PluginError as error:
            failed = error
        if failed.code == "unavailable":
            self.trouble = failed.message
        raise failed

    async def _drop(self) -> None:
        made, self._client = self._client, None
        if made is not None:
            await made.close()

    async def _open(self) -> Client:
        async with self._opening:
            if self._client is None:
                made = client(self._config, writes=self._writes)
                try:
                    await self._find_server(made)
                    await self._check_user(made)
                except BaseException:
                    await made.close()
                    raise
                self._client = made
            return self._client

    async def _find_server(self, made: Client) -> None:
        """Wait for one, not longer than connecting may take: a query's own time may be much longer."""
        with pymongo.timeout(self._config["connect_ms"] / 1000):
            await made.admin.command("ping", read_preference=made.read_preference)

    async def _check_user(self, made: Client) -> None:
        """A user that administers is refused: a query that went wrong could do as much. Raises PluginError."""
        if not self._has_user:
            return
        status = await made[self._config["database"]].command("connectionStatus")
        roles = {role["role"] for role in status["authInfo"].get("authenticatedUserRoles", ())}
        if found := sorted(roles & ADMINISTER):
            role, database = ("readWrite" if self._writes else "read"), self._config["database"]
            remedy = f'db.createUser({{user: "…", pwd: "…", roles: [{{role: "{role}", db: "{database}"}}]}})'
            raise PluginError(f"its user has the role {found[0]}, which administers. Make one that does not: {remedy}", code="unavailable")
