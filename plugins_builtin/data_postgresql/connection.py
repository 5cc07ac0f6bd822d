"""Connections to PostgreSQL by asyncpg."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any, Final

import asyncpg

from mockforge_plugin.engines.sql.byte_cap import ByteCap, capped
from mockforge_plugin.engines.sql.connections import Bounds, Rows
from mockforge_plugin.engines.sql.failures import SqlError, too_large
from mockforge_plugin.engines.sql.settings import Settings
from mockforge_plugin.engines.sql.statement import Piece
from mockforge_plugin.tables import Column, Table

from .errors import sql_error
from .roles import refuse_mighty
from .schema import read_tables
from .startup import GuardedLoop
from .types import bound, column_type, set_codecs

_KEPT: Final = 100
"""Prepared statements of one connection."""
_END_S: Final = 1.0


class PostgresqlConnection:
    """See `Connection` of the engine."""

    def __init__(self, driver: Any, settings: Settings, *, is_reader: bool) -> None:
        self._driver, self._settings, self._is_reader = driver, settings, is_reader
        self._prepared: OrderedDict[str, tuple[Any, tuple[Column, ...]]] = OrderedDict()
        self._names, self._timeout_ms, self._is_closing = count(), 0, False
        self._cap = ByteCap()
        capped(driver._transport, self._cap)
        # Before 14 the server does not tell when its session is made one that writes.
        self._is_watched = is_reader and not settings.pooler and driver.get_server_version() >= (14, 0)

    @property
    def is_usable(self) -> bool:
        """See Connection."""
        if self._is_closing or self._driver.is_closed():
            return False
        return not self._is_watched or self._driver.get_settings().default_transaction_read_only == "on"

    async def run(self, pieces: Sequence[Piece], params: Mapping[str, Any], types: Mapping[str, str], bounds: Bounds) -> Rows:
        """See Connection."""
        text, values = bound(pieces, params, types)
        is_prepared = False
        self._cap.allow(bounds.max_bytes)
        try:
            if self._timeout_ms != bounds.timeout_ms and not self._settings.pooler:
                await self._driver.execute(f"set statement_timeout = {bounds.timeout_ms:d}")
                self._timeout_ms = bounds.timeout_ms
            known = self._prepared.get(text)
            statement, columns = known or await self._prepare(text)
            is_prepared = True
            rows = await statement.fetch(*values)
        except Exception as error:
            raise self._failure(error, text, has_values=is_prepared and bool(values)) from None
        if columns:
            return Rows(columns, rows)
        return Rows(affected=_affected(statement.get_statusmsg()))

    async def _prepare(self, text: str) -> tuple[Any, tuple[Column, ...]]:
        if self._settings.pooler:
            statement = await self._driver.prepare(text, name="")
        else:
            statement = await self._driver.prepare(text, name=f"mockforge_{next(self._names)}")
        columns = tuple(Column(a.name, column_type(a.type.name, a.type.kind)) for a in statement.get_attributes())
        if not self._settings.pooler:
            self._prepared[text] = statement, columns
            if len(self._prepared) > _KEPT:
                self._prepared.popitem(last=False)
        return statement, columns

    def _failure(self, error: Exception, text: str, *, has_values: bool = False) -> SqlError:
        if self._cap.is_over:
            return too_large()
        self._prepared.pop(text, None)
        made = sql_error(error, self._settings.address, has_values=has_values)
        made.is_lost = made.is_lost or self._driver.is_closed()
        return made

    async def begin(self, *, read_only: bool, bounds: Bounds) -> None:
        """See Connection. Settings are the transaction's own where a pooler stands between."""
        lines = [f"begin {'read only' if read_only else 'read write'}"]
        if self._settings.pooler:
            session = {**_session(self._settings), "statement_timeout": str(bounds.timeout_ms)}
            lines += [f"set local {name} = '{value}'" for name, value in session.items()]
        await self._say("; ".join(lines))

    async def commit(self) -> None:
        """See Connection."""
        await self._say("commit")

    async def rollback(self) -> None:
        """See Connection."""
        await self._say("rollback")

    async def _say(self, text: str) -> None:
        try:
            await self._driver.execute(text)
        except Exception as error:
            raise self._failure(error, text) from None

    async def tables(self, bounds: Bounds) -> Sequence[Table]:
        """See Connection."""
        self._cap.allow(bounds.max_bytes)
        try:
            return await read_tables(self._driver)
        except Exception as error:
            raise self._failure(error, "") from None

    async def end(self) -> None:
        """See Connection. asyncpg asks the server to end what runs, over another connection, when its caller is cancelled."""
        self._is_closing = True
        try:
            async with asyncio.timeout(_END_S):
                await self._driver.close()
        except Exception:  # whatever state it is in
            pass
        finally:
            self._driver.terminate()


async def connect(settings: Settings, password: str | None, *, writes: bool) -> PostgresqlConnection:
    """A connection that is ready for queries. Raises SqlError."""
    role = settings.writer if writes else settings.reader
    assert role is not None, "no query writes without a role for it"
    session = {} if settings.pooler else {**_session(settings), "application_name": "mockforge"}
    if not writes and not settings.pooler:
        session["default_transaction_read_only"] = "on"
    driver, loop = None, None if settings.tls else GuardedLoop(asyncio.get_running_loop())
    try:
        driver = await asyncpg.connect(
            host=settings.host, port=settings.port, user=role.user, password=password or "", database=settings.database,
            timeout=settings.connect_s, statement_cache_size=0, ssl=settings.tls or False, server_settings=session,
            loop=loop,
        )  # fmt: skip
        set_codecs(driver._protocol.get_settings().add_python_codec)
        async with asyncio.timeout(settings.connect_s):
            async with driver.transaction(readonly=True):
                await refuse_mighty(driver, role.user, settings.database, writes=writes)
        return PostgresqlConnection(driver, settings, is_reader=not writes)
    except BaseException as error:
        if driver is not None:
            driver.terminate()
        if isinstance(error, Exception):
            raise sql_error(error, settings.address) from None
        raise


def _session(settings: Settings) -> dict[str, str]:
    """What texts of the server and of queries are read by."""
    return {"TimeZone": settings.time_zone, "DateStyle": "ISO", "IntervalStyle": "iso_8601", "standard_conforming_strings": "on"}


def _affected(status: str | None) -> int | None:
    """How many rows, of `INSERT 0 1`, `UPDATE 3`."""
    last = (status or "").rpartition(" ")[2]
    return int(last) if last.isascii() and last.isdigit() else None
