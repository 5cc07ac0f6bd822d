"""data-graphql: rows from another's GraphQL API. Values are variables, and never part of the text."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from mockforge_plugin import DataResult, DataSourcePlugin, Health, Json, PluginError, Table
from mockforge_plugin.engines.http.credentials import address_problems
from mockforge_plugin.engines.http.json_text import write_json
from mockforge_plugin.engines.http.pages import MAX_ROWS, Page, Pages, State, aside, shaped
from mockforge_plugin.engines.http.placeholders import wrong_query
from mockforge_plugin.engines.http.service import Deadline, Request, Service

from .answers import data_of, found_in
from .documents import Query, read_query
from .introspection import QUERY, tables

MAX_KEPT: Final = 1000
"""How many queries are kept read."""
_HEADERS: Final = (("content-type", "application/json"), ("accept", "application/graphql-response+json, application/json;q=0.9"))


class GraphQLSource(DataSourcePlugin):
    """Asks an API."""

    def validate_config(self, config: Mapping[str, Any]) -> list[tuple[str, str]]:
        """What a schema cannot say of the configuration."""
        return list(address_problems(config))

    def init(self) -> None:
        """Read the configuration."""
        parent, _, name = self.config["url"].partition("://")[2].partition("/")[2].rpartition("/")
        base = self.config["url"].removesuffix(f"/{name}") if parent or name else self.config["url"]
        self.service, self._target = Service({**self.config, "url": base}), f"/{name}"
        self._read: dict[str, Query] = {}

    def health(self) -> Health:
        """Whether the API answered when it was last asked."""
        return Health() if self.service.is_well else Health("degraded", "the API did not answer")

    async def schema(self) -> Sequence[Table]:
        """The lists that the API has, as it tells itself. Raises PluginError where it does not."""
        data, _ = await self._ask(QUERY, {}, Deadline(None))
        try:
            return tables(data)
        except (KeyError, TypeError, AttributeError):
            raise PluginError("what it tells of its schema cannot be read", code="bad_data") from None

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
        """Rows of an answer, or of as many pages of a connection as are needed."""
        if isinstance(query, dict) and "from" in query:
            raise wrong_query('a GraphQL API has no tables: write it in GraphQL, as `query: "{ users { id } }"`')
        read, deadline = self._query(query, types or dict.fromkeys(params, "json"), write), Deadline(timeout_ms)
        if write:
            return await self._written(read, params, deadline)
        pages = self._pages(read, params, max_bytes, deadline)
        if order:
            return await pages.arranged(limit, cursor, read.columns, order=order)
        return await pages.result(limit, cursor, read.columns, as_documents=read.documents, count=count)

    def _query(self, query: Json, types: Mapping[str, str], write: bool) -> Query:
        key = json.dumps([query, types, write], sort_keys=True)
        read = self._read.get(key)
        if read is None:
            read = read_query(query, types, write=write)
            if len(self._read) < MAX_KEPT:
                self._read[key] = read
        return read

    async def _ask(self, text: str, variables: Mapping[str, Json], deadline: Deadline) -> tuple[dict[str, Json], int]:
        """(`data`, how many bytes came)."""
        body = write_json({"query": text, "variables": dict(variables)})
        answer = await self.service.send(Request("POST", self._target, _HEADERS, body), deadline)
        return await data_of(answer), len(answer.body)

    async def _written(self, read: Query, params: Mapping[str, Json], deadline: Deadline) -> DataResult:
        data, _ = await self._ask(read.text, read.filled(params), deadline)
        try:
            columns, cells = shaped(found_in(data, read).rows, read.columns, read.documents)
        except PluginError:  # it is done, whatever it says of it
            columns, cells = (), ()
        return DataResult(columns, tuple(cells), affected=1, documents=read.documents and bool(cells))

    def _pages(self, read: Query, params: Mapping[str, Json], max_bytes: int | None, deadline: Deadline) -> Pages:
        filled, size = read.filled(params), self.config["page_size"]

        async def fetch(state: State, wanted: int) -> Page:
            own = {"first": min(wanted, size), "after": state}
            variables = filled | {name: own[name] for name in read.pages if own[name] is not None}
            data, size_bytes = await self._ask(read.text, variables, deadline)
            found = await aside(size_bytes // 100, found_in, data, read)
            return Page(found.rows, found.end, size_bytes, found.total)

        return Pages(fetch, max_pages=self.config["max_pages"], max_bytes=max_bytes)
