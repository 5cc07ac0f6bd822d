"""What a client sends to a resource, made values of its fields: whole objects, and merge patches (RFC 7396)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from mockforge_asgi.contract.typed_values import typed_value
from mockforge_asgi.errors import RequestRejected
from mockforge_asgi.exact_json import same
from mockforge_asgi.http.exchange import Exchange
from mockforge_asgi.http.json_body import JsonBody
from mockforge_asgi.http.media_type import MediaType
from mockforge_asgi.mocks.resources.collection import Field, Fields, Row
from mockforge_asgi.text import clip
from mockforge_asgi.types import Json

MERGE_PATCH: Final = "application/merge-patch+json"
MAX_DEPTH: Final = 64


async def sent_object(exchange: Exchange, *, is_patch: bool = False) -> dict[str, Json]:
    """The JSON object of the request's body. Raises RequestRejected: 415, 400, 422."""
    declared = exchange.snapshot.header("content-type") or ""
    kind = MediaType.of(declared)
    if declared and not (kind.name in (MERGE_PATCH, "application/json") if is_patch else kind.is_json):
        accepted = (("accept-patch", f"{MERGE_PATCH}, application/json"),) if is_patch else ()
        raise RequestRejected(415, "the body must be JSON", accepted)
    body = JsonBody(await exchange.body(), declared)
    value = body.value()
    if body.fault:
        raise RequestRejected(400, f"the body is {body.fault}")
    if not isinstance(value, dict):
        raise RequestRejected(422, "the body must be a JSON object")
    return value


def typed_field(field: Field, value: Json) -> Json:
    """The value as the field has it. Raises RequestRejected (422)."""
    if value is None and not field.is_nullable:
        raise RequestRejected(422, f"the field {field.name!r} must not be null")
    try:
        return typed_value(field.type, value)
    except ValueError as error:
        raise RequestRejected(422, f"the field {field.name!r} {error}") from None


def typed_fields(fields: Fields, sent: Mapping[str, Json]) -> dict[str, Json]:
    """The values sent, each as its field has it. Raises RequestRejected (422)."""
    made = {}
    for name, value in sent.items():
        field = fields.get(name)
        if field is None or field.is_hidden:
            raise RequestRejected(422, f"there is no field {clip(name)!r}")
        made[name] = typed_field(field, value)
    return made


def replacement(fields: Fields, sent: Mapping[str, Json], row: Row, fixed: Mapping[str, Any]) -> dict[str, Json]:
    """The changes that make a row what was sent: fields that are not sent are null. `fixed` are those that nobody changes."""
    made = typed_fields(fields, {name: value for name, value in sent.items() if name not in fixed})
    for name in (*fields.known, *row):
        field = fields.get(name)
        if name in fixed or name in made or (field is not None and field.is_hidden):
            continue
        if field is not None and not field.is_nullable:
            raise RequestRejected(422, f"the field {name!r} is missing")
        made[name] = None
    return changed(made, row)


def patched(fields: Fields, patch: Mapping[str, Json], row: Row, fixed: Mapping[str, Any]) -> dict[str, Json]:
    """The changes of a merge patch: null removes, an object is merged into the object that is there."""
    merged: dict[str, Json] = {}
    for name, value in patch.items():
        if name not in fixed:
            field = fields.get(name)
            merged[name] = merge(row.get(name), value) if field is not None and field.type == "json" else value
    return changed(typed_fields(fields, merged), row)


def merge(target: Json, patch: Json, depth: int = 0) -> Json:
    """RFC 7396 §2. Raises RequestRejected (422) for a patch that is nested too deep."""
    if not isinstance(patch, dict):
        return patch
    if depth > MAX_DEPTH:
        raise RequestRejected(422, "the patch is nested too deep")
    made = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            made.pop(name, None)
        else:
            made[name] = merge(made.get(name), value, depth + 1)
    return made


def changed(values: Mapping[str, Json], row: Row) -> dict[str, Json]:
    """Those values that the row does not have yet."""
    return {name: value for name, value in values.items() if not (same(row.get(name), value) and (name in row or value is None))}
