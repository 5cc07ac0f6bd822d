"""Routes that answer with rows of a data source: `response: {data: shop.user_by_id, params: {…}, one: true}`.

A list has pages (`?limit=&cursor=`, the next one in `Link`, RFC 8288), an order (`?sort=-name,city`) and filters, as far as the query
allows them: parameters that may be left out and that the route does not give.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol
from urllib.parse import urlencode

from mockforge_asgi.config.objects import DataResponse, RouteResponse
from mockforge_asgi.config.sources.objects import NamedQuery, SourceConfig
from mockforge_asgi.errors import RequestRejected, SourceFailed
from mockforge_asgi.exact_json import Json, dumps, loads
from mockforge_asgi.http.errors import error_response
from mockforge_asgi.http.exchange import Exchange
from mockforge_asgi.http.responses import BODILESS, MockResponse, TemplateResponse
from mockforge_asgi.plugins.registry import LoadedPlugins
from mockforge_asgi.sources.records import json_numbers, records
from mockforge_asgi.text import is_template
from mockforge_asgi.types import Headers

_PAGING: Final = frozenset({"limit", "cursor", "sort"})
_EXPRESSION: Final = re.compile(r"\s*\{\{-?((?:[^{}\"']|\"[^\"]*\"|'[^']*')*?)-?\}\}\s*", re.DOTALL)
_TAGS: Final = re.compile(r"(\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\})", re.DOTALL)
_COUNT: Final = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)


class DataServices(Protocol):
    """What data routes stand on."""

    @property
    def sources(self) -> Mapping[str, SourceConfig]:
        """The configured sources."""
        ...

    async def render(self, exchange: Exchange, response: TemplateResponse) -> MockResponse:
        """A template, rendered."""
        ...

    async def query(self, source: str, query: str | NamedQuery, params: Mapping[str, Json], **options: Any) -> dict[str, Json]:
        """Rows of a query, named or made."""
        ...


def params_template(params: Mapping[str, Json]) -> str:
    """The template that makes a JSON object of those parameters that are templates; "" without any.

    A value that is one expression keeps its type, and is left out where it is not defined.
    """
    parts = []
    for name, value in params.items():
        if isinstance(value, str) and is_template(value):
            found, key = _EXPRESSION.fullmatch(value), dumps(name).decode()
            if found:
                parts.append(f"{{% if ({found[1]}) is defined %}}{key}: {{{{ ({found[1]}) | json }}}},{{% endif %}}")
            else:
                texts = (text if is_template(text) else dumps(text).decode()[1:-1] for text in _TAGS.split(value))
                parts.append(f'{key}: "{"".join(texts)}",')
    return "{ " + "".join(parts) + '"": null}' if parts else ""


@dataclass(frozen=True, slots=True)
class DataPlan:
    """The response of one data route. `template` is the name of what `params_template` made; empty without."""

    asked: DataResponse
    status: int
    headers: Headers
    template: str
    services: DataServices | None

    @classmethod
    def of(cls, response: RouteResponse, headers: Headers, template: str, services: DataServices | None) -> DataPlan:
        """The plan of a route's response."""
        assert isinstance(response.value, DataResponse)
        return cls(response.value, response.status, headers, template if params_template(response.value.params) else "", services)

    def respond(self, exchange: Exchange, loaded: LoadedPlugins) -> Awaitable[MockResponse]:
        """See Plan."""
        assert self.services is not None, "routes that are only looked at are not asked"
        return self._respond(exchange, self.services)

    async def _respond(self, exchange: Exchange, services: DataServices) -> MockResponse:
        asked = self.asked
        query = services.sources[asked.source].queries[asked.query]
        exchange.answered_by = f"data {asked.source}.{asked.query}"
        params = {name: value for name, value in asked.params.items() if not (isinstance(value, str) and is_template(value))}
        if self.template:
            rendered = loads((await services.render(exchange, TemplateResponse(template=self.template))).body)
            params |= {name: value for name, value in rendered.items() if name}
        is_list = not (asked.one or query.write)
        if is_list:
            params = {**filters(exchange, query, asked.params), **params}
        params = {name: value for name, value in params.items() if value is not None or query.params[name].is_required}
        if missing := [name for name, about in query.params.items() if about.is_required and name not in params]:
            what = f"query {query.name!r}: the request gives no {missing[0]!r}"
            raise SourceFailed("invalid_input", what, asked.source, query.name, details={"parameter": missing[0]})
        options = paging(exchange, query) if is_list else {} if query.write else {"limit": 2}
        with exchange.watched():
            result = await services.query(asked.source, asked.query, params, count=asked.total and is_list, **options)
        return self._one(result) if asked.one else self._list(exchange, result)

    def _one(self, result: dict[str, Json]) -> MockResponse:
        rows = records(result, json_numbers)
        if len(rows) > 1:
            what = f"query {self.asked.query!r} of data source {self.asked.source!r} gave several rows, and the route's response is one"
            raise SourceFailed("bad_data", what, self.asked.source, self.asked.query, status=500)
        if not rows and not result.get("affected"):
            return error_response(404, "there is nothing of that kind here")
        return self._made(rows[0] if rows else {"affected": result["affected"]}, ())

    def _list(self, exchange: Exchange, result: dict[str, Json]) -> MockResponse:
        if "affected" in result and not result["columns"]:
            return self._made({"affected": result["affected"]}, ())
        extra = link_to_next(exchange, result.get("next"))
        if "total" in result:
            extra += ((b"x-total-count", str(result["total"]).encode()),)
        return self._made(records(result, json_numbers), extra)

    def _made(self, value: Any, extra: Headers) -> MockResponse:
        headers = (*self.headers, *extra)
        if self.status in BODILESS:
            return MockResponse(self.status, headers)
        if not any(name == b"content-type" for name, _ in headers):
            headers = ((b"content-type", b"application/json"), *headers)
        return MockResponse(self.status, headers, dumps(value))


def link_to_next(exchange: Exchange, cursor: str | None) -> Headers:
    """The address of the next page, if there is one, as a header."""
    if cursor is None:
        return ()
    kept = [(name, value) for name, value in exchange.snapshot.query if name != "cursor"]
    return ((b"link", f'<?{urlencode([*kept, ("cursor", cursor)])}>; rel="next"'.encode()),)


def filters(exchange: Exchange, query: NamedQuery, given: Mapping[str, Json]) -> dict[str, Json]:
    """Parameters that the request's query gives: such as may be left out, and that the route does not give."""
    found: dict[str, Json] = {}
    for name, about in query.params.items():
        values = [value for key, value in exchange.snapshot.query if key == name]
        if values and not about.is_required and name not in given and name not in _PAGING:
            found[name] = values if about.type.endswith("[]") else values[0]
    return found


def paging(exchange: Exchange, query: NamedQuery) -> dict[str, Any]:
    """The page and the order that the request asks for. Raises RequestRejected."""
    sent: dict[str, str] = {}
    for name, value in exchange.snapshot.query:
        if name in _PAGING:
            sent.setdefault(name, value)
    options: dict[str, Any] = {"cursor": sent["cursor"]} if "cursor" in sent else {}
    if "limit" in sent:
        if not _COUNT.fullmatch(sent["limit"]):
            raise RequestRejected(400, "limit must be a number of rows, 1 or more")
        options["limit"] = int(sent["limit"])
    if query.sort and "sort" in sent:
        order: Sequence[str] = sent["sort"].split(",")
        options["order"] = order
    return options
