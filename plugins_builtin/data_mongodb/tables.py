"""Collections that the configuration declares as tables: columns, their types, and what new documents have in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pymongo import DESCENDING, ReturnDocument
from pymongo.errors import DuplicateKeyError

from mockforge_plugin import Json, PluginError
from mockforge_plugin.tables import VALUE_TYPES

from .role import Database
from .values import parameter

COUNTERS: Final = "mockforge_counters"
"""Where the last numbers of generated columns are kept."""


@dataclass(frozen=True, slots=True)
class Declared:
    """One of them; without columns, a collection of which nothing is said."""

    types: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    generated: frozenset[str] = frozenset()

    @classmethod
    def read(cls, columns: Mapping[str, Json]) -> Declared:
        """What stands under `columns`. Raises PluginError for a default that is not of its type."""
        about = {name: {"type": given} if isinstance(given, str) else given for name, given in columns.items()}
        return cls(
            {name: given["type"] for name, given in about.items()},
            {name: parameter(name, given["type"], given["default"]) for name, given in about.items() if "default" in given},
            frozenset(name for name, given in about.items() if given.get("required")),
            frozenset(name for name, given in about.items() if given.get("generated")),
        )

    def check(self, values: Mapping[str, Any]) -> None:
        """Raises PluginError (`invalid_input`) for a null where there is none."""
        if wrong := sorted(name for name in self.required if name in values and values[name] is None):
            raise PluginError(f"the column {wrong[0]!r} is never null", code="invalid_input")

    async def complete(self, values: dict[str, Any], database: Database, collection: str) -> dict[str, Any]:
        """A new document, with what it does not give. Raises PluginError (`invalid_input`) where that is required."""
        made = dict(self.defaults) | values
        if missing := sorted(self.required - made.keys() - self.generated):
            raise PluginError(f"the column {missing[0]!r} is never null", code="invalid_input")
        self.check(made)
        for name in sorted(self.generated - values.keys()):
            made[name] = await next_number(database, collection, name)
        return made


async def next_number(database: Database, collection: str, column: str) -> int:
    """One that no document has: those of all workers count together."""
    key, counters = {"_id": f"{collection}.{column}"}, database[COUNTERS]
    while (made := await counters.find_one_and_update(key, {"$inc": {"n": 1}}, return_document=ReturnDocument.AFTER)) is None:
        # The first one: there may be documents already.
        last = await database[collection].find_one({column: {"$type": ["int", "long"]}}, sort=[(column, DESCENDING)])
        try:
            await counters.update_one(key, {"$setOnInsert": {"n": int(last[column]) if last is not None else 0}}, upsert=True)
        except DuplicateKeyError:
            continue  # somebody else was first
    return int(made["n"])


def problems(collections: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What a schema cannot say of `collections`."""
    for name, about in collections.items():
        for column, given in about["columns"].items():
            place, kind = f"collections.{name}.columns.{column}", given if isinstance(given, str) else given["type"]
            if kind not in VALUE_TYPES:
                yield place, f"'{kind[:50]}' is not a type. Write one such as text, integer, decimal or objectid"
            elif isinstance(given, dict) and given.get("generated") and kind != "integer":
                yield place, "only integers are generated; an `_id` that is not given MongoDB makes itself"
            elif isinstance(given, dict) and "default" in given:
                try:
                    parameter(column, kind, given["default"])
                except PluginError:
                    yield place, f"its default is no {kind}"
