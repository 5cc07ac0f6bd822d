"""The compiler of `routes:`: each entry of the configuration as a route with its pattern, matchers and plan, all that is wrong at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType

from mockforge_asgi.config.objects import ResourceResponse, RouteConfig, RouteMatch
from mockforge_asgi.config.parsing.locations import Path
from mockforge_asgi.config.sources.objects import SourceConfig
from mockforge_asgi.errors import ConfigError, Problem
from mockforge_asgi.http.headers import BadHeader, wire_headers
from mockforge_asgi.http.media_type import MediaType
from mockforge_asgi.http.responses import MockResponse, TemplateResponse
from mockforge_asgi.mocks.data import DataPlan, DataServices, params_template
from mockforge_asgi.mocks.plans import PlannedRoute, RoutePlan, Routes
from mockforge_asgi.mocks.resources.of_source import SourceCollection
from mockforge_asgi.mocks.resources.plan import ResourcePlan, item_pattern
from mockforge_asgi.mocks.static import ResponseError, plan_of
from mockforge_asgi.routing.index import Route, RouteIndex
from mockforge_asgi.routing.matchers import BodyMatcher, Matcher, MatcherError, field_matcher
from mockforge_asgi.routing.pattern import PatternError, parse
from mockforge_asgi.text import is_template
from mockforge_asgi.types import Headers, Json


def build_routes(
    routes: Iterable[RouteConfig], data: DataServices | None = None, *, sources: Mapping[str, SourceConfig] = MappingProxyType({})
) -> Routes:
    """The index of those routes; `data` serves those that answer out of sources, `sources` are for routes that are only looked at.

    Raises ConfigError with the faults of all of them.
    """
    known = sources if data is None else data.sources
    made: list[PlannedRoute] = []
    problems: list[Problem] = []
    for position, entry in enumerate(routes):
        try:
            made += _resource_routes(entry, position, data, known) if entry.response.kind == "resource" else [_route(entry, position, data)]
        except (PatternError, MatcherError, ResponseError) as error:
            problems.append(Problem(_place(entry, position), str(error)))
    index = RouteIndex(made)
    problems += [
        Problem(later.source, f"{later} can never answer: {earlier.source} asks for just the same.", "Remove one, or add a matcher.")
        for later, earlier in index.duplicates()
    ]
    if problems:
        raise ConfigError("the routes cannot be used", problems)
    return index


def inline_templates(routes: Iterable[RouteConfig]) -> dict[str, str]:
    """Every `template_text`, every header and parameter that is a template, by the name that its route's plan asks for."""
    texts = {inline_name(entry, position): str(entry.response.value) for position, entry in _with_template(routes)}
    texts |= {name: text for name, (text, _) in _params_templates(routes).items()}
    return texts | {name: text for position, entry in enumerate(routes) for _, name, text in _header_templates(entry, position)}


def inline_paths(routes: Iterable[RouteConfig]) -> dict[str, Path]:
    """Where those templates stand in the configuration."""
    paths: dict[str, Path] = {
        inline_name(entry, position): ("routes", position, "response", "template_text") for position, entry in _with_template(routes)
    }
    paths |= {name: path for name, (_, path) in _params_templates(routes).items()}
    for position, entry in enumerate(routes):
        paths |= {name: ("routes", position, "response", "headers", header) for header, name, _ in _header_templates(entry, position)}
    return paths


def _header_templates(entry: RouteConfig, position: int) -> list[tuple[str, str, str]]:
    """The headers of a route that are templates: header, name of the template, text."""
    pairs = enumerate(entry.response.headers)
    return [(header, f"routes[{position}].headers[{n}].txt", text) for n, (header, text) in pairs if is_template(text)]


def _with_template(routes: Iterable[RouteConfig]) -> Iterator[tuple[int, RouteConfig]]:
    return ((position, entry) for position, entry in enumerate(routes) if entry.response.kind == "template_text")


def inline_name(entry: RouteConfig, position: int) -> str:
    """The name of a route's own template; its suffix tells the content type, from the route's header or else from the text."""
    declared = next((value for name, value in entry.response.headers if name.lower() == "content-type"), "")
    kind, text = MediaType.of(declared), str(entry.response.value).lstrip()
    looks_like_json = not declared and text[:1] in ("{", "[") and text[:2] not in ("{{", "{%", "{#")
    suffix = "json" if kind.is_json or looks_like_json else "html" if kind.name == "text/html" else "xml" if kind.is_xml else "txt"
    return f"routes[{position}].{suffix}"


def plugins_named(routes: Iterable[RouteConfig]) -> frozenset[str]:
    """The plugins that routes name for their responses."""
    return frozenset(str(entry.response.value) for entry in routes if entry.response.kind == "plugin")


def _place(entry: RouteConfig, position: int) -> str:
    return entry.place or f"routes[{position}]"


def _route(entry: RouteConfig, position: int, data: DataServices | None) -> PlannedRoute:
    return Route(
        parse(entry.match.path),
        _plan(entry, position, data),
        frozenset(method.upper() for method in entry.match.methods) or None,
        tuple(_matchers(entry.match)),
        _place(entry, position),
    )


def _resource_routes(
    entry: RouteConfig, position: int, data: DataServices | None, sources: Mapping[str, SourceConfig]
) -> Iterator[PlannedRoute]:
    """The list of a resource, and its items."""
    asked, headers = entry.response.value, _plain_headers(entry, "resource")
    assert isinstance(asked, ResourceResponse)
    query = sources[asked.source].queries.get(asked.query) if asked.source in sources else None
    if query is None or not query.key:
        raise ResponseError(f"a resource needs a query with a `key`, and {asked.source}.{asked.query} is none.")
    collection = SourceCollection(asked.source, query, _not_served if data is None else data.query)
    matchers, place = tuple(_matchers(entry.match)), _place(entry, position)
    for path, is_item in ((entry.match.path, False), (item_pattern(entry.match.path, query.key), True)):
        yield Route(parse(path), ResourcePlan(asked, query, collection, headers, is_item), None, matchers, place)


async def _not_served(*asked: object, **options: object) -> dict[str, Json]:
    raise AssertionError("routes that are only looked at are not asked")


def _plan(entry: RouteConfig, position: int, data: DataServices | None) -> RoutePlan:
    if entry.response.kind == "data":
        return _data_plan(entry, position, data)
    name = inline_name(entry, position) if entry.response.kind == "template_text" else ""
    rendered = tuple((header, template) for header, template, _ in _header_templates(entry, position))
    if not rendered:
        return plan_of(entry.response, inline_name=name)
    plain = tuple(pair for pair in entry.response.headers if not is_template(pair[1]))
    plan = plan_of(replace(entry.response, headers=plain), inline_name=name)
    if isinstance(plan, MockResponse):
        return TemplateResponse(plan.status, plan.headers, header_templates=rendered, body=plan.body, length=plan.length)
    return replace(plan, header_templates=rendered) if isinstance(plan, TemplateResponse) else plan


def _data_plan(entry: RouteConfig, position: int, data: DataServices | None) -> DataPlan:
    headers = _plain_headers(entry, "data")
    return DataPlan.of(entry.response, headers, _params_name(position), data)


def _plain_headers(entry: RouteConfig, kind: str) -> Headers:
    try:
        headers = wire_headers(entry.response.headers)
    except BadHeader as error:
        raise ResponseError(str(error)) from None
    if any(is_template(text) for _, text in entry.response.headers):
        raise ResponseError(f"headers of a response with `{kind}` cannot be templates. Write a template that asks for the data.")
    return headers


def _params_name(position: int) -> str:
    return f"routes[{position}].params.json"


def _params_templates(routes: Iterable[RouteConfig]) -> dict[str, tuple[str, Path]]:
    """The templates of data routes' parameters by name: text, place."""
    found = ((position, entry.response.value) for position, entry in enumerate(routes) if entry.response.kind == "data")
    made = ((position, params_template(value.params)) for position, value in found)
    return {_params_name(position): (text, ("routes", position, "response", "params")) for position, text in made if text}


def _matchers(match: RouteMatch) -> Iterator[Matcher]:
    yield from (field_matcher("header", name, condition) for name, condition in match.headers.items())
    yield from (field_matcher("query", name, condition) for name, condition in match.query.items())
    yield from (BodyMatcher.of(path, value) for path, value in match.body.items())
