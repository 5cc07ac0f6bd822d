"""Which route answers a request, asked on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from mockforge_asgi.cli.routes import Question, decided, listed
from mockforge_asgi.config import load_config
from mockforge_asgi.errors import ConfigError
from tests.cli.test_commands import run
from tests.support.plugin_packages import folder, minimal

TEXT = """\
version: 1
plugins: {auth: {use: ./hello_auth, grants: {request: {headers: [x-api-key]}, secrets: [api_keys]}}}
secrets: {api_keys: {value: k}}
protect: [{path: /users/**, auth: [auth], mode: optional}]
routes:
  - {match: {method: GET, path: "/users/{id:int}"}, response: {json: 1}}
  - {match: {method: GET, path: "/users/{name}", headers: {accept: {contains: html}}}, response: {html: a}}
  - {match: {path: "/users/**"}, response: {text: any}}
  - {match: {method: POST, path: /orders, body: {kind: big}}, response: {status: 201}}
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder(tmp_path)
    (tmp_path / "mockforge.yaml").write_text(TEXT)
    return tmp_path


@pytest.mark.parametrize(
    ("question", "words"),
    [
        (Question("get", "/users/7"), ["GET /users/{id:int}", "answers GET /users/7", "id = 7", "'accept' is missing", "less specific"]),
        (Question("GET", "/users/ada", ["Accept: text/html"]), ["GET /users/{name}", "name = 'ada'", "ANY /users/**"]),
        (Question("DELETE", "/users/7?x=1"), ["ANY /users/** ", "Not GET /users/{id:int} ", "another method", "1 more have another path"]),
        (Question("POST", "/orders", body='{"kind": "big"}'), ["POST /orders ", "answers POST /orders."]),
    ],
)
def test_the_route_that_answers_is_told_and_what_speaks_against_the_others(place: Path, question: Question, words: list[str]) -> None:
    text, is_found = decided(load_config(place / "mockforge.yaml"), question)
    assert is_found and [word for word in words if word not in text] == [], text


def test_where_none_answers_the_nearest_are_told(place: Path) -> None:
    text, is_found = decided(load_config(place / "mockforge.yaml"), Question("POST", "/orders", body='{"kind": "small"}'))
    assert not is_found and "the body's kind is not" in text


def test_who_is_asked_before_is_told(place: Path) -> None:
    text, _ = decided(load_config(place / "mockforge.yaml"), Question("GET", "/users/7"))
    assert "Before it, auth is asked: auth (mode optional, by the rule for /users/**)." in text


@pytest.mark.parametrize(("priority", "is_asked"), [("", True), (", priority: 5", False), (", priority: 2", True)])
def test_a_plugin_that_is_asked_about_every_request_is_told(tmp_path: Path, priority: str, is_asked: bool) -> None:
    folder(tmp_path, {"plugin.yaml": minimal("every", kinds="[response]"), "plugin.py": ""})
    routes = "[{match: {path: /a}, response: {text: a}}]"
    (tmp_path / "mockforge.yaml").write_text(f"version: 1\nplugins: {{every: {{use: ./hello_auth{priority}}}}}\nroutes: {routes}\n")
    text, _ = decided(load_config(tmp_path / "mockforge.yaml"), Question("GET", "/a"))
    assert ("Before it, plugin every is asked" in text) is is_asked


@pytest.mark.parametrize(
    ("question", "words"), [(Question("GET", "users"), "does not begin with"), (Question("GET", "/", ["x"]), "no colon")]
)
def test_what_is_no_request_is_told(place: Path, question: Question, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        decided(load_config(place / "mockforge.yaml"), question)


def test_all_routes_are_listed(place: Path) -> None:
    text = listed(load_config(place / "mockforge.yaml"))
    assert text.splitlines()[1].split()[:4] == ["GET", "/users/{id:int}", "json", "optional"]
    assert "mockforge.yaml:6 routes[0]" in text


def test_the_command_says_by_its_exit_code_whether_there_is_one(place: Path) -> None:
    found, none = run("routes", "GET", "/users/7", "-H", "Accept: */*", cwd=place), run("routes", "GET", "/none", cwd=place)
    assert (found.returncode, found.stderr) == (0, "") and "answers GET /users/7" in found.stdout
    assert none.returncode == 1 and "No route answers GET /none." in none.stdout
    assert run("routes", "GET", cwd=place).returncode == 2
    assert "/users/{name}" in run("routes", "--file", str(place), cwd=place.parent).stdout
