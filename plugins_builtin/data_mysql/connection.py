"""Connections to MySQL and MariaDB by asyncmy."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import tzinfo
from typing import Any, Final

import asyncmy

from mockforge_plugin.engines.sql.byte_cap import ByteCap, capped
from mockforge_plugin.engines.sql.connections import Bounds, Rows
from mockforge_plugin.engines.sql.failures import SqlError, unavailable
from mockforge_plugin.engines.sql.settings import Settings
from mockforge_plugin.engines.sql.statement import Piece, rendered
from mockforge_plugin.tables import Table

from .errors import sql_error
from .literals import literal
from .roles import refuse_mighty
from .schema import COLUMNS, read_tables
from .types import read_rows
from .zones import session_zone

_END_S: Final = 1.0
_SET_OPTION: Final = 27
"""COM_SET_OPTION, of which 1 turns several statements in one text off."""
_FOUND_ROWS: Final = 2
"""CLIENT_FOUND_ROWS: rows that a change met count, whether they then differ or not."""
_CHANGED_MODES: Final = frozenset(
    "ANSI ANSI_QUOTES NO_BACKSLASH_ESCAPES DB2 MAXDB MSSQL ORACLE POSTGRESQL MYSQL323 MYSQL40 PAD_CHAR_TO_FULL_LENGTH".split()
)
"""Modes in which a text means something else; those that stand for several come with ANSI_QUOTES."""


class MysqlConnection:
    """See `Connection` of the engine. `kill` ends what a connection of that number runs, over another one."""

    def __init__(
        self, driver: Any, settings: Settings, zone: tzinfo, documents: frozenset[str], kill: Callable[[int], Awaitable[None]]
    ) -> None:
        self._driver, self._settings, self._zone, self._documents, self._kill = driver, settings, zone, documents, kill
        self.is_mariadb = "mariadb" in str(driver.server_version).lower()
        self._timeout_ms, self._is_running, self._is_closing = 0, False, False
        self._cap = ByteCap()
        capped(driver._transport, self._cap)

    @property
    def is_usable(self) -> bool:
        """See Connection."""
        return not self._is_closing and not self._is_running and self._driver.connected and not self._driver._stream_broken

    async def run(self, pieces: Sequence[Piece], params: Mapping[str, Any], types: Mapping[str, str], bounds: Bounds) -> Rows:
        """See Connection."""
        text = rendered(pieces, lambda name: literal(types.get(name, ""), params[name], self._zone))
        self._cap.allow(bounds.max_bytes)
        if self._timeout_ms != bounds.timeout_ms:
            await self._say(self._limit(bounds.timeout_ms))
            self._timeout_ms = bounds.timeout_ms
        result = await self._say(text)
        if result.has_next:  # of a procedure: what follows belongs to nobody
            self._is_closing = True
        if not result.fields:
            return Rows(affected=int(result.affected_rows or 0))
        columns, rows = read_rows(result.fields, result.rows or (), self._zone, self._documents)
        return Rows(columns, rows)

    def _limit(self, timeout_ms: int) -> str:
        if self.is_mariadb:
            return f"set session max_statement_time = {timeout_ms / 1000:.3f}"
        return f"set session max_execution_time = {timeout_ms:d}"

    async def _say(self, text: str) -> Any:
        self._is_running = True
        try:
            await self._driver.query(text.encode())
        except Exception as error:
            if self._cap.is_over:
                raise SqlError(
                    "it gives more than limits.max_mb: ask for fewer rows or columns, or raise it", "limit", is_lost=True
                ) from None
            made = sql_error(error, self._settings.address)
            made.is_lost = made.is_lost or self._driver._stream_broken
            self._is_running = made.is_lost
            raise made from None
        self._is_running = False
        return self._driver._result

    async def begin(self, *, read_only: bool, bounds: Bounds) -> None:
        """See Connection."""
        await self._say(f"start transaction read {'only' if read_only else 'write'}")

    async def commit(self) -> None:
        """See Connection."""
        await self._say("commit")

    async def rollback(self) -> None:
        """See Connection."""
        await self._say("rollback")

    async def tables(self, bounds: Bounds) -> Sequence[Table]:
        """See Connection."""
        self._cap.allow(bounds.max_bytes)
        return read_tables((await self._say(COLUMNS)).rows or ())

    async def prepare(self, *, writes: bool, user: str) -> None:
        """Make the session what the engine relies on. Raises SqlError."""
        mode = (await self._say("select @@session.sql_mode")).rows[0][0]
        modes = ",".join(part for part in mode.split(",") if part and part not in _CHANGED_MODES)
        zone = "+00:00" if self._settings.time_zone == "UTC" else self._settings.time_zone
        await self._say(f"set session sql_mode = '{modes}', time_zone = '{zone}'")
        refuse_mighty([row[0] for row in (await self._say("show grants")).rows], user, self._settings.database, writes=writes)
        if not writes:
            await self._say("set session transaction read only")
        await self._driver._execute_command(_SET_OPTION, b"\x01\x00")
        await self._driver.read_packet()

    async def end(self) -> None:
        """See Connection."""
        was_running, self._is_closing = self._is_running, True
        try:
            async with asyncio.timeout(_END_S):
                if was_running:
                    self._cut()
                    await self._kill(self._driver.thread_id())
                else:
                    await self._driver.ensure_closed()
        except Exception:  # whatever state it is in
            pass
        finally:
            self._cut()

    def _cut(self) -> None:
        transport = self._driver._transport
        if transport is not None:
            transport.abort()
        self._driver.close()


class NoPassword:
    """Refuses to send the password as it is: only over TLS may a server ask for that."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def authenticate(self, packet: Any) -> None:
        """Raises SqlError."""
        raise unavailable("the server asks for the password as it is, and the connection is not encrypted: use `tls: verify`", is_lost=True)


async def connect(settings: Settings, password: str | None, documents: frozenset[str], *, writes: bool) -> MysqlConnection:
    """A connection that is ready for queries. Raises SqlError."""
    role = settings.writer if writes else settings.reader
    assert role is not None, "no query writes without a role for it"

    async def opened() -> Any:
        clear = {} if settings.tls else dict.fromkeys((b"mysql_clear_password", "mysql_clear_password", b"dialog", "dialog"), NoPassword)
        return await asyncmy.connect(
            host=settings.host, port=settings.port, user=role.user, password=(password or "").encode(), database=settings.database,
            charset="utf8mb4", conv={}, autocommit=True, connect_timeout=settings.connect_s, ssl=settings.tls,
            program_name="mockforge", auth_plugin_map=clear, client_flag=_FOUND_ROWS,
        )  # fmt: skip

    async def kill(number: int) -> None:
        driver = await opened()
        try:
            await driver.query(f"kill {number:d}")
        finally:
            driver.close()

    driver = None
    try:
        async with asyncio.timeout(settings.connect_s):
            driver = await opened()
            made = MysqlConnection(driver, settings, session_zone(settings.time_zone), documents, kill)
            await made.prepare(writes=writes, user=role.user)
            return made
    except BaseException as error:
        if driver is not None:
            driver.close()
        if isinstance(error, Exception):
            raise sql_error(error, settings.address) from None
        raise
