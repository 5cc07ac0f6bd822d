"""What finding a route costs, from 1 to 10,000 of them: fixed paths, templates, misses, and a lookup with its ready answer.

Half of the routes of each case are fixed paths, half have a parameter. Each value is the mean time of one request's match.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from time import perf_counter

from benchmarks.figures import Figure, Turn, compare, summary
from benchmarks.in_process import receive, scope, send
from mockforge_asgi.config.objects import RouteConfig, RouteMatch, RouteResponse
from mockforge_asgi.http.exchange import Exchange
from mockforge_asgi.mocks.plans import Routes
from mockforge_asgi.mocks.responders import RouteResponder
from mockforge_asgi.mocks.routes import build_routes

SIZES = (1, 100, 10_000)
PATHS = {"fixed": "/api/r0/items", "template": "/shop/r0/items/42", "miss": "/shop/nothing/here"}
AGAINST = {f"{name}/{size}": f"{name}/1" for name in (*PATHS, "answer") for size in SIZES[1:]}


def routes(count: int) -> Routes:
    """That many fixed routes, and as many with a parameter."""
    answer = RouteResponse("json", {"status": "ok"})
    fixed = (RouteConfig(RouteMatch(f"/api/r{n}/items", ("GET",)), answer) for n in range(count))
    templates = (RouteConfig(RouteMatch(f"/shop/r{n}/items/{{id}}", ("GET",)), answer) for n in range(count))
    return build_routes([*fixed, *templates])


def matching(index: Routes, path: str) -> Callable[[], object]:
    """One look at the index."""
    snapshot = Exchange(scope(path), receive, send).snapshot
    return lambda: index.match(snapshot)


def answering(index: Routes) -> Callable[[], object]:
    """A lookup and the answer it has ready, an exchange made before."""
    responder, exchange = RouteResponder(index), Exchange(scope(PATHS["fixed"]), receive, send)

    def once() -> object:
        exchange.matched_route = None
        return responder.respond(exchange)

    return once


def timed(call: Callable[[], object], calls: int) -> float:
    """Nanoseconds of one call, as the mean."""
    begun = perf_counter()
    for _ in range(calls):
        call()
    return (perf_counter() - begun) / calls * 1e9


async def run(quick: bool) -> AsyncIterator[Figure]:
    """All cases in turns; the ratios are to one route of each sort."""
    calls, turns = (5_000, 3) if quick else (100_000, 9)
    cases: dict[str, Callable[[], object]] = {}
    for size in SIZES:
        index = routes(size)
        cases |= {f"{name}/{size}": matching(index, path) for name, path in PATHS.items()}
        cases[f"answer/{size}"] = answering(index)
    seen: dict[str, list[Turn]] = {name: [] for name in cases}
    for turn in range(turns + 1):
        for name, call in cases.items():
            value = timed(call, calls)
            if turn:  # the first turn warms up
                seen[name].append(Turn(value))
    figures = [
        Figure(bench="routes", case=name, value=summary(s).value, unit="ns", conditions={"calls": calls}) for name, s in seen.items()
    ]
    for figure in compare(figures, AGAINST):
        yield figure
