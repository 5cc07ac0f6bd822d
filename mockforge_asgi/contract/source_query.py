"""What a data source is asked: the document of `data.query` as a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from mockforge_asgi.types import Json

_SCALARS: Final = frozenset({str, int, float, bool, type(None)})


@dataclass(frozen=True, slots=True)
class SourceQuery:
    """One query, with its parameters made what `types` says. `name` is empty for a text of whoever asks.

    `query` is a text, a list of texts (statements of one transaction) or a mapping, portable with `from` in it. `order` are columns to
    sort by, `-name` descending. `cursor` is the source's own. `max_bytes` and `timeout_ms` are what it may give and take.
    """

    query: Json
    params: Mapping[str, Json] = field(default_factory=dict)
    types: Mapping[str, str] = field(default_factory=dict)
    name: str = ""
    limit: int | None = None
    cursor: str | None = None
    order: tuple[str, ...] = ()
    write: bool = False
    count: bool = False
    max_bytes: int | None = None
    timeout_ms: int | None = None

    @property
    def is_plain(self) -> bool:
        """Whether its document holds nothing that whoever is sent it could change: texts, and parameters that are no lists or objects."""
        return type(self.query) is str and _SCALARS.issuperset(map(type, self.params.values()))

    def document(self) -> dict[str, Json]:
        """As the plugin is sent it; what says nothing is left out."""
        made: dict[str, Json] = {"query": self.query, "params": dict(self.params)}
        if self.types:
            made["types"] = dict(self.types)
        if self.order:
            made["order"] = list(self.order)
        for key in ("name", "write", "count"):
            if value := getattr(self, key):
                made[key] = value
        for key in ("limit", "cursor", "max_bytes", "timeout_ms"):
            if (value := getattr(self, key)) is not None:
                made[key] = value
        return made
