"""Operations as the driver runs them: rows within their bounds, and what was changed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import bson
from pymongo import ReturnDocument
from pymongo.asynchronous.client_session import AsyncClientSession

from mockforge_plugin import PluginError

from .paging import Cursor, after
from .queries import Values, operation_of
from .role import Database
from .settings import CODEC

Document = dict[str, Any]
Order = Sequence[tuple[str, int]]

BATCH: Final = 1000
WIRE: Final = 2
"""How many times `max_bytes` may come as BSON: what is short as JSON may be longer there."""
ROOM: Final = 64 << 10
_ASIDE: Final = 256 << 10


@dataclass(frozen=True, slots=True)
class Found:
    """Rows of one page, what is hidden of each, the cursor behind them, and how many there are in all, if that was asked."""

    documents: list[Document]
    following: str | None = None
    total: int | None = None


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much of it is wanted, and from where."""

    limit: int
    cursor: Cursor
    count: bool
    max_bytes: int


async def find(database: Database, collection: str, where: Document, projection: Document | None, order: Order, bounds: Bounds) -> Found:
    """One page of a collection, by its order and then by `_id`."""
    order = order if any(name == "_id" for name, _ in order) else [*order, ("_id", 1)]
    shown, hidden = _shown(projection, order)
    condition = where if bounds.cursor.after is None else {"$and": [where, after(bounds.cursor.after, order)]}
    found = database[collection].find_raw_batches(
        condition, shown, sort=list(order), skip=bounds.cursor.skip, limit=bounds.limit + 1, batch_size=min(bounds.limit + 1, BATCH)
    )
    documents = await _read(found, bounds)
    following = None
    if len(documents) > bounds.limit:
        documents = documents[: bounds.limit]
        following = bounds.cursor.following(documents[-1], order if hidden is not None else (), bounds.limit)
    for name in hidden or ():
        for document in documents:
            document.pop(name, None)
    total = await database[collection].count_documents(where) if bounds.count else None
    return Found(documents, following, total)


async def aggregate(database: Database, collection: str, pipeline: list[Document], order: Order, bounds: Bounds) -> Found:
    """One page of a pipeline's results."""
    skip = bounds.cursor.skip
    paged = [*pipeline, *([{"$sort": dict(order)}] if order else ()), *([{"$skip": skip}] if skip else ()), {"$limit": bounds.limit + 1}]
    found = await database[collection].aggregate_raw_batches(paged, batchSize=min(bounds.limit + 1, BATCH))
    documents = await _read(found, bounds)
    following = None
    if len(documents) > bounds.limit:
        documents, following = documents[: bounds.limit], Cursor(skip=skip).following({}, (), bounds.limit)
    total = await _counted(database, collection, pipeline) if bounds.count else None
    return Found(documents, following, total)


async def change(
    database: Database, query: Mapping[str, Any], values: Values, session: AsyncClientSession | None
) -> tuple[list[Document], int]:
    """(rows that it gives back, how many it changed)."""
    operation = operation_of(query)
    collection = database[query[operation]]
    if operation == "insert":
        documents = values.value(query["documents"])
        made = documents if isinstance(documents, list) else [documents]
        if not made or not all(isinstance(document, dict) for document in made):
            raise PluginError("what is to be inserted is not an object", code="invalid_input")
        await collection.insert_many(made, session=session)
        return made, len(made)
    where = values.value(query.get("filter", {}))
    is_many = query.get("many") is True
    if operation == "delete":
        deleted = await (collection.delete_many if is_many else collection.delete_one)(where, session=session)
        return [], deleted.deleted_count
    update, is_upsert = values.value(query["change"]), query.get("upsert") is True
    if query.get("returns") is True and not is_many:
        row = await collection.find_one_and_update(where, update, upsert=is_upsert, return_document=ReturnDocument.AFTER, session=session)
        return ([], 0) if row is None else ([row], 1)
    updated = await (collection.update_many if is_many else collection.update_one)(where, update, upsert=is_upsert, session=session)
    return [], updated.matched_count + (updated.upserted_id is not None)


async def _read(batches: Any, bounds: Bounds) -> list[Document]:
    """All documents of a cursor, as BSON within the bytes that there may be. Raises PluginError (`limit`)."""
    documents: list[Document] = []
    size = 0
    async with batches:
        async for batch in batches:
            size += len(batch)
            if size > bounds.max_bytes * WIRE + ROOM:
                raise PluginError("it gives more than limits.max_mb; ask for fewer rows or fields", code="limit")
            documents += await asyncio.to_thread(_decoded, batch) if len(batch) > _ASIDE else _decoded(batch)
    return documents


def _decoded(batch: bytes) -> list[Document]:
    return list(bson.decode_all(batch, CODEC))


async def _counted(database: Database, collection: str, pipeline: list[Document]) -> int:
    found = await database[collection].aggregate([*pipeline, {"$count": "n"}])
    async with found:
        async for document in found:
            return int(document["n"])
    return 0


def _shown(projection: Document | None, order: Order) -> tuple[Document | None, set[str] | None]:
    """The projection with the fields that rows are sorted by, and which of these are to be taken away again. None: pages cannot tell."""
    names = [name for name, _ in order]
    if not projection:
        return None, set()
    is_picking = projection.get("_id") in (1, True) or any(bool(about) for name, about in projection.items() if name != "_id")
    if is_picking:
        added = {name for name in names if name not in projection and name != "_id"}
        if any("." in name for name in added) or any(projection.get(name) not in (None, 1, True) for name in names if name != "_id"):
            return projection, None
        hidden = added | ({"_id"} if projection.get("_id", 1) in (0, False) else set())
        return {**projection, **dict.fromkeys(added, 1), "_id": 1}, hidden
    hidden = {name for name in names if name in projection}
    return {name: about for name, about in projection.items() if name not in hidden} or None, hidden
