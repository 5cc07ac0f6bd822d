"""Sources: the named data sources of a runtime, asked by plugins and templates alike.

A source is a data_source plugin under the operator's name for it. Here are the ways in, the guard against endless
chains of plugins that ask each other, and the check of what comes back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, Protocol, TypeAlias

from mockforge_asgi.errors import DoorError, LimitExceeded, PluginFailed, PluginUnavailable

Json: TypeAlias = Any

MAX_DEPTH = 4
MAX_ROWS = 10_000
MAX_COLUMNS = 1000

_asking: ContextVar[tuple[str, ...]] = ContextVar("mockforge_sources_asking", default=())
"""The plugins that wait for an answer in this task, outermost first."""


class SourcePlugin(Protocol):
    """A loaded data_source plugin."""

    @property
    def name(self) -> str:
        """The operator's name for it."""
        ...

    async def query(self, exchange: None, query: str, params: Mapping[str, Json], *, limit: int | None, cursor: str | None) -> Json:
        """Rows of one of its queries."""
        ...


class Sources:
    """All sources of a runtime; `find` gives the current plugin of a name, or None."""

    def __init__(self, find: Callable[[str], SourcePlugin | None]) -> None:
        self._find = find

    async def query(
        self, source: str, query: str, params: Mapping[str, Json], *, limit: int | None = None, cursor: str | None = None, asker: str = ""
    ) -> dict[str, Json]:
        """Rows as `{"columns", "rows", "truncated", ...}`, at most `limit`. Raises DoorError."""
        plugin = self._find(source)
        if plugin is None:
            raise DoorError("not_found", f"there is no data source {source!r}")
        waiting = (*_asking.get(), asker) if asker else _asking.get()
        if plugin.name in waiting:
            chain = " → ".join((*waiting, plugin.name))
            raise DoorError("limit", f"data source {source!r} would wait for itself: {chain}")
        if len(waiting) >= MAX_DEPTH:
            raise DoorError("limit", f"data sources ask each other more than {MAX_DEPTH} deep: {' → '.join(waiting)}")
        most = min(limit or MAX_ROWS, MAX_ROWS)
        token = _asking.set(waiting)
        try:
            found = await plugin.query(None, query, params, limit=most, cursor=cursor)
        except LimitExceeded as error:
            raise DoorError(
                "timeout" if error.limit == "timeout_ms" else "limit", f"data source {source!r} is over its {error.limit}"
            ) from error
        except PluginFailed as error:
            code = error.code if error.code in ("not_found", "invalid_input", "timeout", "unavailable") else "unavailable"
            raise DoorError(code, f"data source {source!r} failed in its query", retryable=error.retryable) from error
        except PluginUnavailable as error:
            raise DoorError("unavailable", f"data source {source!r} takes no queries now", retryable=True) from error
        finally:
            _asking.reset(token)
        return checked_result(source, found, most)


def checked_result(source: str, found: Json, most: int) -> dict[str, Json]:
    """A source's answer, its shape checked, cut to `most` rows. Raises DoorError."""
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


def _odd(source: str, why: str) -> DoorError:
    return DoorError("unavailable", f"data source {source!r} gave an answer that cannot be read: {why}")
