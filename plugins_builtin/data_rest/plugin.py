"""data-rest: rows from another's HTTP API. A query is a request; its parameters cannot leave their places."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

from mockforge_plugin import DataResult, DataSourcePlugin, Health, HttpAnswer, Json, PluginError, Table
from mockforge_plugin.engines.http.credentials import address_problems
from mockforge_plugin.engines.http.placeholders import wrong_query
from mockforge_plugin.engines.http.rows import column_specs, json_path, rows_at, table, value_at
from mockforge_plugin.engines.http.service import Deadline, Request, Service, check_status, json_of

from .local import arrange
from .paging import Page, Paging, State
from .queries import Query, read_query

T = TypeVar("T")

MAX_KEPT: Final = 1000
"""How many queries are kept read."""
MAX_ROWS: Final = 100_000
_LARGE: Final = 500
"""So many rows are looked through beside the event loop."""


class RestSource(DataSourcePlugin):
    """Asks an API."""

    def validate_config(self, config: Mapping[str, Any]) -> list[tuple[str, str]]:
        """What a schema cannot say of the configuration."""
        return list(_problems(config))

    def init(self) -> None:
        """Read the configuration."""
        self.service = Service(self.config)
        self._read: dict[str, Query] = {}

    def health(self) -> Health:
        """Whether the API answered when it was last asked."""
        return Health() if self.service.is_well else Health("degraded", "the API did not answer")

    def schema(self) -> Sequence[Table]:
        """The tables of the configuration, with the columns that it declares."""
        return [Table(name, table((), column_specs(about.get("columns", {})))[0]) for name, about in sorted(self.config["tables"].items())]

    async def query(
        self,
        query: Json,
        params: Mapping[str, Json],
        *,
        types: Mapping[str, str] | None = None,
        limit: int = MAX_ROWS,
        cursor: str | None = None,
        order: Sequence[str] = (),
        write: bool = False,
        count: bool = False,
        max_bytes: int | None = None,
        timeout_ms: int | None = None,
    ) -> DataResult:
        """Rows of an answer, or of as many pages as are needed."""
        deadline = Deadline(timeout_ms)
        if isinstance(query, dict) and "from" in query:
            if write:
                raise wrong_query("an API has no one way to change a table: write the request, as `query: {post: …}`")
            return await self._portable(query, params, types or {}, limit, cursor, order, max_bytes, deadline)
        read = self._query(query, types or {}, write)
        first = read.fill(params)
        if write:
            return await self._written(read, first, deadline)
        if order:
            rows = await self._whole(read, first, max_bytes, deadline)
            return await _aside(len(rows), arrange, read, rows, {}, {}, (), order, limit, cursor)
        fetch = _Fetch(self, read, first, limit, max_bytes, deadline)
        await fetch.run(*_state(cursor))
        columns, cells = await _aside(len(fetch.rows), read.shape, fetch.rows)
        total = fetch.total if count else None
        return DataResult(columns, tuple(cells), fetch.next is not None, fetch.next, total, documents=read.documents)

    def _query(self, query: Json, types: Mapping[str, str], write: bool) -> Query:
        key = json.dumps([query, types, write], sort_keys=True)
        read = self._read.get(key)
        if read is None:
            read = read_query(query, types, self.config, self.service, write=write)
            if len(self._read) < MAX_KEPT:
                self._read[key] = read
        return read

    async def answer(self, request: Request, deadline: Deadline, *, may_lack: bool) -> HttpAnswer | None:
        """The answer, or None where there is no such thing and that may be. Raises PluginError."""
        found = await self.service.send(request, deadline)
        if found.status in (404, 410) and may_lack:
            return None
        check_status(found)
        return found

    async def _written(self, read: Query, request: Request, deadline: Deadline) -> DataResult:
        answer = await self.answer(request, deadline, may_lack=True)
        if answer is None:
            return DataResult((), (), affected=0)
        try:
            rows = rows_at(read.rows, await json_of(answer)) if answer.body.strip() else []
            columns, cells = read.shape(rows)
        except PluginError:  # it is done, whatever it says of it
            columns, cells = (), ()
        return DataResult(columns, tuple(cells), affected=1, documents=read.documents and bool(cells))

    async def _whole(self, read: Query, first: Request, max_bytes: int | None, deadline: Deadline) -> list[Json]:
        """All rows there are. Raises PluginError (`limit`) where that is too many pages."""
        fetch = _Fetch(self, read, first, MAX_ROWS, max_bytes, deadline)
        await fetch.run(None, 0)
        if fetch.next is not None:
            what = "it has more rows than can be sorted and filtered here: raise max_pages or limits.max_mb, or let the API do it"
            raise PluginError(what, code="limit")
        return fetch.rows

    async def _portable(
        self,
        query: Mapping[str, Any],
        params: Mapping[str, Json],
        types: Mapping[str, str],
        limit: int,
        cursor: str | None,
        order: Sequence[str],
        max_bytes: int | None,
        deadline: Deadline,
    ) -> DataResult:
        """A table read whole; what the API cannot filter and sort is done here."""
        name = str(query["from"])
        about = dict(self.config["tables"].get(name) or {"get": "/" + name.replace(":", "::")})
        filters = about.get("filters", {})
        sent = {filters[column]: f":{column}" for column in query.get("where", ()) if column in filters}
        about["query"] = {**about.get("query", {}), **sent}
        read = self._query(about, types, False)
        rows = await self._whole(read, read.fill(params), max_bytes, deadline)
        wanted = {column: params[column] for column in query.get("where", ()) if column in params}
        return await _aside(len(rows), arrange, read, rows, wanted, types, query.get("columns", ()), order, limit, cursor)


class _Fetch:
    """Pages of one query, until its rows, its bytes or its pages are enough."""

    def __init__(self, source: RestSource, read: Query, first: Request, limit: int, max_bytes: int | None, deadline: Deadline) -> None:
        self._source, self._read, self._first, self._limit, self._deadline = source, read, first, limit, deadline
        self._max_bytes = max_bytes or 1 << 62
        self.rows: list[Json] = []
        self.next: str | None = None
        """What the next page goes on from."""
        self.total: int | None = None

    async def run(self, state: State, skip: int) -> None:
        """Fetch from that page on, without its first `skip` rows."""
        size, seen = 0, {state}
        for _ in range(self._source.config["max_pages"]):
            page, found = await self._page(state)
            if page is None:
                return
            size += len(page.answer.body)
            if size > self._max_bytes and self.rows:
                break
            following, before = self._read.paging.following(page), len(self.rows)
            self.rows += found[skip : skip + self._limit - before]
            if (taken := skip + len(self.rows) - before) < len(found):
                self.next = json.dumps([state, taken])
                return
            if following is None:
                return
            if following in seen:
                raise PluginError("its pages lead in a circle", code="bad_data")
            seen.add(following)
            state, skip = following, 0
            if len(self.rows) >= self._limit:
                break
        self.next = json.dumps([state, skip])

    async def _page(self, state: State) -> tuple[Page | None, list[Json]]:
        read = self._read
        request = read.paging.request(self._first, state)
        answer = await self._source.answer(request, self._deadline, may_lack=read.has_place)
        if answer is None:
            return None, []
        body = await json_of(answer) if answer.body.strip() else None
        found = await _aside(len(answer.body) // 100, rows_at, read.rows, body)
        if self.total is None and read.total is not None:
            self.total = _whole_number(answer.headers.get(read.total) if isinstance(read.total, str) else value_at(read.total, body))
        return Page(state, request, answer, body, len(found)), found


async def _aside(size: int, work: Callable[..., T], *args: Any) -> T:
    """The function's result; large work is done in a thread."""
    return work(*args) if size < _LARGE else await asyncio.to_thread(work, *args)


def _state(cursor: str | None) -> tuple[State, int]:
    """The page that a cursor of ours goes on from, and how many of its rows were given."""
    if cursor is None:
        return None, 0
    state, skip = json.loads(cursor)
    return state, skip


def _whole_number(found: Json) -> int | None:
    text = str(found)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _problems(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield from address_problems(config)
    try:
        service = Service(config)
    except ValueError:
        return
    try:
        Paging(config.get("paging", {}), service)
        json_path(config.get("rows", "$"), "rows")
    except PluginError as error:
        yield "", error.message
        return
    for name, about in config["tables"].items():
        try:
            types = dict.fromkeys(about.get("filters", {}), "text")
            read_query(about, types, config, service, write=False)
        except PluginError as error:
            yield f"tables.{name}", error.message
