"""What is printed when the server listens."""

from __future__ import annotations

import pytest

from mockforge_asgi.cli.banner import MOST_ROUTES, banner, base_url
from mockforge_asgi.config import load_config
from mockforge_asgi.plugins.consistency import CheckReport


@pytest.mark.parametrize(
    ("host", "port", "is_tls", "url"),
    [
        ("127.0.0.1", 8000, False, "http://127.0.0.1:8000"),
        ("127.0.0.1", 80, False, "http://127.0.0.1"),
        ("localhost", 443, True, "https://localhost"),
        ("0.0.0.0", 8000, False, "http://127.0.0.1:8000"),
        ("::", 8000, False, "http://[::1]:8000"),
        ("::1", 8000, True, "https://[::1]:8000"),
    ],
)
def test_the_url_is_one_to_click(host: str, port: int, is_tls: bool, url: str) -> None:
    assert base_url(host, port, is_tls=is_tls) == url


def test_routes_are_urls_with_what_answers_and_who_guards() -> None:
    config = load_config(
        {
            "version": 1,
            "plugins": {"a": {"use": "./a"}, "g": {"use": "./g"}},
            "protect": [{"path": "/hello/**", "auth": "a"}],
            "routes": [
                {"match": {"method": ["GET", "POST"], "path": "/hello/{name}"}, "response": {"plugin": "g"}},
                {"match": {"path": "/h"}, "response": {"text": "x"}},
            ],
        }
    )
    lines = banner(config, CheckReport({}, {}), "http://x", host="0.0.0.0").splitlines()
    assert lines[1] == "Listening on http://x (Ctrl+C stops)"
    assert "every address" in lines[2]
    assert [line.split() for line in lines[3:]] == [
        ["GET|POST", "http://x/hello/{name}", "plugin", "g", "needs", "a"],
        ["ANY", "http://x/h", "text"],
    ]


def test_many_routes_are_cut_short() -> None:
    routes = [{"match": {"path": f"/r{i}"}, "response": {"text": "x"}} for i in range(MOST_ROUTES + 5)]
    text = banner(load_config({"version": 1, "routes": routes}), CheckReport({}, {}), "http://x", host="127.0.0.1")
    assert text.endswith("… and 5 more routes")


def test_the_guard_is_the_one_that_decides() -> None:
    config = load_config(
        {
            "version": 1,
            "plugins": {"a": {"use": "./a"}, "b": {"use": "./b"}},
            "protect": [
                {"path": "/**", "auth": "a"},
                {"path": "/open/**", "auth": "b", "mode": "optional"},
                {"path": "/forms/**", "auth": "b", "methods": ["POST"]},
            ],
            "routes": [
                {"match": {"method": "GET", "path": "/open/x"}, "response": {"text": "x"}},
                {"match": {"method": ["GET", "POST"], "path": "/forms/x"}, "response": {"text": "x"}},
                {"match": {"path": "/forms/y"}, "response": {"text": "x"}},
            ],
        }
    )
    lines = banner(config, CheckReport({}, {}), "http://x", host="127.0.0.1").splitlines()[2:]
    assert [line.split("text  ")[1] for line in lines] == [
        "optional b",
        "needs a (GET); needs b (POST)",
        "needs a (GET|PUT|PATCH|DELETE); needs b (POST)",
    ]
