"""Portable queries: a collection as a table, its columns the fields at the top of documents (docs/reference/data.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mockforge_plugin import Column, DataResult, Json, PluginError

from .operations import Bounds, Document, Found, find
from .queries import check_collection, wrong_query
from .role import Database
from .tables import Declared
from .values import cell, kinds, parameter, rows_of


class Portable:
    """One such query with its parameters. `declared` is what the configuration says of its collection."""

    def __init__(self, query: Mapping[str, Any], params: Mapping[str, Json], types: Mapping[str, str], declared: Declared) -> None:
        self.collection = str(query["from"])
        check_collection(self.collection)
        self._query, self._params, self._types, self._declared = query, params, types, declared
        self.columns: Sequence[str] = query.get("columns") or list(declared.types)
        """Those that are wanted; none: whole documents."""
        for name in (*self.columns, *query.get("where", ()), *query.get("insert", {}), *query.get("update", {})):
            if not name or name.startswith("$") or "\0" in name:
                raise wrong_query(f"{name[:100]!r} is not a column")
            if declared.types and name not in declared.types:
                raise PluginError(f"{self.collection!r} has no column {name[:100]!r}", code="bad_data")

    def where(self) -> Document:
        """The conditions, as far as their parameters are given."""
        return {name: {"$eq": self._value(name)} for name in self._query.get("where", ()) if name in self._params}

    async def read(self, database: Database, order: Sequence[tuple[str, int]], bounds: Bounds) -> Found:
        """A page of it."""
        shown = {"_id": 0, **dict.fromkeys(self.columns, 1)} if self.columns else None
        return await find(database, self.collection, self.where(), shown, order, bounds)

    async def write(self, database: Database) -> tuple[list[Document], int]:
        """(the row that was added, how many rows were changed). Raises PluginError for conditions that are not given."""
        collection = database[self.collection]
        if "insert" in self._query:
            made = {name: self._value(given) for name, given in self._query["insert"].items() if given in self._params}
            made = await self._declared.complete(made, database, self.collection)
            await collection.insert_one(made)
            return [made], 1
        names = self._query.get("where") or ()
        if not names or any(name not in self._params for name in names):
            raise PluginError("a change needs all of its conditions", code="invalid_input")
        if self._query.get("delete") is True:
            return [], (await collection.delete_many(self.where())).deleted_count
        changes = {name: self._value(given) for name, given in self._query["update"].items() if given in self._params}
        self._declared.check(changes)
        if not changes:
            return [], await collection.count_documents(self.where())
        return [], (await collection.update_many(self.where(), {"$set": changes})).matched_count

    def result(self, documents: list[Document]) -> DataResult:
        """Rows in the wanted columns, where a missing field is null; or documents."""
        if not self.columns:
            columns, rows = rows_of(documents)
            return DataResult(columns, tuple(rows), documents=True)
        types = kinds(documents) | dict(self._declared.types)
        made = tuple(Column(name, types.get(name, "text")) for name in self.columns)
        cells = tuple(tuple(cell(types.get(name, "text"), document.get(name)) for name in self.columns) for document in documents)
        return DataResult(made, cells)

    def _value(self, name: str) -> Any:
        return parameter(name, self._types.get(name, "json"), self._params[name])
