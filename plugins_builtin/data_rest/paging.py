"""How a list of an API goes on: each way is what the next page's request is made of, found in the page before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from mockforge_plugin import HttpAnswer, Json
from mockforge_plugin.engines.http.pages import State
from mockforge_plugin.engines.http.placeholders import query_text, wrong_query
from mockforge_plugin.engines.http.rows import json_path, value_at
from mockforge_plugin.engines.http.service import Request, Service

_NEEDS = {"url": ("at",), "cursor": ("at", "parameter"), "page": ("parameter",), "offset": ("parameter",)}


@dataclass(frozen=True, slots=True)
class Fetched:
    """A page that was fetched: its state and request, and what came."""

    state: State
    request: Request
    answer: HttpAnswer
    body: Json
    count: int


class Paging:
    """One way, as `paging:` of a configuration or query says it. Raises PluginError for one that lacks something."""

    def __init__(self, config: Mapping[str, Any], service: Service) -> None:
        self._by, self._service = config.get("by", "none"), service
        if self._by not in ("none", "link", *_NEEDS):
            raise wrong_query("`paging.by` is one of none, link, url, cursor, page, offset")
        if lacks := [key for key in _NEEDS.get(self._by, ()) if key not in config]:
            raise wrong_query(f"paging by {self._by} needs `{lacks[0]}`")
        self._at = json_path(config["at"], "paging.at") if "at" in config else None
        self._parameter, self._first, self._size = config.get("parameter", ""), config.get("first", 1), config.get("size")
        self._asks_size = query_text([(config["size_parameter"], str(self._size))]) if "size_parameter" in config and self._size else ""

    def request(self, first: Request, state: State) -> Request:
        """The request for a page, made of the first one's."""
        if state is not None and self._by in ("link", "url"):
            return replace(first, target=str(state))
        asks = [self._asks_size] if self._asks_size else []
        if self._by in ("page", "offset"):
            state = (self._first if self._by == "page" else 0) if state is None else state
        if state is not None and self._parameter:
            asks.append(query_text([(self._parameter, str(state))]))
        mark = "&" if "?" in first.target else "?"
        return replace(first, target=f"{first.target}{mark}{'&'.join(asks)}") if asks else first

    def following(self, page: Fetched) -> State:
        """The state of the page after this one, or None where it is the last. Raises PluginError for a link that leads elsewhere."""
        if self._by in ("link", "url", "cursor"):
            found = _next_link(page.answer) if self._by == "link" else self._found(page.body)
            return found if found is None or self._by == "cursor" else self._service.target(found, page.request)
        if self._by == "none" or not page.count or (self._size is not None and page.count < self._size):
            return None
        return (int(page.state) if page.state is not None else self._first) + 1 if self._by == "page" else int(page.state or 0) + page.count

    def _found(self, body: Json) -> str | None:
        found = value_at(self._at, body) if self._at is not None else None
        return str(found) if isinstance(found, str | int) and not isinstance(found, bool) and found != "" else None


def _next_link(answer: HttpAnswer) -> str | None:
    """The target of the first link with the relation `next` (RFC 8288 §3)."""
    for header in answer.headers.all("link"):
        for part in header.split("<")[1:]:
            target, _, attributes = part.partition(">")
            for attribute in attributes.split(";")[1:]:
                name, _, value = attribute.strip().partition("=")
                if name.strip().lower() == "rel" and "next" in value.strip(' ,"').lower().split():
                    return target.strip()
    return None
