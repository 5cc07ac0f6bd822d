"""Sources: the named data sources of a runtime, asked by plugins, templates and routes alike.

A source is a data_source plugin and the operator's named queries for it. Here is the way of a query: its parameters typed, its cursor
opened, its results cached, its time bounded, its failures told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import replace
from time import perf_counter
from typing import Final, Protocol

from mockforge_asgi.config.sources.objects import NamedQuery, SourceConfig, SourceLimits
from mockforge_asgi.contract.source_query import SourceQuery
from mockforge_asgi.errors import HostCallError, MockForgeError, PluginFailed, SourceFailed
from mockforge_asgi.events import EventStream, SourceQueried
from mockforge_asgi.exact_json import Json, dumps
from mockforge_asgi.sources.cache import ResultCache
from mockforge_asgi.sources.cursors import Cursors
from mockforge_asgi.sources.deadline import Slots, TooManyRunning
from mockforge_asgi.sources.outages import Outage
from mockforge_asgi.sources.parameters import ordered, typed_parameters
from mockforge_asgi.sources.results import checked_result, failure
from mockforge_asgi.state import StateStore

MAX_DEPTH: Final = 4
MAX_ROWS: Final = 100_000
_UNBOUNDED: Final = SourceLimits(max_rows=10_000, max_mb=64.0, timeout_ms=300_000)
"""Of plugins that no source names: their own limits hold."""

_asking: ContextVar[tuple[str, ...]] = ContextVar("mockforge_sources_asking", default=())
"""The plugins that wait for an answer in this task, outermost first."""


class SourcePlugin(Protocol):
    """A loaded plugin, as far as it concerns sources."""

    @property
    def kinds(self) -> frozenset[str]:
        """Its kinds; `data_source` is one that matters."""
        ...

    @property
    def keeps_deadlines(self) -> bool:
        """Whether its queries end in time by themselves, whatever happens."""
        ...

    async def query(self, exchange: None, asked: SourceQuery) -> Json:
        """Rows of a query."""
        ...


class Plugins(Protocol):
    """The loaded plugins by the operator's names; the current generation of each."""

    def __contains__(self, name: str) -> bool: ...

    def __getitem__(self, name: str) -> SourcePlugin: ...


class Sources:
    """All sources of a runtime: those that the configuration names, and every other data_source plugin under its own name."""

    def __init__(
        self,
        configured: Mapping[str, SourceConfig],
        plugins: Plugins,
        *,
        state: StateStore | None = None,
        events: EventStream | None = None,
    ) -> None:
        self._configured, self._plugins, self._events = configured, plugins, events
        self._cursors, self._cache = Cursors(state), ResultCache()
        self._slots: dict[str, Slots] = {}
        self._outages: dict[str, Outage] = {}
        self._asked: dict[str, SourcePlugin] = {}
        """The generation of a source's plugin whose results are cached."""
        self._widths: dict[tuple[str, str], int] = {}
        """How many columns a query had, where its result was too large for whoever asked."""

    async def query(
        self,
        source: str,
        query: str | NamedQuery,
        params: Mapping[str, Json],
        *,
        limit: int | None = None,
        cursor: str | None = None,
        count: bool = False,
        order: Sequence[str] = (),
        asker: str = "",
        raw: bool = False,
        max_values: int | None = None,
    ) -> dict[str, Json]:
        """Rows as `{"columns", "rows", "truncated", ...}`, at most `limit`, and at most `max_values` values. Raises HostCallError.

        `query` is the name of a query, one that was made, or with `raw` a text. `count` asks for the `total` of all pages, `order` is one
        that whoever asks wishes. `asker` is the plugin that waits for the answer.
        """
        configured = self._configured.get(source)
        name = configured.plugin if configured is not None else source
        plugin = self._plugins[name] if name in self._plugins else None
        if plugin is None or "data_source" not in plugin.kinds:
            raise HostCallError("not_found", f"there is no data source {source!r}")
        limits = _UNBOUNDED if configured is None else configured.limits
        named = query if isinstance(query, NamedQuery) else None
        query = query.name if isinstance(query, NamedQuery) else query
        if named is None and configured is not None and not raw:
            named = _named(configured, query)
        if named is None:
            most = min(limit or limits.max_rows, limits.max_rows)
            bounds = limits.max_bytes, limits.timeout_ms
            asked = SourceQuery(query, params, {}, "", most, None, tuple(order), False, count, *bounds)
        else:
            asked = _asked(source, named, params, limit, order, count, limits)
        if max_values is not None and (width := self._widths.get((source, query))):
            asked = replace(asked, limit=min(asked.limit or MAX_ROWS, max(1, max_values // width)))
        if cursor is not None:
            try:
                asked = replace(asked, cursor=await self._cursors.open(source, asked, cursor))
            except ValueError:
                raise SourceFailed("invalid_input", "this cursor is not of this query", source, query, status=400) from None
        token = _asking.set(_waiting(source, name, asker))
        try:
            result = await self._answered(plugin, source, asked, 0.0 if named is None else named.cache_s)
            width = len(result["columns"]) or 1
            if max_values is not None and len(result["rows"]) * width > max_values:
                result = await self._fewer(plugin, source, query, asked, result, max(1, max_values // width))
        finally:
            _asking.reset(token)
        if (following := result.pop("next", None)) is not None and (sealed := await self._cursors.seal(source, asked, following)):
            result["next"] = sealed
        return result

    def changed(self, plugin: str) -> None:
        """The data of that plugin's sources have changed: what is cached of them is forgotten."""
        for source in {plugin, *(name for name, configured in self._configured.items() if configured.plugin == plugin)}:
            self._cache.clear(source)

    async def _fewer(
        self, plugin: SourcePlugin, source: str, query: str, asked: SourceQuery, result: dict[str, Json], most: int
    ) -> dict[str, Json]:
        """The result with fewer rows: asked for again, so that `next` follows on them, but for a write, which is done once."""
        if asked.write:
            return {key: value for key, value in result.items() if key != "next"} | {"rows": result["rows"][:most], "truncated": True}
        self._widths[source, query] = len(result["columns"]) or 1
        fewer = await self._answered(plugin, source, replace(asked, limit=most), 0.0)
        return fewer | {"truncated": True}

    async def _answered(self, plugin: SourcePlugin, source: str, asked: SourceQuery, cache_s: float) -> dict[str, Json]:
        if self._asked.get(source) is not plugin:
            self._asked[source] = plugin
            self._cache.clear(source)
        if not cache_s:
            return await self._told(plugin, source, asked)
        since = perf_counter()
        made, was_there = await self._cache.get_or_make(source, dumps(asked.document()), cache_s, lambda: self._told(plugin, source, asked))
        if was_there and self._events is not None:
            wall_s = perf_counter() - since
            self._events.emit(SourceQueried(source=source, query=asked.name, wall_s=wall_s, rows=len(made["rows"]), is_cached=True))
        return made  # type: ignore[no-any-return]  # what `_told` gave

    async def _told(self, plugin: SourcePlugin, source: str, asked: SourceQuery) -> dict[str, Json]:
        """The result of a query that is run, of which an event tells."""
        since, rows, size, waited_s, outcome, reason = perf_counter(), 0, 0, 0.0, "cancelled", ""
        try:
            found = await self._run(plugin, source, asked)
            result = checked_result(source, found, asked.limit or MAX_ROWS)
            rows, size = len(result["rows"]), _size(source, asked, result["rows"])
            waited_s = found["waited_ms"] / 1000 if type(found.get("waited_ms")) in (int, float) else 0.0
            if asked.max_bytes is not None and size > asked.max_bytes:
                what = f"data source {source!r} gave more than its max_mb; ask for fewer rows, or raise sources.{source}.limits.max_mb"
                raise SourceFailed("limit", what, source, asked.name)
            outcome = "ok"
            return result
        except HostCallError as error:
            failed = error.__cause__
            outcome, reason = error.code, failed.message if isinstance(failed, PluginFailed) else error.message
            raise
        finally:
            if asked.write:
                configured = self._configured.get(source)
                self.changed(source if configured is None else configured.plugin)
            if self._events is not None and (outcome != "ok" or self._events.wants(SourceQueried, "debug")):
                wall_s = perf_counter() - since
                self._events.emit(
                    SourceQueried(
                        source=source, query=asked.name, wall_s=wall_s, rows=rows, size_bytes=size, waited_s=waited_s, outcome=outcome,
                        reason=reason[:500],
                    )
                )  # fmt: skip

    async def _run(self, plugin: SourcePlugin, source: str, asked: SourceQuery) -> Json:
        outage = self._outages.get(source) or self._outages.setdefault(source, Outage())
        if wait_s := outage.wait_s():
            what = f"data source {source!r} could not be reached lately"
            raise SourceFailed("unavailable", what, source, asked.name, retryable=True, retry_after_s=wait_s)
        try:
            if plugin.keeps_deadlines:
                found = await plugin.query(None, asked)
            else:
                slots = self._slots.get(source) or self._slots.setdefault(source, Slots())
                found = await slots.run(plugin.query(None, asked), (asked.timeout_ms or _UNBOUNDED.timeout_ms) / 1000)
        except TimeoutError as error:
            what = f"data source {source!r} took longer than its timeout_ms={asked.timeout_ms}"
            raise SourceFailed("timeout", what, source, asked.name) from error
        except TooManyRunning as error:
            what = f"data source {source!r} has too many queries running"
            raise SourceFailed("unavailable", what, source, asked.name, retryable=True) from error
        except MockForgeError as error:
            if isinstance(error, HostCallError):
                raise
            told = failure(source, asked.name, error)
            is_busy = isinstance(error, PluginFailed) and error.details.get("busy") is True
            if told.code == "unavailable" and not is_busy:
                outage.failed()
            raise told from error
        outage.served()
        return found


def _size(source: str, asked: SourceQuery, rows: Json) -> int:
    """How long the rows are as JSON. Raises SourceFailed for a text that UTF-8 cannot carry."""
    try:
        return len(dumps(rows))
    except TypeError:
        what = f"data source {source!r} gave a text that is no Unicode"
        raise SourceFailed("bad_data", what, source, asked.name) from None


def _named(configured: SourceConfig, query: str) -> NamedQuery:
    named = configured.queries.get(query)
    if named is None:
        raise HostCallError("not_found", f"data source {configured.name!r} has no query {query[:100]!r}")
    return named


def _asked(
    source: str,
    named: NamedQuery,
    params: Mapping[str, Json],
    limit: int | None,
    order: Sequence[str],
    count: bool,
    limits: SourceLimits,
) -> SourceQuery:
    types = {name: about.type for name, about in named.params.items()}
    most = min(limit or named.limit, named.limit)
    typed = typed_parameters(named, params, source)
    by, bounds = ordered(named, order, source), (limits.max_bytes, limits.timeout_ms)
    return SourceQuery(named.query, typed, types, named.name, most, None, by, named.write, count, *bounds)


def _waiting(source: str, plugin: str, asker: str) -> tuple[str, ...]:
    """The plugins that wait, when this one is asked too. Raises HostCallError where it waits already."""
    waiting = (*_asking.get(), asker) if asker else _asking.get()
    if plugin in waiting:
        raise HostCallError("limit", f"data source {source!r} would wait for itself: {' → '.join((*waiting, plugin))}")
    if len(waiting) >= MAX_DEPTH:
        raise HostCallError("limit", f"data sources ask each other more than {MAX_DEPTH} deep: {' → '.join(waiting)}")
    return waiting
