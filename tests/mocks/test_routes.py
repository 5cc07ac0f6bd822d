"""The `routes:` of a configuration become an index; every fault is told at once."""

from __future__ import annotations

from urllib.parse import unquote

import pytest

from mockforge_asgi.config import load_config
from mockforge_asgi.config.objects import RouteConfig, RouteMatch, RouteResponse
from mockforge_asgi.errors import ConfigError
from mockforge_asgi.http.json_body import JsonBody
from mockforge_asgi.http.responses import MockResponse
from mockforge_asgi.http.snapshot import RequestSnapshot
from mockforge_asgi.mocks.routes import build_routes, inline_name, inline_paths, inline_templates, plugins_named
from mockforge_asgi.routing.index import NEEDS_BODY
from tests.support.template_rendering import exchange

OK = RouteResponse("text", "ok")


def test_configured_routes_answer() -> None:
    config = load_config(
        {
            "version": 1,
            "routes": [
                {"match": {"method": "get", "path": "/a/{x}"}, "response": {"json": {"n": 1}}},
                {
                    "match": {"method": ["PUT", "POST"], "path": "/a/{x}", "headers": {"x-a": {"regex": "[0-9]+"}}},
                    "response": {"text": "matched"},
                },
                {"match": {"path": "/b", "query": {"q": True}, "body": {"k": 1}}, "response": {"text": "body"}},
            ],
        }
    )
    index = build_routes(config.routes)
    found = index.match(exchange("/a/5").snapshot)
    assert found not in (None, NEEDS_BODY)
    assert str(index.at("/a/5")) == "GET /a/{x}"
    assert index.match(exchange("/a/5", method="POST").snapshot) is None
    matched = index.match(exchange("/a/5", method="POST", headers={"x-a": "12"}).snapshot)
    assert matched is not None and matched is not NEEDS_BODY
    assert isinstance(matched[0].plan, MockResponse) and matched[0].plan.body == b"matched"
    assert index.match(exchange("/b?q").snapshot) is NEEDS_BODY
    assert index.match(exchange("/b").snapshot) is None
    assert index.match(exchange("/b?q").snapshot, JsonBody(b'{"k": 1}')) is not None


def test_every_fault_is_told_at_once_with_its_place() -> None:
    routes = [
        RouteConfig(RouteMatch("/{a"), OK, place="m.yaml:1 routes[0]"),
        RouteConfig(RouteMatch("/a", query={"q": {"regex": "("}}), OK, place="m.yaml:5 routes[1]"),
        RouteConfig(RouteMatch("/b"), RouteResponse("base64", "?"), place="m.yaml:9 routes[2]"),
        RouteConfig(RouteMatch("/c", ("GET",)), OK, place="m.yaml:13 routes[3]"),
        RouteConfig(RouteMatch("/c", ("GET",)), OK, place="m.yaml:17 routes[4]"),
    ]
    with pytest.raises(ConfigError) as caught:
        build_routes(routes)
    assert [p.place for p in caught.value.problems] == [r.place for r in (routes[0], routes[1], routes[2], routes[4])]
    assert "m.yaml:13" in caught.value.problems[3].what


@pytest.mark.parametrize(
    ("text", "content_type", "name"),
    [
        ('{"a": {{ x }}}', "", "routes[7].json"),
        (" [1]", "", "routes[7].json"),
        ("{{ x }}", "", "routes[7].txt"),
        ("{% if x %}{% endif %}", "", "routes[7].txt"),
        ("hello", "", "routes[7].txt"),
        ('{"a": 1}', "text/plain", "routes[7].txt"),
        ("{{ x }}", "application/json; charset=utf-8", "routes[7].json"),
        ("{{ x }}", "text/html", "routes[7].html"),
        ("{{ x }}", "application/problem+json", "routes[7].json"),
        ("{{ x }}", "Application/Vnd.Api+JSON;profile=a", "routes[7].json"),
        ("{{ x }}", "text/json", "routes[7].json"),
        ("{{ x }}", "application/atom+xml; charset=utf-8", "routes[7].xml"),
        ("{{ x }}", "image/svg+xml", "routes[7].xml"),
        ('{"a": 1}', "application/json+zip", "routes[7].txt"),
        ('{"a": 1}', "application/x-ndjson", "routes[7].txt"),
    ],
)
def test_a_routes_own_template_is_named_by_its_content_type(text: str, content_type: str, name: str) -> None:
    headers = (("Content-Type", content_type),) if content_type else ()
    entry = RouteConfig(RouteMatch("/"), RouteResponse("template_text", text, headers=headers))
    assert inline_name(entry, 7) == name


def test_inline_templates_and_named_plugins_are_collected() -> None:
    routes = [
        RouteConfig(RouteMatch("/a"), RouteResponse("template_text", "{{ x }}")),
        RouteConfig(RouteMatch("/b"), RouteResponse("plugin", "greet")),
        RouteConfig(RouteMatch("/c"), OK),
    ]
    assert inline_templates(routes) == {"routes[0].txt": "{{ x }}"}
    assert inline_paths(routes) == {"routes[0].txt": ("routes", 0, "response", "template_text")}
    assert plugins_named(routes) == {"greet"}


@pytest.mark.parametrize(
    ("pattern", "raw", "params"),
    [
        ("/p/{id}/issues", "/p/grp%2Fapp/issues", {"id": "grp/app"}),
        ("/p/{id}/issues", "/p/grp%2fa%20pp/issues", {"id": "grp/a pp"}),
        ("/p/{id}/issues", "/p/grp/app/issues", None),
        ("/p/{a}/{b}/issues", "/p/grp%2Fapp/issues", None),
        ("/p/*/issues", "/p/grp%2Fapp/issues", {}),
        ("/p/{id}.json", "/p/grp%2Fapp.json", {"id": "grp/app"}),
        ("/p/x*", "/p/x%2Fapp", {}),
        ("/p/v{n:int}", "/p/v1%2F2", None),
        ("/p/{n:int}", "/p/1%2F2", None),
        ("/p/{rest:path}", "/p/a/b%2Fc", {"rest": "a/b/c"}),
        ("/p/**/z", "/p/a%2Fb/z", {}),
        ("/p/**/z", "/p/a%2Fz", None),
        ("/a/b", "/a%2Fb", None),
        ("/{whole}", "/a%2Fb", {"whole": "a/b"}),
        ("/{whole}", "/https%3A%2F%2Fexample.com%2Fx", {"whole": "https://example.com/x"}),
        ("/p/{id}", "/p/%EF%B7%90", {"id": "\ufdd0"}),
    ],
)
@pytest.mark.parametrize("root", ["", "/mounted"])
def test_an_encoded_slash_is_data_of_its_segment(pattern: str, raw: str, params: dict[str, str] | None, root: str) -> None:
    index = build_routes([RouteConfig(RouteMatch(pattern), RouteResponse("text", "x"))])
    scope = {"type": "http", "method": "GET", "path": root + unquote(raw), "raw_path": raw.encode(), "root_path": root, "headers": []}
    found = index.match(RequestSnapshot(scope))
    assert (found[1] if isinstance(found, tuple) else None) == params
    assert bool(index.methods_at(RequestSnapshot(scope).match_path)) is (params is not None)


def test_a_resource_has_a_route_for_its_list_and_one_for_its_items() -> None:
    query = {"from": "logs", "key": ["shop", "day of month"]}
    routes = [{"match": {"path": "/logs"}, "response": {"resource": "s.logs"}}]
    config = load_config({"version": 1, "sources": {"s": {"use": "./s", "queries": {"logs": query}}}, "routes": routes, "dev": True})
    index = build_routes(config.routes, sources=config.sources)
    assert [route.pattern.text for route in index.routes] == ["/logs", "/logs/{key_shop}/{key_day_20_of_20_month}"]
    with pytest.raises(ConfigError, match="a resource needs a query with a `key`, and s.logs is none"):
        build_routes(config.routes)
