"""Queries in the words of this source, read once: `{get: "/users/:id"}`, and what may stand beside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from jsonpath_rfc9535 import JSONPathQuery

from mockforge_plugin import Json
from mockforge_plugin.engines.http.json_text import write_json
from mockforge_plugin.engines.http.placeholders import (
    Pairs,
    Path,
    Values,
    compiled,
    header_pairs,
    named_texts,
    query_text,
    wrong_query,
)
from mockforge_plugin.engines.http.rows import ColumnSpec, column_specs, json_path
from mockforge_plugin.engines.http.service import Request, Service

from .paging import Paging

METHODS: Final = ("get", "post", "put", "patch", "delete")
_KEYS: Final = frozenset(
    {*METHODS, "query", "headers", "json", "form", "rows", "columns", "documents", "total", "paging", "reads", "slashes", "filters"}
)


@dataclass(frozen=True, slots=True)
class Query:
    """A query that can be asked."""

    fill: Callable[[Values], Request]
    paging: Paging
    rows: JSONPathQuery | None
    columns: tuple[ColumnSpec, ...]
    documents: bool
    total: JSONPathQuery | str | None
    """Where the number of all rows stands: a path in the body, or a header's name."""
    has_place: bool
    """Whether its path has a parameter, so that what is not there is no row."""
    filters: Mapping[str, str]


def read_query(query: Json, types: Mapping[str, str], config: Mapping[str, Any], service: Service, *, write: bool) -> Query:
    """The query that was written. A text is the path of a GET. Raises PluginError."""
    if isinstance(query, str):
        query = {"get": query}
    if not isinstance(query, Mapping):
        raise wrong_query("several statements are one transaction, which this source does not have")
    if unknown := sorted(set(query) - _KEYS):
        raise wrong_query(f"it has `{str(unknown[0])[:100]}`; it may have {', '.join(sorted(_KEYS))}")
    methods = [method for method in METHODS if method in query]
    if len(methods) != 1:
        raise wrong_query("it has exactly one of get, post, put, patch, delete, each with a path")
    method, reads = methods[0], methods[0] == "get" or query.get("reads") is True
    if not reads and not write:
        raise wrong_query(f"{method} may change data: add `write: true` beside `query`, or in it `reads: true` if it only reads")
    path = Path(str(query[method]), types, has_slashes=query.get("slashes") is True)
    asked = query.get("paging", {} if write else config.get("paging", {}))
    rows = query.get("rows", config.get("rows"))
    return Query(
        _filler(method.upper(), path, query, types),
        Paging(asked if isinstance(asked, Mapping) else {"by": asked}, service),
        None if rows is None else json_path(rows, "rows"),
        column_specs(query["columns"]) if "columns" in query else (),
        query.get("documents") is True,
        _total(query.get("total", config.get("total"))),
        bool(path.names),
        dict(query.get("filters", {})),
    )


def _filler(method: str, path: Path, query: Mapping[str, Any], types: Mapping[str, str]) -> Callable[[Values], Request]:
    """A function of the parameters that gives the request."""
    asks = named_texts(query.get("query", {}), types, "query")
    headers = named_texts(query.get("headers", {}), types, "headers")
    body, kind = _body(method, query, types)

    def fill(params: Values) -> Request:
        target, text = path.fill(params), query_text(asks(params))
        made = None if body is None else body(params)
        sent = [(name.lower(), value) for name, value in header_pairs(headers(params))]
        if made is not None and not any(name == "content-type" for name, _ in sent):
            sent.append(("content-type", kind))
        return Request(method, f"{target}?{text}" if text else target, tuple(sent), made)

    return fill


def _body(method: str, query: Mapping[str, Any], types: Mapping[str, str]) -> tuple[Callable[[Values], str] | None, str]:
    """(what makes the body of parameters, its content type)."""
    if "json" in query and "form" in query:
        raise wrong_query("it has `json` and `form`; a request has one body")
    if method == "GET" and ("json" in query or "form" in query):
        raise wrong_query("a get has no body; write values under `query`, or use post with `reads: true`")
    if "json" in query:
        make = compiled(query["json"], types)
        return lambda params: write_json(make(params)), "application/json"
    if "form" in query:
        fields: Callable[[Values], Pairs] = named_texts(query["form"], types, "form")
        return lambda params: urlencode(fields(params)), "application/x-www-form-urlencoded"
    return None, ""


def _total(about: Any) -> JSONPathQuery | str | None:
    if about is None:
        return None
    if not isinstance(about, Mapping) or len(about) != 1 or not {"header", "at"} & set(about):
        raise wrong_query("`total` is `{at: $.total}` or `{header: x-total-count}`")
    return str(about["header"]).lower() if "header" in about else json_path(about["at"], "total.at")
