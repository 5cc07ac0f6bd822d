"""The tables of a GraphQL API: fields of its query type that give lists, with the columns that are single values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from mockforge_plugin import Column, Json, Table

_TYPE: Final = "kind name" + " ofType { kind name" * 5 + " }" * 5
QUERY: Final = f"{{ __schema {{ queryType {{ name }} types {{ kind name fields {{ name type {{ {_TYPE} }} }} }} }} }}"

_SCALARS: Final = {
    "Int": "integer", "Float": "float", "Boolean": "boolean", "String": "text", "ID": "text", "Date": "date", "Time": "time",
    "DateTime": "datetime", "Decimal": "decimal", "BigDecimal": "decimal", "BigInt": "integer", "Long": "integer", "UUID": "uuid",
    "JSON": "json", "JSONObject": "json", "Duration": "interval",
}  # fmt: skip


def tables(data: Mapping[str, Any]) -> list[Table]:
    """What the answer to `QUERY` tells of."""
    schema = data["__schema"]
    types = {about["name"]: about for about in schema["types"]}
    root = types[schema["queryType"]["name"]]
    return [Table(field["name"], tuple(_columns(node))) for field in root["fields"] if (node := _node(field["type"], types)) is not None]


def _node(about: Json, types: Mapping[str, Json]) -> Json | None:
    """The object type of a list's items, or of a connection's nodes."""
    about, is_list = _inner(about)
    found = types.get(about["name"]) if about["kind"] == "OBJECT" else None
    if found is None or is_list:
        return found
    fields = {field["name"]: field["type"] for field in found["fields"]}
    if "pageInfo" not in fields:
        return None
    if "nodes" in fields:
        return types.get(_inner(fields["nodes"])[0]["name"])
    edge = types.get(_inner(fields["edges"])[0]["name"]) if "edges" in fields else None
    node = next((field["type"] for field in (edge or {}).get("fields") or () if field["name"] == "node"), None)
    return None if node is None else types.get(_inner(node)[0]["name"])


def _columns(node: Json) -> Iterator[Column]:
    for field in node.get("fields") or ():
        about, is_list = _inner(field["type"])
        if about["kind"] in ("SCALAR", "ENUM"):
            kind = _SCALARS.get(about["name"], "text") if about["kind"] == "SCALAR" else "text"
            yield Column(field["name"], f"{kind}[]" if is_list and kind != "json" else kind, field["type"]["kind"] != "NON_NULL")


def _inner(about: Json) -> tuple[Json, bool]:
    """(the innermost type, whether a list of it)."""
    is_list = False
    while about.get("ofType"):
        is_list = is_list or about["kind"] == "LIST"
        about = about["ofType"]
    return about, is_list
