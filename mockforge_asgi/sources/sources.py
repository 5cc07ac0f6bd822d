"""Sources: the named data sources of a runtime, asked by plugins and templates alike.

A source is a data_source plugin and the operator's named queries for it. Here are the way in, the guard against endless
chains of plugins that ask each other, and the check of what comes back.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Protocol

from mockforge_asgi.config.objects import NamedQuery, SourceConfig
from mockforge_asgi.errors import HostCallError, LimitExceeded, PluginFailed, PluginUnavailable
from mockforge_asgi.exact_json import Json
from mockforge_asgi.sources.parameters import typed_parameters

MAX_DEPTH = 4
MAX_ROWS = 10_000
MAX_COLUMNS = 1000

_asking: ContextVar[tuple[str, ...]] = ContextVar("mockforge_sources_asking", default=())
"""The plugins that wait for an answer in this task, outermost first."""


class SourcePlugin(Protocol):
    """A loaded plugin, as far as it concerns sources."""

    @property
    def kinds(self) -> frozenset[str]:
        """Its kinds; `data_source` is one that matters."""
        ...

    async def query(self, exchange: None, query: str, params: Mapping[str, Json], *, limit: int | None, cursor: str | None) -> Json:
        """Rows of one of its queries."""
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
        asker: str = "",
        raw: bool = False,
    ) -> dict[str, Json]:
        """Rows as `{"columns", "rows", "truncated", ...}`, at most `limit`. Raises HostCallError.

        `query` is the name of a query, or with `raw` its text. `asker` is the plugin that waits for the answer.
        """
        configured = self._configured.get(source)
        name = configured.plugin if configured is not None else source
        plugin = self._plugins[name] if name in self._plugins else None
        if plugin is None or "data_source" not in plugin.kinds:
            raise HostCallError("not_found", f"there is no data source {source!r}")
        most = min(limit or MAX_ROWS, MAX_ROWS)
        if configured is not None and not raw:
            named = _named(configured, query)
            most, params = min(limit or named.limit, named.limit), typed_parameters(query, named.params, params)
            query = named.query
        waiting = _waiting(source, name, asker)
        token = _asking.set(waiting)
        try:
            found = await _ask(plugin, source, query, params, most, cursor)
        finally:
            _asking.reset(token)
        return checked_result(source, found, most)


def _named(configured: SourceConfig, query: str) -> NamedQuery:
    named = configured.queries.get(query)
    if named is None:
        raise HostCallError("not_found", f"data source {configured.name!r} has no query {query[:100]!r}")
    return named


def _waiting(source: str, plugin: str, asker: str) -> tuple[str, ...]:
    """The plugins that wait, when this one is asked too. Raises HostCallError where it waits already."""
    waiting = (*_asking.get(), asker) if asker else _asking.get()
    if plugin in waiting:
        raise HostCallError("limit", f"data source {source!r} would wait for itself: {' → '.join((*waiting, plugin))}")
    if len(waiting) >= MAX_DEPTH:
        raise HostCallError("limit", f"data sources ask each other more than {MAX_DEPTH} deep: {' → '.join(waiting)}")
    return waiting


async def _ask(plugin: SourcePlugin, source: str, query: str, params: Mapping[str, Json], limit: int, cursor: str | None) -> Json:
    try:
        return await plugin.query(None, query, params, limit=limit, cursor=cursor)
    except LimitExceeded as error:
        raise HostCallError(
            "timeout" if error.limit == "timeout_ms" else "limit", f"data source {source!r} is over its {error.limit}"
        ) from error
    except PluginFailed as error:
        code = error.code if error.code in ("not_found", "invalid_input", "timeout", "unavailable") else "unavailable"
        raise HostCallError(code, f"data source {source!r} failed in its query", retryable=error.retryable) from error
    except PluginUnavailable as error:
        raise HostCallError("unavailable", f"data source {source!r} takes no queries now", retryable=True) from error


def checked_result(source: str, found: Json, most: int) -> dict[str, Json]:
    """A source's answer, its shape checked, cut to `most` rows. Raises HostCallError."""
    if not isinstance(found, Mapping):
        raise _odd(source, "it is not an object")
    columns, rows = found.get("columns"), found.get("rows")
    if not isinstance(columns, list) or len(columns) > MAX_COLUMNS or not all(_is_column(column) for column in columns):
        raise _odd(source, "`columns` is not a list of {name, type}")
    if not isinstance(rows, list) or not all(isinstance(row, list) and len(row) == len(columns) for row in rows):
        raise _odd(source, "`rows` is not a list of lists with one value for each column")
    result: dict[str, Json] = {"columns": columns, "rows": rows[:most], "truncated": found.get("truncated") is True or len(rows) > most}
    following, total = found.get("next"), found.get("total")
    if isinstance(following, str):
        result["next"] = following
    if type(total) is int:
        result["total"] = total
    return result


def _is_column(column: Json) -> bool:
    return isinstance(column, Mapping) and isinstance(column.get("name"), str) and isinstance(column.get("type", "text"), str)


def _odd(source: str, why: str) -> HostCallError:
    return HostCallError("unavailable", f"data source {source!r} gave an answer that cannot be read: {why}")
