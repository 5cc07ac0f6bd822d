"""data-rest: rows from another's HTTP API. A query is a request; its parameters cannot leave their places."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from mockforge_plugin import DataResult, DataSourcePlugin, Health, HttpAnswer, Json, PluginError, Table
from mockforge_plugin.engines.http.credentials import address_problems
from mockforge_plugin.engines.http.pages import MAX_ROWS, Page, Pages, State, aside, shaped
from mockforge_plugin.engines.http.placeholders import wrong_query
from mockforge_plugin.engines.http.rows import column_specs, json_path, rows_at, table, value_at
from mockforge_plugin.engines.http.service import Deadline, Request, Service, check_status, json_of

from .paging import Fetched, Paging
from .queries import Query, read_query

MAX_KEPT: Final = 1000
"""How many queries are kept read."""


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
        pages = self._pages(read, first, max_bytes, deadline)
        if order:
            return await pages.arranged(limit, cursor, read.columns, order=order)
        return await pages.result(limit, cursor, read.columns, as_documents=read.documents, count=count)

    def _query(self, query: Json, types: Mapping[str, str], write: bool) -> Query:
        key = json.dumps([query, types, write], sort_keys=True)
        read = self._read.get(key)
        if read is None:
            read = read_query(query, types, self.config, self.service, write=write)
            if len(self._read) < MAX_KEPT:
                self._read[key] = read
        return read

    async def _answer(self, request: Request, deadline: Deadline, *, may_lack: bool) -> HttpAnswer | None:
        """The answer, or None where there is no such thing and that may be. Raises PluginError."""
        found = await self.service.send(request, deadline)
        if found.status in (404, 410) and may_lack:
            return None
        check_status(found)
        return found

    def _pages(self, read: Query, first: Request, max_bytes: int | None, deadline: Deadline) -> Pages:
        async def fetch(state: State, _wanted: int) -> Page:
            request = read.paging.request(first, state)
            answer = await self._answer(request, deadline, may_lack=read.has_place)
            if answer is None:
                return Page(())
            body = await json_of(answer) if answer.body.strip() else None
            found = await aside(len(answer.body) // 100, rows_at, read.rows, body)
            following = read.paging.following(Fetched(state, request, answer, body, len(found)))
            return Page(found, following, len(answer.body), _total(read, answer, body))

        return Pages(fetch, max_pages=self.config["max_pages"], max_bytes=max_bytes)

    async def _written(self, read: Query, request: Request, deadline: Deadline) -> DataResult:
        answer = await self._answer(request, deadline, may_lack=True)
        if answer is None:
            return DataResult((), (), affected=0)
        try:
            rows = rows_at(read.rows, await json_of(answer)) if answer.body.strip() else []
            columns, cells = shaped(rows, read.columns, read.documents)
        except PluginError:  # it is done, whatever it says of it
            columns, cells = (), ()
        return DataResult(columns, tuple(cells), affected=1, documents=read.documents and bool(cells))

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
        wanted = {column: params[column] for column in query.get("where", ()) if column in params}
        pages = self._pages(read, read.fill(params), max_bytes, deadline)
        return await pages.arranged(limit, cursor, read.columns, order=order, where=wanted, types=types, wanted=query.get("columns", ()))


def _total(read: Query, answer: HttpAnswer, body: Json) -> int | None:
    if read.total is None:
        return None
    text = str(answer.headers.get(read.total) if isinstance(read.total, str) else value_at(read.total, body))
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
