"""The responses of a resource: a list that is read and added to, items that are read, replaced, patched and deleted."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from mockforge_asgi.config.objects import ResourceResponse
from mockforge_asgi.config.sources.objects import NamedQuery
from mockforge_asgi.contract.typed_values import typed_value
from mockforge_asgi.errors import RequestRejected
from mockforge_asgi.exact_json import Json, dumps
from mockforge_asgi.http.errors import error_response
from mockforge_asgi.http.exchange import Exchange
from mockforge_asgi.http.responses import MockResponse
from mockforge_asgi.mocks.data import filters, link_to_next, paging
from mockforge_asgi.mocks.resources.changes import MERGE_PATCH, patched, replacement, sent_object, typed_field, typed_fields
from mockforge_asgi.mocks.resources.collection import Collection, Fields, Row
from mockforge_asgi.mocks.resources.conditions import entity_tag, has_if_match, is_met, is_unmodified
from mockforge_asgi.plugins.registry import LoadedPlugins
from mockforge_asgi.sources.records import json_numbers, records
from mockforge_asgi.types import Headers

OF_LIST: Final = ("GET", "HEAD", "POST")
OF_ITEM: Final = ("GET", "HEAD", "PUT", "PATCH", "DELETE")
_READS: Final = frozenset({"GET", "HEAD"})
_TRIES: Final = 3
"""How often a change without conditions begins anew where the row changed meanwhile."""


@dataclass(frozen=True, slots=True)
class ResourcePlan:
    """The response at a resource's list, or at its items."""

    asked: ResourceResponse
    query: NamedQuery
    collection: Collection
    headers: Headers
    is_item: bool

    def respond(self, exchange: Exchange, loaded: LoadedPlugins) -> Awaitable[MockResponse]:
        """See Plan."""
        exchange.answered_by = f"resource {self.collection.name}"
        return self._respond(exchange)

    async def _respond(self, exchange: Exchange) -> MockResponse:
        method = exchange.snapshot.method
        allowed = ", ".join(name for name in (OF_ITEM if self.is_item else OF_LIST) if self._allows(name))
        if method == "OPTIONS":
            return MockResponse(204, (*self.headers, (b"allow", f"{allowed}, OPTIONS".encode())))
        if not self._allows(method) or method not in (OF_ITEM if self.is_item else OF_LIST):
            return error_response(405, f"the methods here are {allowed}", (("allow", allowed),), error="Method not allowed")
        fields = await self.collection.fields()
        outer = self._outer(exchange, fields)
        if outer is None:
            return _nothing()
        if self.is_item:
            return await self._item(exchange, method, fields, outer)
        return await (self._list(exchange, outer) if method in _READS else self._post(exchange, fields, outer))

    def _allows(self, method: str) -> bool:
        read = "GET" if method == "HEAD" else method
        return read in self.asked.methods if self.asked.methods else read in _READS or self.query.is_writable

    def _outer(self, exchange: Exchange, fields: Fields) -> Row | None:
        """What the path says that all rows here have; None where no row can have it."""
        names = [name for name in exchange.path_params if name in self.query.params]
        return _typed(fields, {name: exchange.path_params[name] for name in names})

    async def _list(self, exchange: Exchange, outer: Row) -> MockResponse:
        options = {"limit": None, "cursor": None, "order": (), **paging(exchange, self.query)}
        where = {**filters(exchange, self.query, outer), **outer}
        with exchange.watched():
            page = await self.collection.page(where, count=self.asked.total, **options)
        fields = await self.collection.fields()
        extra = link_to_next(exchange, page.next)
        if page.total is not None:
            extra += ((b"x-total-count", str(page.total).encode()),)
        return self._made(200, [_shown(fields, row) for row in page.rows], extra)

    async def _post(self, exchange: Exchange, fields: Fields, outer: Row) -> MockResponse:
        sent = self._settable(await sent_object(exchange), outer, fields)
        row = await self.collection.insert({**typed_fields(fields, sent), **outer})
        shown, tail = _shown(fields, row), "/".join(quote(_segment(row.get(name)), safe="") for name in self.collection.key)
        path = quote(exchange.scope.get("root_path", "") + exchange.snapshot.path, safe="/!$&'()*+,;=:@-._~")
        return self._made(201, shown, ((b"location", f"{path.rstrip('/')}/{tail}".encode()), (b"etag", entity_tag(shown).encode())))

    async def _item(self, exchange: Exchange, method: str, fields: Fields, outer: Row) -> MockResponse:
        key = _typed(fields, {name: exchange.path_params[_placeholder(name)] for name in self.collection.key})
        if key is None or any(key.get(name, value) != value for name, value in outer.items()):
            return _nothing()
        sent = await sent_object(exchange, is_patch=method == "PATCH") if method in ("PUT", "PATCH") else {}
        for _ in range(_TRIES):
            row = await self.collection.get(key, outer)
            if row is None:
                return _nothing()
            shown = _shown(await self.collection.fields(), row)
            tag = entity_tag(shown)
            if method in _READS:
                is_known = is_unmodified(exchange.snapshot, tag)
                return MockResponse(304, (*self.headers, (b"etag", tag.encode()))) if is_known else self._one(shown, tag)
            if not is_met(exchange.snapshot, tag):
                return _outdated()
            done = await self._change(method, fields, sent, row, key, outer)
            if done is not None:
                return done
            if has_if_match(exchange.snapshot):
                return _outdated()
        return error_response(409, "this changed meanwhile; try again", error="Conflict")

    async def _change(self, method: str, fields: Fields, sent: Mapping[str, Json], row: Row, key: Row, outer: Row) -> MockResponse | None:
        """What came of the change; None where the row is another one meanwhile."""
        if method == "DELETE":
            return MockResponse(204, self.headers) if await self.collection.delete(key, outer, row) else None
        fixed = {**outer, **key}
        sent = self._settable(sent, fixed, fields)
        made = replacement if method == "PUT" else patched
        managed = {} if self.collection.version is None else {self.collection.version: None}
        changes = made(fields, sent, row, {**fixed, **managed})
        if changes and not await self.collection.update(key, outer, changes, row):
            return None
        now = await self.collection.get(key, outer) if changes else row
        if now is None:
            return _nothing()
        shown = _shown(fields, now)
        return self._one(shown, entity_tag(shown))

    def _settable(self, sent: Mapping[str, Json], fixed: Row, fields: Fields) -> dict[str, Json]:
        """What was sent without what the path and the data say. Raises RequestRejected (422) where it says something else."""
        for name, value in fixed.items():
            field = fields.get(name)
            if name in sent and field is not None and typed_field(field, sent[name]) != value:
                raise RequestRejected(422, f"the field {name!r} is not what the path says")
        return {name: value for name, value in sent.items() if name != self.collection.version and name not in fixed}

    def _one(self, shown: Mapping[str, Any], tag: str) -> MockResponse:
        return self._made(200, shown, ((b"etag", tag.encode()),))

    def _made(self, status: int, value: Any, extra: Headers) -> MockResponse:
        headers = (*self.headers, *extra)
        if not any(name == b"content-type" for name, _ in headers):
            headers = ((b"content-type", b"application/json"), *headers)
        if self.is_item and self._allows("PATCH"):
            headers += ((b"accept-patch", MERGE_PATCH.encode()),)
        return MockResponse(status, headers, dumps(value))


def item_pattern(pattern: str, key: tuple[str, ...]) -> str:
    """The path of a resource's items."""
    return pattern.rstrip("/") + "".join(f"/{{{_placeholder(name)}}}" for name in key)


def _placeholder(name: str) -> str:
    """A parameter of the path for a field of the key: names of columns may be anything."""
    return "key_" + "".join(letter if letter.isascii() and letter.isalnum() else f"_{ord(letter):x}_" for letter in name)


def _typed(fields: Fields, values: Mapping[str, Json]) -> dict[str, Json] | None:
    """Values of a path as the fields have them; None where they cannot be."""
    made = {}
    for name, value in values.items():
        field = fields.get(name)
        try:
            made[name] = typed_value("text" if field is None or field.type == "json" else field.type, value)
        except ValueError:
            return None
    return made


def _shown(fields: Fields, row: Row) -> dict[str, Any]:
    """A row as clients see it: decimals are numbers with all their digits."""
    columns = [{"name": name, "type": field.type} for name, field in fields.known.items()]
    return records({"columns": columns, "rows": [row], "documents": True}, json_numbers)[0]


def _segment(value: Json) -> str:
    return value if isinstance(value, str) else dumps(value).decode()


def _nothing() -> MockResponse:
    return error_response(404, "there is nothing of that kind here")


def _outdated() -> MockResponse:
    return error_response(412, "this is not in the state that the request is for", error="Precondition failed")
