"""data-mongodb: queries of MongoDB. Operations of a list alone, parameters that are values wherever they stand, types that are kept."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, TypeVar

from mockforge_plugin import Column, DataResult, DataSourcePlugin, Health, Json, Table

from . import tables
from .operations import Bounds, Document, Found, aggregate, change, find
from .paging import Cursor
from .portable import Portable
from .queries import Values, operation_of, read_query, wrong_query
from .role import Database, Role
from .settings import Client, problems
from .tables import COUNTERS, Declared
from .values import kinds, rows_of

T = TypeVar("T")

MAX_KEPT: Final = 1000
"""How many queries are kept read."""
_SAMPLE: Final = 50
_MANY: Final = 500
_SCHEMA_MS: Final = 5000


class MongoSource(DataSourcePlugin):
    """Asks a server. Connections are opened when queries need them: a server that is down hinders no start."""

    def validate_config(self, config: Mapping[str, Any]) -> list[tuple[str, str]]:
        """What a schema cannot say of the configuration."""
        return [*problems(config), *tables.problems(config["collections"])]

    def capabilities(self) -> Mapping[str, Json]:
        """Its queries end in time by themselves."""
        return {"keeps_deadlines": True}

    def init(self) -> None:
        """Read what is configured; nothing is connected."""
        self.reader = Role(self.config, writes=False)
        self.writer = Role(self.config, writes=True) if "write" in self.config else None
        self.tables = {name: Declared.read(about["columns"]) for name, about in self.config["collections"].items()}
        self._read: dict[str, dict[str, Any]] = {}

    async def destroy(self) -> None:
        """Close all connections, where there are any: also after a configuration that was refused."""
        for role in (getattr(self, "reader", None), getattr(self, "writer", None)):
            if role is not None:
                await role.close()

    def health(self) -> Health:
        """`down` while the last query found no server."""
        return Health("down", self.reader.trouble) if self.reader.trouble else Health()

    async def schema(self) -> Sequence[Table]:
        """The collections, with the columns of some of their documents, or those that the configuration declares."""

        async def look(_: Client, database: Database) -> list[Table]:
            names = [name for name in sorted(await database.list_collection_names()) if not name.startswith("system.") and name != COUNTERS]
            return [await self._table(database, name) for name in names[:500]]

        return (await self.reader.run(look, _SCHEMA_MS))[0]

    async def query(
        self,
        query: Any,
        params: Mapping[str, Json],
        *,
        types: Mapping[str, str] | None = None,
        limit: int = 1000,
        cursor: str | None = None,
        order: Sequence[str] = (),
        write: bool = False,
        count: bool = False,
        max_bytes: int = 64 << 20,
        timeout_ms: int = 30_000,
    ) -> DataResult:
        """Rows of a query, or what it changed."""
        known = types if types is not None else dict.fromkeys(params, "json")
        if write:
            return await self._write(query, params, known, timeout_ms)
        bounds = Bounds(limit, Cursor.read(cursor), count, max_bytes)
        wanted = [(name.removeprefix("-"), -1 if name.startswith("-") else 1) for name in order]
        if isinstance(query, Mapping) and "from" in query:
            portable = self._portable(query, params, known)
            found, waited_s = await self.reader.run(lambda _, database: portable.read(database, wanted, bounds), timeout_ms)
            return _page(await _aside(portable.result, found.documents), found, waited_s)
        found, waited_s = await self._found(query, Values(params, known), wanted, bounds, timeout_ms)
        columns, rows = await _aside(rows_of, found.documents)
        return _page(DataResult(columns, tuple(rows), documents=True), found, waited_s)

    async def _found(
        self, query: Any, values: Values, wanted: list[tuple[str, int]], bounds: Bounds, timeout_ms: int
    ) -> tuple[Found, float]:
        read = self._checked(query, write=False)
        if operation_of(read) == "aggregate":
            pipeline = values.pipeline(read["pipeline"])
            return await self.reader.run(lambda _, database: aggregate(database, read["aggregate"], pipeline, wanted, bounds), timeout_ms)
        where, shown = values.value(read.get("filter", {})), values.expression(read.get("projection", {}))
        order = wanted or list(read.get("sort", {}).items())
        return await self.reader.run(lambda _, database: find(database, read["find"], where, shown, order, bounds), timeout_ms)

    async def _write(self, query: Any, params: Mapping[str, Json], types: Mapping[str, str], timeout_ms: int) -> DataResult:
        if self.writer is None:
            raise wrong_query("the source has no user that writes: add `write: {}` to its config, or a user of its own there")
        if isinstance(query, Mapping) and "from" in query:
            portable = self._portable(query, params, types)
            (documents, affected), waited_s = await self.writer.run(lambda _, database: portable.write(database), timeout_ms)
            made = portable.result(documents) if "insert" in query else DataResult((), ())
            return replace(made, affected=affected, waited_ms=waited_s * 1000)
        texts = query if isinstance(query, list | tuple) else [query]
        checked, values = [self._checked(text, write=True) for text in texts], Values(params, types)

        async def work(client: Client, database: Database) -> tuple[list[Document], int]:
            if len(checked) == 1:
                return await change(database, checked[0], values, None)
            async with client.start_session() as session, await session.start_transaction():
                done = [await change(database, each, values, session) for each in checked]
            return done[-1][0], sum(affected for _, affected in done)

        (documents, affected), waited_s = await self.writer.run(work, timeout_ms)
        columns, rows = rows_of(documents)
        is_given = bool(rows)
        return DataResult(
            columns if is_given else (), tuple(rows), affected=affected, documents=is_given, waited_ms=round(waited_s * 1000, 3)
        )

    def _portable(self, query: Mapping[str, Any], params: Mapping[str, Json], types: Mapping[str, str]) -> Portable:
        return Portable(query, params, types, self.tables.get(str(query["from"]), Declared()))

    def _checked(self, query: Any, *, write: bool) -> dict[str, Any]:
        key = json.dumps([query, write], sort_keys=False, default=str)
        read = self._read.get(key)
        if read is None:
            read = read_query(query, write=write)
            if write and operation_of(read) in ("find", "aggregate"):
                raise wrong_query(f"{operation_of(read)} only reads: remove `write: true`")
            if len(self._read) < MAX_KEPT:
                self._read[key] = read
        return read

    async def _table(self, database: Database, name: str) -> Table:
        if name in self.tables:
            declared = self.tables[name]
            return Table(name, tuple(Column(column, kind, column not in declared.required) for column, kind in declared.types.items()))
        bounds = Bounds(_SAMPLE, Cursor(), False, 16 << 20)
        found = kinds((await find(database, name, {}, None, (), bounds)).documents)
        return Table(name, tuple(Column(column, kind) for column, kind in found.items()), ("_id",))


async def _aside(work: Callable[[list[Document]], T], documents: list[Document]) -> T:
    """What the work makes of them; of many, in a thread."""
    return work(documents) if len(documents) < _MANY else await asyncio.to_thread(work, documents)


def _page(made: DataResult, found: Found, waited_s: float) -> DataResult:
    is_cut = found.following is not None
    return replace(made, truncated=is_cut, next=found.following, total=found.total, waited_ms=round(waited_s * 1000, 3))
