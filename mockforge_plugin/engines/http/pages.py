"""Pages of one query, fetched one after the other until its rows, its bytes or its pages are enough."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, TypeVar

from mockforge_plugin import Column, DataResult, Json, PluginError
from mockforge_plugin.engines.http.arranging import arrange
from mockforge_plugin.engines.http.rows import ColumnSpec, documents, table

T = TypeVar("T")
State: TypeAlias = str | int | None
"""Of a page: what it is asked for by; None for the first."""

MAX_ROWS: Final = 100_000
_LARGE: Final = 500
"""So many rows are looked through beside the event loop."""


@dataclass(frozen=True, slots=True)
class Page:
    """What one request brought: rows, the state of the page after it, its size, and how many rows all pages have, if that was told."""

    rows: Sequence[Json]
    following: State = None
    size_bytes: int = 0
    total: int | None = None


class Pages:
    """Fetches pages. `fetch` is given a page's state, and how many of its rows are wanted at most."""

    def __init__(self, fetch: Callable[[State, int], Awaitable[Page]], *, max_pages: int, max_bytes: int | None) -> None:
        self._fetch, self._max_pages, self._max_bytes = fetch, max_pages, max_bytes or 1 << 62
        self.rows: list[Json] = []
        self.next: str | None = None
        """The cursor that the next page of ours goes on from."""
        self.total: int | None = None

    async def run(self, limit: int, cursor: str | None = None) -> None:
        """Fetch at most `limit` rows from the cursor on. Raises PluginError where pages lead in a circle."""
        state, skip = json.loads(cursor) if cursor is not None else (None, 0)
        size, seen = 0, {state}
        for _ in range(self._max_pages):
            before = len(self.rows)
            page = await self._fetch(state, skip + limit - before)
            size += page.size_bytes
            if size > self._max_bytes and self.rows:
                break
            self.total = page.total if self.total is None else self.total
            self.rows += page.rows[skip : skip + limit - before]
            if (taken := skip + len(self.rows) - before) < len(page.rows):
                self.next = json.dumps([state, taken])
                return
            if page.following is None:
                return
            if page.following in seen:
                raise PluginError("its pages lead in a circle", code="bad_data")
            seen.add(page.following)
            state, skip = page.following, 0
            if len(self.rows) >= limit:
                break
        self.next = json.dumps([state, skip])

    async def result(self, limit: int, cursor: str | None, specs: Sequence[ColumnSpec], *, as_documents: bool, count: bool) -> DataResult:
        """Rows of the page that the cursor names. Raises PluginError."""
        await self.run(limit, cursor)
        columns, cells = await aside(len(self.rows), shaped, self.rows, specs, as_documents)
        return DataResult(columns, tuple(cells), self.next is not None, self.next, self.total if count else None, documents=as_documents)

    async def arranged(
        self,
        limit: int,
        cursor: str | None,
        specs: Sequence[ColumnSpec],
        *,
        order: Sequence[str],
        where: Mapping[str, Json] | None = None,
        types: Mapping[str, str] | None = None,
        wanted: Sequence[str] = (),
    ) -> DataResult:
        """All rows there are, filtered, sorted and cut here. Raises PluginError (`limit`) where that is too many pages."""
        await self.run(MAX_ROWS)
        if self.next is not None:
            what = "it has more rows than can be sorted and filtered here: raise max_pages or limits.max_mb, or let the API do it"
            raise PluginError(what, code="limit")
        return await aside(len(self.rows), arrange, self.rows, specs, where or {}, types or {}, wanted, order, limit, cursor)


def shaped(
    rows: Sequence[Json], specs: Sequence[ColumnSpec], as_documents: bool
) -> tuple[tuple[Column, ...], Sequence[tuple[Json, ...] | Mapping[str, Json]]]:
    """(columns, rows) of what was found. Raises PluginError (`bad_data`)."""
    return documents(rows) if as_documents else table(rows, specs)


async def aside(size: int, work: Callable[..., T], *args: object) -> T:
    """The function's result; what is large is done in a thread."""
    return work(*args) if size < _LARGE else await asyncio.to_thread(work, *args)
