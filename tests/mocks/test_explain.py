"""Why nothing matched, in words."""

from __future__ import annotations

import pytest

from mockforge_asgi.config.objects import RouteConfig, RouteMatch, RouteResponse
from mockforge_asgi.mocks.explain import explain
from mockforge_asgi.mocks.routes import build_routes
from tests.support.template_rendering import exchange

OK = RouteResponse("text", "ok")
ROUTES = [
    RouteConfig(RouteMatch("/users/{id:int}", ("GET",)), OK, place="m.yaml:3"),
    RouteConfig(RouteMatch("/users", ("POST",), {"x-tenant": True}, {"page": "1"}), OK, place="m.yaml:7"),
    RouteConfig(RouteMatch("/orders/{id}/items", ("GET",)), OK),
    RouteConfig(RouteMatch("/health", ("GET",), body={"a": 1}), OK),
]


@pytest.mark.parametrize(
    ("method", "path", "words"),
    [
        ("DELETE", "/users/5", ["GET /users/{id:int} (m.yaml:3) has this path, but not this method"]),
        ("POST", "/users", ["POST /users (m.yaml:7) is near", "header 'x-tenant' is missing", "query 'page' is missing"]),
        ("GET", "/users/abc", ["Did you mean GET /users/{id:int} (m.yaml:3)?"]),
        ("GET", "/user/5", ["Did you mean GET /users/{id:int}"]),
        ("GET", "/order/5/items", ["Did you mean GET /orders/{id}/items "]),
        ("GET", "/orders/5/items/", ["would answer /orders/5/items", "final '/'"]),
        ("GET", "/completely/else", ["Nothing is near among 4 routes"]),
        ("GET", "/health", ["is near: its body matcher was not tried"]),
        ("OPTIONS", "*", ["No route answers OPTIONS *"]),
        ("GET", "", ["No route answers GET"]),
    ],
)
def test_the_nearest_routes_are_told(method: str, path: str, words: list[str]) -> None:
    told = explain(build_routes(ROUTES), exchange(path, method=method).snapshot)
    assert all(word in told for word in words), told


def test_without_routes_that_is_said() -> None:
    assert "No routes are configured" in explain(build_routes([]), exchange("/").snapshot)


def test_a_monstrous_path_among_many_routes_is_explained_all_the_same() -> None:
    routes = build_routes(RouteConfig(RouteMatch(f"/r{n}/{{x}}"), OK) for n in range(2000))
    told = explain(routes, exchange("/" + "a/" * 20_000).snapshot)
    assert len(told) < 2000


def test_of_a_long_segment_only_the_beginning_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[str] = []

    def ratio(wanted: str, found: str) -> float:
        compared.extend((wanted, found))
        return 1.0

    monkeypatch.setattr("mockforge_asgi.mocks.explain._ratio", ratio)
    routes = build_routes([RouteConfig(RouteMatch("/" + "a" * 100), OK)])
    assert "Did you mean" in explain(routes, exchange("/" + "b" * 290).snapshot)
    assert compared and max(map(len, compared)) <= 48
