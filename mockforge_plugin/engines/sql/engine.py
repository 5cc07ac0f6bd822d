"""The engine: a query's way from what the host asks to rows, over a pool for those that read and another for those that write.

A query ends in time whatever the server does: it is cancelled, its connection cut, and the server told over another one. What reads is
run once more over a new connection where a pooled one turned out to be gone, or a table has changed; what writes never is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from mockforge_plugin.engines.sql.connections import Bounds, Connection, Rows
from mockforge_plugin.engines.sql.dialect import Dialect
from mockforge_plugin.engines.sql.failures import SqlError, late, refused
from mockforge_plugin.engines.sql.paging import Cursor, Page, counted, following, page
from mockforge_plugin.engines.sql.pool import Pool
from mockforge_plugin.engines.sql.portable import change, portable
from mockforge_plugin.engines.sql.settings import Settings
from mockforge_plugin.engines.sql.statement import Statement, parsed
from mockforge_plugin.tables import DataResult, Table

C = TypeVar("C", bound=Connection)
T = TypeVar("T")

GRACE_S: Final = 0.2
"""How much longer than its time a query is waited for: the server ends it by itself, and its connection can be kept."""
WIRE: Final = 2
"""How many times `max_bytes` may come over the network: what is short as JSON may be longer there."""
ROOM: Final = 64 << 10


@dataclass(frozen=True, slots=True)
class Asked:
    """A query as the host asks it; see `docs/reference/data.md`."""

    query: Any
    params: Mapping[str, Any]
    types: Mapping[str, str] = field(default_factory=dict)
    name: str = ""
    limit: int = 1000
    cursor: str | None = None
    order: Sequence[str] = ()
    write: bool = False
    count: bool = False
    max_bytes: int = 64 << 20
    timeout_ms: int = 30_000

    @property
    def bounds(self) -> Bounds:
        """What it may take."""
        return Bounds(self.max_bytes * WIRE + ROOM, self.timeout_ms)


class Engine(Generic[C]):
    """Runs queries. `opening` makes a connection, for writing or not."""

    def __init__(self, settings: Settings, dialect: Dialect, opening: Callable[[bool], Awaitable[C]]) -> None:
        self._settings, self._dialect = settings, dialect
        where = f"{dialect.name} at {settings.address}"
        self.readers: Pool[C] = Pool(lambda: opening(False), settings.pool, where)
        self.writers: Pool[C] = Pool(lambda: opening(True), settings.write_pool, f"{where}, for writing")
        self.trouble = ""
        """Why the last query found no server; empty when it found one."""

    async def query(self, asked: Asked) -> DataResult:
        """Rows. Raises SqlError."""
        try:
            return await self._in_time(self._write(asked) if asked.write else self._read(asked), asked.timeout_ms)
        except SqlError as error:
            if error.code == "unavailable" and not error.details.get("busy"):
                self.trouble = error.message
            raise

    async def tables(self, asked: Asked) -> Sequence[Table]:
        """The tables that the role for reading may read. Raises SqlError."""
        return await self._in_time(self._over(self.readers, lambda c, _: c.tables(asked.bounds), may_repeat=True), asked.timeout_ms)

    async def close(self) -> None:
        """End all connections."""
        await asyncio.gather(self.readers.close(), self.writers.close())

    async def _in_time(self, work: Awaitable[T], timeout_ms: int) -> T:
        try:
            async with asyncio.timeout(timeout_ms / 1000 + GRACE_S):
                found = await work
        except TimeoutError:
            raise late(f"it took longer than {timeout_ms} ms") from None
        self.trouble = ""
        return found

    async def _over(self, pool: Pool[C], work: Callable[[C, float], Awaitable[T]], *, may_repeat: bool, is_last: bool = False) -> T:
        """What the work gives, with a connection of the pool; done again once if it may be, and its connection was gone."""
        is_fresh = False
        while True:
            connection, waited_s, was_used = await pool.take(is_fresh=is_fresh)
            is_good = False
            try:
                made = await work(connection, waited_s)
                is_good = not is_last
                return made
            except SqlError as error:
                is_good = not error.is_lost and not is_last
                is_gone = error.is_lost and error.code == "unavailable" and was_used
                if is_fresh or not may_repeat or not (error.is_stale or is_gone):
                    raise
                is_fresh = error.is_lost
                may_repeat = False
            finally:
                pool.give_back(connection, is_good=is_good)

    # Queries that read

    async def _read(self, asked: Asked) -> DataResult:
        statement, width = self._statement(asked)
        cursor = _cursor(asked)
        try:
            made = page(statement, asked.order, cursor, asked.limit, self._dialect)
        except ValueError as error:
            raise refused(f"query {asked.name!r}: {error}") from None
        is_guarded = not asked.name or self._settings.pooler

        async def run(connection: C, waited_s: float) -> DataResult:
            if not is_guarded:
                return await self._page(connection, asked, statement, made, cursor, width, waited_s)
            await connection.begin(read_only=True, bounds=asked.bounds)
            try:
                found = await self._page(connection, asked, statement, made, cursor, width, waited_s)
            except SqlError as error:
                if not error.is_lost:
                    await connection.rollback()
                raise
            await connection.rollback()
            return found

        # What a plugin wrote may have left anything behind in its session.
        return await self._over(self.readers, run, may_repeat=True, is_last=not asked.name or statement.leaves_state)

    async def _page(
        self, connection: C, asked: Asked, statement: Statement, made: Page, cursor: Cursor, width: int, waited_s: float
    ) -> DataResult:
        params, types = {**asked.params, **made.added}, {**asked.types, **made.types}
        found = await connection.run(made.pieces, params, types, asked.bounds)
        if made.tail and len(found.rows) <= asked.limit:
            more = await connection.run(made.tail, params, types, asked.bounds)
            found = Rows(found.columns, [*found.rows, *more.rows])
        total = None
        if asked.count and statement.gives_rows:
            total = int((await connection.run(counted(statement), asked.params, asked.types, asked.bounds)).rows[0][0])
        return self._result(asked, statement, found, cursor, width, total, waited_s)

    def _result(
        self, asked: Asked, statement: Statement, found: Rows, cursor: Cursor, width: int, total: int | None, waited_s: float
    ) -> DataResult:
        rows, columns, after = found.rows, found.columns, None
        is_cut = len(rows) > asked.limit
        if is_cut:
            rows = rows[: asked.limit]
            if statement.gives_rows and rows:
                after = str(following(asked.order, cursor, [(c.name, c.type) for c in columns], rows[-1], len(rows)))
        if width and width < len(columns):
            columns, rows = columns[:width], [tuple(row[:width]) for row in rows]
        return DataResult(columns, tuple(rows), is_cut, after, total, waited_ms=round(waited_s * 1000, 3))

    def _statement(self, asked: Asked) -> tuple[Statement, int]:
        """The statement of a query that reads, and how many of its columns are given; 0: all."""
        query = asked.query
        if type(query) is dict:
            if "from" not in query:
                raise refused(f"query {asked.name!r} is an object, but a query of {self._dialect.name} is SQL, or has `from`", "bad_data")
            try:
                return portable(query, asked.params, asked.order, self._dialect)
            except ValueError as error:
                raise refused(f"query {asked.name!r}: {error}", "bad_data") from None
        statement = self._parsed(asked, query)
        if not statement.is_read:
            raise refused(f"query {asked.name!r} begins with {statement.verb!r}: it may not write; add `write: true` if it shall", "denied")
        if self._dialect.is_mysql and "into" in statement.words:
            raise refused(f"query {asked.name!r} has INTO, which writes files and variables", "denied")
        return statement, 0

    def _parsed(self, asked: Asked, text: Any) -> Statement:
        if not isinstance(text, str):
            raise refused(f"query {asked.name!r} is not SQL; several statements want `write: true`", "bad_data")
        try:
            statement = parsed(text, is_mysql=self._dialect.is_mysql)
        except ValueError as error:
            raise refused(f"query {asked.name!r} {error}", "bad_data") from None
        if missing := sorted(statement.names - asked.params.keys()):
            raise refused(f"query {asked.name!r} has :{missing[0]}, which is not among its `params`", "bad_data")
        return statement

    # Queries that write

    def _changes(self, asked: Asked) -> list[Statement]:
        """The statements of a query that writes, of one transaction."""
        query = asked.query
        if type(query) is not dict or "from" not in query:
            return [self._parsed(asked, text) for text in (query if isinstance(query, list | tuple) else [query])]
        try:
            return [change(query, asked.params, asked.name, self._dialect)]
        except ValueError as error:
            raise refused(f"query {asked.name!r}: {error}", "bad_data") from None

    async def _write(self, asked: Asked) -> DataResult:
        if self._settings.writer is None:
            raise refused(f"query {asked.name!r} writes, and the source has no role for that: give it one under config.write", "bad_data")
        statements = self._changes(asked)

        async def run(connection: C, waited_s: float) -> DataResult:
            is_guarded = len(statements) > 1 or self._settings.pooler
            if is_guarded:
                await connection.begin(read_only=False, bounds=asked.bounds)
            affected = 0
            try:
                for statement in statements:
                    given = {name: asked.params[name] for name in statement.names}
                    found = await connection.run(statement.pieces, given, asked.types, asked.bounds)
                    affected += len(found.rows) if found.affected is None and statement.verb != "select" else found.affected or 0
            except SqlError as error:
                if is_guarded and not error.is_lost:
                    await connection.rollback()
                raise
            if is_guarded:
                await connection.commit()
            rows = tuple(found.rows[: asked.limit])
            is_cut = len(found.rows) > asked.limit
            return DataResult(found.columns, rows, is_cut, affected=affected, waited_ms=round(waited_s * 1000, 3))

        is_last = any(statement.leaves_state for statement in statements)
        return await self._over(self.writers, run, may_repeat=False, is_last=is_last)


def _cursor(asked: Asked) -> Cursor:
    if asked.cursor is None:
        return Cursor()
    try:
        return Cursor.read(asked.cursor)
    except ValueError:
        raise refused(f"query {asked.name!r}: the cursor is none of this source") from None
