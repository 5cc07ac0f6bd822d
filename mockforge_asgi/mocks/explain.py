"""Which route answers a request and why not another, or why none does: in words, for developers."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import SequenceMatcher
from functools import lru_cache
from typing import Final

from mockforge_asgi.http.json_body import JsonBody
from mockforge_asgi.http.snapshot import RequestSnapshot
from mockforge_asgi.mocks.plans import PlannedRoute, Routes
from mockforge_asgi.routing.pattern import PathPattern

LOOKED_AT: Final = 400
"""How many routes are compared with the path, at most; each costs some microseconds."""
TOLD: Final = 5
_MOST_OTHERS: Final = 20
_LONGEST: Final = 300
_CLOSE: Final = 0.6
_COMPARED: Final = 48
"""How much of a segment is compared, in characters: the time grows with its square, and the path is the client's."""


def explain(index: Routes, request: RequestSnapshot, body: JsonBody | None = None) -> str:
    """Several lines: what was asked, which routes were near, and what each of them wants instead."""
    lines = [f"No route answers {request.method} {request.path[:_LONGEST]}."]
    if not index.routes:
        return f"{lines[0]}\nNo routes are configured: add some under `routes:`."
    lines += _here(index, request, body) or _near(index, request.match_path)
    return "\n".join(lines)


def decide(index: Routes, request: RequestSnapshot, body: JsonBody) -> str:
    """Several lines: the route that answers, its parameters, and what speaks against each other one with this path."""
    found = index.match(request, body)
    if not isinstance(found, tuple):
        return explain(index, request, body)
    route, parameters = found
    lines = [f"{_show(route)} answers {request.method} {request.path[:_LONGEST]}."]
    if parameters:
        lines.append("  Parameters: " + ", ".join(f"{name} = {value!r}" for name, value in parameters.items()))
    others = [other for other in index.routes if other is not route and other.pattern.match(request.match_path) is not None]
    lines += [f"  Not {_show(other)}: {_against(other, route, request, body)}." for other in others[:_MOST_OTHERS]]
    if len(others) > _MOST_OTHERS:
        lines.append(f"  … and {len(others) - _MOST_OTHERS} more with this path.")
    elsewhere = len(index.routes) - 1 - len(others)
    return "\n".join([*lines, f"  {elsewhere} more have another path."] if elsewhere else lines)


def _against(route: PlannedRoute, chosen: PlannedRoute, request: RequestSnapshot, body: JsonBody) -> str:
    """Why the chosen route answers and this one with the same path does not."""
    rank, best = route.method_rank(request.method), chosen.method_rank(request.method)
    if rank is None or best is None:
        return "another method"
    reasons = [matcher.why_not(request, body) for matcher in route.matchers if not matcher.holds(request, body)]
    if reasons:
        return "; ".join(reasons)
    if route.pattern.specificity != chosen.pattern.specificity:
        return "its path is less specific"
    if len(route.matchers) != len(chosen.matchers):
        return "it has fewer conditions"
    return "it serves this method less directly" if rank > best else "it is written later"


def _here(index: Routes, request: RequestSnapshot, body: JsonBody | None) -> list[str]:
    """Routes whose path fits: another method, or a matcher that does not hold."""
    lines = []
    for route in _candidates(index, request.match_path):
        if route.pattern.match(request.match_path) is None:
            continue
        if route.method_rank(request.method) is None:
            lines.append(f"{_show(route)} has this path, but not this method.")
            continue
        reasons = [
            m.why_not(request, body) for m in route.matchers if (body is not None or not m.needs_body) and not m.holds(request, body)
        ]
        reasons += ["its body matcher was not tried"] if body is None and route.needs_body and not reasons else []
        if reasons:
            lines.append(f"{_show(route)} is near: {'; '.join(reasons)}.")
    return lines[:TOLD]


def _near(index: Routes, path: str) -> list[str]:
    path = path[:_LONGEST]
    for twin in (path.rstrip("/"), f"{path}/"):
        route = None if twin == path else index.at(twin)
        if route is not None:
            return [f"{_show(route)} would answer {twin}: the paths differ by the final '/'."]
    scored = sorted(
        ((_likeness(route.pattern, path), n, route) for n, route in enumerate(_candidates(index, path))), key=lambda s: (-s[0], s[1])
    )
    near = [f"Did you mean {_show(route)}?" for score, _, route in scored[:TOLD] if score >= _CLOSE]
    return near or [f"Nothing is near among {len(index.routes)} routes."]


def _candidates(index: Routes, path: str) -> Iterator[PlannedRoute]:
    """Routes that begin like the path first, then the others, up to a number."""
    first = path[1:].partition("/")[0]
    alike = [route for route in index.routes if route.pattern.segments[0].literal in (first, None)]
    others = [route for route in index.routes if route.pattern.segments[0].literal not in (first, None)]
    yield from [*alike, *others][:LOOKED_AT]


def _likeness(pattern: PathPattern, path: str) -> float:
    """How near a path is to a pattern: 1 is a match, 0 has nothing in common."""
    segments = path[1:].split("/")
    score = 0.0
    for wanted, found in zip(pattern.segments, segments, strict=False):
        if wanted.literal is not None:
            score += _ratio(wanted.literal[:_COMPARED], found[:_COMPARED])
        else:
            score += 0.8 if wanted.is_many or wanted.match(found) is not None else 0.3
    return score / max(len(segments), len(pattern.segments))


@lru_cache(maxsize=1024)
def _ratio(wanted: str, found: str) -> float:
    return SequenceMatcher(None, wanted, found, autojunk=False).ratio()


def _show(route: PlannedRoute) -> str:
    return f"{route} ({route.source})" if route.source else str(route)
