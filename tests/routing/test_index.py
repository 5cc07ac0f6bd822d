"""The route index against a list searched from its beginning."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mockforge_asgi.http.json_body import JsonBody
from mockforge_asgi.routing.index import NEEDS_BODY, Params, Route, RouteIndex, _candidates
from mockforge_asgi.routing.matchers import BodyMatcher, Matcher, field_matcher
from mockforge_asgi.routing.pattern import PatternError, parse
from tests.support.request_snapshots import Request


def index(*routes: tuple[str, str], matchers: dict[int, tuple[Matcher, ...]] | None = None) -> RouteIndex[int]:
    """An index of ("GET|POST" or "*", pattern); each answers with its position."""
    return RouteIndex(
        Route(parse(path), n, None if methods == "*" else frozenset(methods.split("|")), (matchers or {}).get(n, ()))
        for n, (methods, path) in enumerate(routes)
    )


def answer(found: RouteIndex[int], method: str, path: str, **request: tuple[tuple[str, str], ...]) -> int | None:
    """The position of the route that answers."""
    match = found.match(Request(method, path, **request))
    assert match is not NEEDS_BODY
    return None if match is None else match[0].plan


@pytest.mark.parametrize(
    ("routes", "method", "path", "expected"),
    [
        ([("GET", "/a/{x}"), ("GET", "/a/b")], "GET", "/a/b", 1),
        ([("GET", "/a/{x}"), ("GET", "/a/{x:int}")], "GET", "/a/1", 1),
        ([("GET", "/a/{x}"), ("GET", "/a/{x:int}")], "GET", "/a/b", 0),
        ([("GET", "/a/**"), ("GET", "/a/{x}")], "GET", "/a/b", 1),
        ([("GET", "/a/{x}/c"), ("GET", "/a/b/{y}")], "GET", "/a/b/c", 1),
        ([("GET", "/{x}"), ("GET", "/v{x}"), ("GET", "/ve{x}")], "GET", "/verse", 2),
        ([("GET", "/a/b"), ("*", "/a/{x}")], "POST", "/a/b", 1),
        ([("*", "/a"), ("GET", "/a")], "GET", "/a", 1),
        ([("GET", "/a/**"), ("GET", "/a/**/z"), ("GET", "/a/**/y/z")], "GET", "/a/x/y/z", 2),
        ([("GET", "/a/**"), ("GET", "/a/{rest:path}")], "GET", "/a/b", 1),
        ([("GET", "/a")], "HEAD", "/a", 0),
        ([("GET", "/a"), ("HEAD", "/a")], "HEAD", "/a", 1),
        ([("*", "/**"), ("GET", "/a")], "HEAD", "/a", 1),
        ([("POST", "/a")], "HEAD", "/a", None),
        ([("GET", "/a")], "get", "/a", None),
        ([("GET", "/a"), ("GET", "/a")], "GET", "/a", 0),
        ([("OPTIONS", "/**")], "OPTIONS", "*", None),
        ([], "GET", "/", None),
    ],
)
def test_the_most_specific_route_answers(routes: list[tuple[str, str]], method: str, path: str, expected: int | None) -> None:
    assert answer(index(*routes), method, path) == expected


def test_a_route_with_more_matchers_goes_first_and_falls_through_when_they_do_not_hold() -> None:
    header = field_matcher("header", "x-a", "1")
    found = index(("GET", "/a"), ("GET", "/a"), ("GET", "/**"), matchers={1: (header,), 0: (field_matcher("query", "q", True),)})
    assert answer(found, "GET", "/a", headers=(("x-a", "1"),)) == 1
    assert answer(found, "GET", "/a", query=(("q", ""),)) == 0
    assert answer(found, "GET", "/a") == 2


def test_the_body_is_asked_for_only_when_it_decides() -> None:
    body = BodyMatcher.of("kind", "x")
    header = field_matcher("header", "x-a", "1")
    found = index(("POST", "/a"), ("POST", "/a"), ("POST", "/b"), matchers={1: (body, header)})
    assert answer(found, "POST", "/b") == 2
    assert answer(found, "POST", "/a") == 0
    request = Request("POST", "/a", headers=(("x-a", "1"),))
    assert found.match(request) is NEEDS_BODY
    assert [m[0].plan for body in (b'{"kind": "x"}', b"{}") if (m := found.match(request, JsonBody(body))) not in (None, NEEDS_BODY)] == [
        1,
        0,
    ]


def test_parameters_carry_the_names_of_the_route_that_answers() -> None:
    found = index(("GET", "/a/{id}/x"), ("GET", "/a/{name}/y"), ("GET", "/f/{rest:path}"), ("GET", "/g/*/{b:int}"))
    wanted: dict[str, Params] = {"/a/1/y": {"name": "1"}, "/f/a/b": {"rest": "a/b"}, "/g/x/7": {"b": 7}}
    for path, params in wanted.items():
        match = found.match(Request("GET", path))
        assert match is not None and match is not NEEDS_BODY
        assert match[1] == params


def test_methods_at_a_path_are_told_whatever_matchers_say() -> None:
    found = index(("GET", "/a"), ("POST", "/{x}"), ("DELETE", "/b"), matchers={0: (field_matcher("header", "x", "y"),)})
    assert found.methods_at("/a") == {"GET", "HEAD", "POST"}
    assert index(("*", "/a")).methods_at("/a") == {"*"}
    assert found.methods_at("/a/b") == frozenset()


def test_duplicates_are_found() -> None:
    header = field_matcher("header", "x-a", "1")
    found = index(("GET", "/a/{x}"), ("GET", "/a/{y}"), ("GET|POST", "/a/{x}"), ("*", "/a/{x}"), ("GET", "/a/{z}"), matchers={4: (header,)})
    assert [(later.plan, earlier.plan) for later, earlier in found.duplicates()] == [(1, 0)]


def test_a_text_is_compared_only_with_the_mixes_that_begin_like_it() -> None:
    routes = [Route(parse(f"/a/x{n}-{{id}}"), n, frozenset({"GET"})) for n in range(3000)]
    routes.append(Route(parse("/a/x7{rest}"), 3000, frozenset({"GET"})))
    found = RouteIndex(routes)
    root = found._tables["GET"].root
    assert root is not None
    assert [segment.prefix for segment, _ in _candidates(root.literals["a"], "x7-5")] == ["x7-", "x7"]
    assert _candidates(root.literals["a"], "y") == []
    match = found.match(Request("GET", "/a/x2999-5"))
    assert isinstance(match, tuple) and (match[0].plan, match[1]) == (2999, {"id": "5"})


SEGMENTS = st.sampled_from(["a", "b", "1", "a1", "", "{x}", "{x:int}", "*", "a{x}", "{x}1", "a{x}b", "ab{x}", "1{x:int}", "{x:path}", "**"])
PATTERNS = st.lists(SEGMENTS, min_size=1, max_size=4).map(
    lambda parts: "/" + "/".join(p.replace("x", f"x{i}") for i, p in enumerate(parts))
)
METHODS = st.sampled_from(["GET", "POST", "GET|POST", "HEAD", "*"])
TEXTS = st.sampled_from(["a", "b", "1", "a1", "11", "ab", "abb", "a1b", "112", ""])
PATHS = st.lists(TEXTS, min_size=1, max_size=5).map(lambda parts: "/" + "/".join(parts))
CONDITIONS = st.sampled_from(["1", True, False, {"regex": "[12]"}])


@st.composite
def route_lists(draw: st.DrawFn) -> list[Route[int]]:
    """Routes that overlap a lot."""
    routes = []
    for n in range(draw(st.integers(0, 12))):
        try:
            pattern = parse(draw(PATTERNS))
        except PatternError:
            continue
        methods = draw(METHODS)
        matchers = tuple(field_matcher("query", "q", c) for c in draw(st.lists(CONDITIONS, max_size=2)))
        routes.append(Route(pattern, n, None if methods == "*" else frozenset(methods.split("|")), matchers))
    return routes


def first(routes: list[Route[int]], request: Request) -> tuple[int, Params] | None:
    """What a plain search finds: every route tried, the best by the documented order."""
    hits = []
    for position, route in enumerate(routes):
        params, rank = route.pattern.match(request.path), route.method_rank(request.method)
        if params is not None and rank is not None and all(m.holds(request, None) for m in route.matchers):
            hits.append(((route.pattern.specificity, -len(route.matchers), rank, position), route.plan, params))
    return min(hits, key=lambda hit: hit[0])[1:] if hits else None


@settings(max_examples=400, deadline=None)
@given(
    route_lists(),
    st.lists(PATHS, min_size=1, max_size=8),
    st.sampled_from(["GET", "POST", "HEAD", "PUT"]),
    st.sampled_from(["", "1", "2", "3"]),
)
def test_the_index_finds_what_a_plain_search_finds(routes: list[Route[int]], paths: list[str], method: str, q: str) -> None:
    found = RouteIndex(routes)
    for path in paths:
        request = Request(method, path, query=(("q", q),) if q else ())
        match = found.match(request)
        assert match is not NEEDS_BODY
        assert (None if match is None else (match[0].plan, match[1])) == first(routes, request)


@settings(max_examples=200, deadline=None)
@given(route_lists(), PATHS)
def test_methods_at_agrees_with_a_plain_search(routes: list[Route[int]], path: str) -> None:
    wanted: set[str] = set()
    for route in routes:
        if route.pattern.match(path) is not None:
            wanted |= route.methods or {"*"}
    if wanted & {"GET"}:
        wanted.add("HEAD")
    assert {m for m in RouteIndex(routes).methods_at(path) if m == "*" or m in wanted} == wanted
