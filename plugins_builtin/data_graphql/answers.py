"""Answers of a GraphQL server: its errors, and where the rows stand. Nothing that it says of an error is passed on but a known code."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from mockforge_plugin import HttpAnswer, Json, PluginError
from mockforge_plugin.engines.http.rows import rows_at, value_at
from mockforge_plugin.engines.http.service import check_status, json_of

from .documents import Query

_CODES: Final = {
    "BAD_USER_INPUT": "invalid_input", "BAD_REQUEST": "invalid_input", "CONSTRAINT_VIOLATION": "conflict", "CONFLICT": "conflict",
    "UNAUTHENTICATED": "unavailable", "FORBIDDEN": "unavailable", "RATE_LIMITED": "unavailable", "THROTTLED": "unavailable",
    "TOO_MANY_REQUESTS": "unavailable", "TIMEOUT": "timeout", "GATEWAY_TIMEOUT": "timeout",
}  # fmt: skip
"""What servers put into `extensions.code`, and what it is here; any other is bad data."""
_BUSY: Final = frozenset({"RATE_LIMITED", "THROTTLED", "TOO_MANY_REQUESTS"})
_BAD_VARIABLE: Final = re.compile(r"Variable ['\"]\$\w+['\"] got invalid value")
"""How the reference implementations, and those made after them, say that a value is not of its variable's type."""


@dataclass(frozen=True, slots=True)
class Found:
    """Rows of one answer, and the cursor that the connection goes on from."""

    rows: list[Json]
    end: str | None
    total: int | None


async def data_of(answer: HttpAnswer) -> dict[str, Json]:
    """The answer's `data`. Raises PluginError where it has errors, also beside data: half an answer is none."""
    is_json = "json" in (answer.headers.get("content-type") or "")
    said = await json_of(answer) if answer.status == 200 or (is_json and answer.body) else None
    if isinstance(said, dict) and (errors := said.get("errors")):
        raise _error(answer, errors)
    check_status(answer)
    if not isinstance(said, dict) or not isinstance(said.get("data"), dict):
        raise PluginError("its answer has no `data`", code="bad_data")
    return dict(said["data"])


def found_in(data: dict[str, Json], query: Query) -> Found:
    """The rows: where the query says, else those of its one field: a connection's nodes, a list's items, or one thing."""
    field = data.get(query.root) if query.root else None
    connection = field if isinstance(field, dict) else {}
    total = value_at(query.total, data) if query.total is not None else connection.get("totalCount")
    end = _end(connection) if query.pages else None
    return Found(_rows(data, query, field), end, total if type(total) is int else None)


def _rows(data: dict[str, Json], query: Query, field: Json) -> list[Json]:
    if query.rows is not None:
        return rows_at(query.rows, data)
    if not query.root:
        return [data]
    if isinstance(field, dict) and isinstance(field.get("nodes"), list):
        return list(field["nodes"])
    if isinstance(field, dict) and isinstance(field.get("edges"), list):
        return [edge["node"] for edge in field["edges"] if isinstance(edge, dict) and "node" in edge]
    return rows_at(None, field)


def _end(connection: Mapping[str, Json]) -> str | None:
    """The cursor of a connection that goes on (Relay's cursor connections)."""
    info = connection.get("pageInfo")
    if not isinstance(info, dict) or not isinstance(info.get("hasNextPage"), bool):
        raise PluginError("the connection has no `pageInfo { hasNextPage endCursor }`, by which its pages are found", code="bad_data")
    end = info.get("endCursor")
    return end if info["hasNextPage"] and isinstance(end, str) and end else None


def _error(answer: HttpAnswer, errors: Json) -> PluginError:
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    extensions = first.get("extensions")
    given = str(extensions.get("code", "")) if isinstance(extensions, dict) else ""
    known = given if re.fullmatch(r"[A-Z][A-Z_]{0,63}", given) else ""
    code = _CODES.get(known, "bad_data")
    if not known and _BAD_VARIABLE.match(str(first.get("message", ""))):
        code = "invalid_input"
    if not known and answer.status in (401, 403, 429, 502, 503, 504):
        check_status(answer)
    place = ".".join(str(part) for part in first.get("path") or () if isinstance(part, str | int))[:200]
    where = f" at {place}" if place else _where(first) if code == "bad_data" else ""
    what = f"it answered with an error{f' {known}' if known else ''}{where}"
    is_down = code == "unavailable"
    return PluginError(what, code=code, retryable=is_down, details={"busy": True} if known in _BUSY else None)


def _where(error: Mapping[str, Json]) -> str:
    """Where in the query's text an error without a path is: it was not run (GraphQL §7.1.2)."""
    places = error.get("locations")
    place = places[0] if isinstance(places, list) and places and isinstance(places[0], dict) else {}
    line, column = place.get("line"), place.get("column")
    if not (type(line) is int and type(column) is int):
        return ""
    return f" in line {line}, column {column} of the query: it may have no such field, argument or variable"
