"""Sources: the named data sources of a runtime, asked by plugins and templates alike.

A source is a data_source plugin and the operator's named queries for it. Here are the way in, the guard against endless
chains of plugins that ask each other, and the check of what comes back.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import replace
from typing import Protocol

from mockforge_asgi.config.sources.objects import NamedQuery, SourceConfig, SourceLimits
from mockforge_asgi.contract.source_query import SourceQuery
from mockforge_asgi.errors import HostCallError, LimitExceeded, PluginFailed, PluginUnavailable
from mockforge_asgi.exact_json import Json
from mockforge_asgi.sources.parameters import typed_parameters

MAX_DEPTH = 4
MAX_ROWS = 100_000
MAX_COLUMNS = 1000
_UNBOUNDED = SourceLimits(max_rows=10_000)
"""Of plugins that no source names."""
_TOLD = frozenset({"not_found", "invalid_input", "conflict", "bad_data", "timeout", "unavailable", "limit"})
"""The codes of a source's failures that whoever asks is told."""

_asking: ContextVar[tuple[str, ...]] = ContextVar("mockforge_sources_asking", default=())
"""The plugins that wait for an answer in this task, outermost first."""


class SourcePlugin(Protocol):
    """A loaded plugin, as far as it concerns sources."""

    @property
    def kinds(self) -> frozenset[str]:
        """Its kinds; `data_source` is one that matters."""
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

    def __init__(self, configured: Mapping[str, SourceConfig], plugins: Plugins) -> None:
        self._configured, self._plugins = configured, plugins

    async def query(
        self,
        source: str,
        query: str,
        params: Mapping[str, Json],
        *,
        limit: int | None = None,
        cursor: str | None = None,
        count: bool = False,
        asker: str = "",
        raw: bool = False,
    ) -> dict[str, Json]:
        """Rows as `{"columns", "rows", "truncated", ...}`, at most `limit`. Raises HostCallError.

        `query` is the name of a query, or with `raw` its text. `count` asks for the `total` of all pages. `asker` is the plugin that waits
        for the answer.
        """
        configured = self._configured.get(source)
        name = configured.plugin if configured is not None else source
        plugin = self._plugins[name] if name in self._plugins else None
        if plugin is None or "data_source" not in plugin.kinds:
            raise HostCallError("not_found", f"there is no data source {source!r}")
        if configured is None or raw:
            limits = _UNBOUNDED if configured is None else configured.limits
            asked = SourceQuery(query, params, limit=min(limit or limits.max_rows, limits.max_rows), cursor=cursor, count=count)
        else:
            limits, named = configured.limits, _named(configured, query)
            asked = _asked(named, typed_parameters(named, params), limit, cursor, count)
        if configured is not None:
            asked = replace(asked, max_bytes=limits.max_bytes, timeout_ms=limits.timeout_ms)
        token = _asking.set(_waiting(source, name, asker))
        try:
            found = await _ask(plugin, source, asked)
        finally:
            _asking.reset(token)
        return checked_result(source, found, asked.limit or MAX_ROWS)


def _named(configured: SourceConfig, query: str) -> NamedQuery:
    named = configured.queries.get(query)
    if named is None:
        raise HostCallError("not_found", f"data source {configured.name!r} has no query {query[:100]!r}")
    return named


def _asked(named: NamedQuery, params: Mapping[str, Json], limit: int | None, cursor: str | None, count: bool) -> SourceQuery:
    types = {name: about.type for name, about in named.params.items()}
    most = min(limit or named.limit, named.limit)
    return SourceQuery(named.query, params, types, named.name, most, cursor, named.order, named.write, count)


def _waiting(source: str, plugin: str, asker: str) -> tuple[str, ...]:
    """The plugins that wait, when this one is asked too. Raises HostCallError where it waits already."""
    waiting = (*_asking.get(), asker) if asker else _asking.get()
    if plugin in waiting:
        raise HostCallError("limit", f"data source {source!r} would wait for itself: {' → '.join((*waiting, plugin))}")
    if len(waiting) >= MAX_DEPTH:
        raise HostCallError("limit", f"data sources ask each other more than {MAX_DEPTH} deep: {' → '.join(waiting)}")
    return waiting


async def _ask(plugin: SourcePlugin, source: str, asked: SourceQuery) -> Json:
    try:
        return await plugin.query(None, asked)
    except LimitExceeded as error:
        raise HostCallError(
            "timeout" if error.limit == "timeout_ms" else "limit", f"data source {source!r} is over its {error.limit}"
        ) from error
    except PluginFailed as error:
        code = error.code if error.code in _TOLD else "unavailable"
        raise HostCallError(code, f"data source {source!r} failed in its query", retryable=error.retryable) from error
    except PluginUnavailable as error:
        raise HostCallError("unavailable", f"data source {source!r} takes no queries now", retryable=True) from error


def checked_result(source: str, found: Json, most: int) -> dict[str, Json]:
    """A source's answer, its shape checked, cut to `most` rows. Raises HostCallError."""
    if not isinstance(found, Mapping):
        raise _odd(source, "it is not an object")
    is_documents = found.get("documents") is True
    columns, rows = found.get("columns", [] if is_documents else None), found.get("rows")
    if not isinstance(columns, list) or len(columns) > MAX_COLUMNS or not all(_is_column(column) for column in columns):
        raise _odd(source, "`columns` is not a list of {name, type}")
    if is_documents:
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise _odd(source, "`rows` of documents is not a list of objects")
    elif not isinstance(rows, list) or not all(isinstance(row, list) and len(row) == len(columns) for row in rows):
        raise _odd(source, "`rows` is not a list of lists with one value for each column")
    result: dict[str, Json] = {"columns": columns, "rows": rows[:most], "truncated": found.get("truncated") is True or len(rows) > most}
    if is_documents:
        result["documents"] = True
    if isinstance(following := found.get("next"), str):
        result["next"] = following
    return result | {key: found[key] for key in ("total", "affected") if type(found.get(key)) is int}


def _is_column(column: Json) -> bool:
    return isinstance(column, Mapping) and isinstance(column.get("name"), str) and isinstance(column.get("type", "text"), str)


def _odd(source: str, why: str) -> HostCallError:
    return HostCallError("unavailable", f"data source {source!r} gave an answer that cannot be read: {why}")
