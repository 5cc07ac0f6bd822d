"""Data sources and their named queries, as frozen objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from mockforge_asgi.exact_json import Json

DEFAULT_MAX_ROWS = 1000


@dataclass(frozen=True, slots=True)
class QueryParameter:
    """One parameter of a query. One that is not required may be left out, and then has the default."""

    type: str
    is_required: bool = True
    default: Json = None


@dataclass(frozen=True, slots=True)
class NamedQuery:
    """A query that plugins, templates and routes may ask for by name.

    `query` is a text, a tuple of texts (statements of one transaction), or a mapping; with `from` in it the query is portable.
    """

    name: str
    query: Json
    params: Mapping[str, QueryParameter] = field(default_factory=lambda: MappingProxyType({}))
    limit: int = DEFAULT_MAX_ROWS
    """The most rows given at once."""
    order: tuple[str, ...] = ()
    """Columns to sort by; `-name` is descending."""
    sort: frozenset[str] = frozenset()
    """Columns that whoever asks may sort by instead."""
    cache_s: float = 0.0
    write: bool = False
    """Whether it changes data."""
    key: tuple[str, ...] = ()
    """Of a portable query: the columns that together name one row."""
    version: str | None = None
    """Of a portable query: the integer column that counts the changes of a row."""
    is_writable: bool = False
    """Of a portable query that reads: whether resources may change its table."""

    @property
    def is_portable(self) -> bool:
        """Whether it names a table, in no language of its source."""
        return isinstance(self.query, Mapping) and "from" in self.query


@dataclass(frozen=True, slots=True)
class SourceLimits:
    """The most that one query of a source may give, and how long it may take."""

    max_rows: int = DEFAULT_MAX_ROWS
    max_mb: float = 4.0
    timeout_ms: int = 2000

    @property
    def max_bytes(self) -> int:
        """`max_mb` in bytes."""
        return int(self.max_mb * (1 << 20))


@dataclass(frozen=True, slots=True)
class SourceConfig:
    """A named data source: the plugin that serves it, by its name among all plugins, and its queries."""

    name: str
    plugin: str
    queries: Mapping[str, NamedQuery] = field(default_factory=lambda: MappingProxyType({}))
    limits: SourceLimits = field(default_factory=SourceLimits)
