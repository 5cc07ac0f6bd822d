"""A table of a data source as a collection, by portable queries alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from mockforge_asgi.config.sources.objects import NamedQuery, QueryParameter
from mockforge_asgi.errors import SourceFailed
from mockforge_asgi.mocks.resources.collection import Field, Fields, Page, Row
from mockforge_asgi.types import Json

Ask: TypeAlias = Callable[..., Awaitable[dict[str, Json]]]
"""`Sources.query`."""
_FIRST_VERSION: Final = 1


class SourceCollection:
    """The table of a portable query with a `key`. Where it has a `version`, a change of what has changed meanwhile does not happen."""

    def __init__(self, source: str, query: NamedQuery, ask: Ask) -> None:
        self.key, self.version = query.key, query.version
        self._source, self._query, self._ask = source, query, ask
        self._fields: Fields | None = None

    @property
    def name(self) -> str:
        """See Collection."""
        return f"{self._source}.{self._query.name}"

    async def fields(self) -> Fields:
        """See Collection: as the last result told them."""
        if self._fields is None:
            await self._rows(await self._ask(self._source, self._query, {}, limit=1))
        assert self._fields is not None, "every result tells them"
        return self._fields

    async def page(self, where: Row, *, limit: int | None, cursor: str | None, order: Sequence[str], count: bool) -> Page:
        """See Collection."""
        found = await self._ask(self._source, self._query, where, limit=limit, cursor=cursor, order=order, count=count)
        return Page(await self._rows(found), found.get("next"), found.get("total"))

    async def get(self, key: Row, outer: Row) -> Row | None:
        """See Collection."""
        rows = await self._rows(await self._run({}, {**outer, **key}, {}, limit=2))
        if len(rows) > 1:
            what = f"query {self._query.name!r} of data source {self._source!r}: its `key` names several rows"
            raise SourceFailed("bad_data", what, self._source, self._query.name, status=500)
        return rows[0] if rows else None

    async def insert(self, values: Row) -> Row:
        """See Collection."""
        if self.version is not None:
            values = {**values, self.version: _FIRST_VERSION}
        rows = await self._rows(await self._run({"insert": {name: name for name in values}}, {}, values))
        if len(rows) != 1:
            what = f"data source {self._source!r} did not give the row that it made"
            raise SourceFailed("bad_data", what, self._source, self._query.name)
        return rows[0]

    async def update(self, key: Row, outer: Row, changes: Row, seen: Row) -> bool:
        """See Collection."""
        if self.version is not None:
            changes = {**changes, self.version: (seen.get(self.version) or 0) + 1}
        where = {**outer, **key, **self._seen(seen)}
        names = {name: _other(f"new_{name}", where) for name in changes}
        found = await self._run({"update": names}, where, {names[name]: value for name, value in changes.items()}, names)
        return bool(found.get("affected"))

    async def delete(self, key: Row, outer: Row, seen: Row) -> bool:
        """See Collection."""
        return bool((await self._run({"delete": True}, {**outer, **key, **self._seen(seen)}, {})).get("affected"))

    def _seen(self, seen: Row) -> dict[str, Json]:
        return {} if self.version is None else {self.version: seen.get(self.version)}

    async def _run(
        self, change: Mapping[str, Any], where: Row, values: Row, names: Mapping[str, str] | None = None, limit: int | None = None
    ) -> dict[str, Json]:
        """A portable query on the table; `names` are the parameters of columns that are called otherwise."""
        fields, columns = await self.fields(), {name: column for column, name in (names or {}).items()}
        params = {
            name: QueryParameter(field.type) for name in (*where, *values) if (field := fields.get(columns.get(name, name))) is not None
        }
        shown = (
            {}
            if "update" in change or "delete" in change
            else {key: self._query.query[key] for key in ("columns",) if key in self._query.query}
        )
        query = {"from": self._query.query["from"], **change, **shown} | ({} if "insert" in change else {"where": list(where)})
        made = NamedQuery(self._query.name, query, params, limit or self._query.limit, write=bool(change))
        return await self._ask(self._source, made, {**where, **values})

    async def _rows(self, found: Mapping[str, Json]) -> list[Row]:
        columns, is_documents = found["columns"], found.get("documents") is True
        wanted = self._query.query.get("columns", ())
        declared = {
            name: Field(name, about.type, is_hidden=bool(wanted) and name not in wanted) for name, about in self._query.params.items()
        }
        told = {c["name"]: Field(c["name"], c.get("type", "text"), c.get("nullable") is not False) for c in columns}
        known = {name: Field(name) for name in (wanted if is_documents else ())} | declared | told
        self._fields = Fields(known, is_documents and not wanted)
        if is_documents:
            return list(found["rows"])
        return [dict(zip(told, row, strict=True)) for row in found["rows"]]


def _other(name: str, taken: Row) -> str:
    while name in taken:
        name += "_"
    return name
