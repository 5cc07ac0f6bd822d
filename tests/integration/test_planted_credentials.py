"""No credential comes out: not in a log of either format, an event, an error page, development mode's pages or a traceback.

Real servers, real requests; see `planted/credentials.py` for what is sent, and where a new plugin is added.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from mockforge_asgi.config.builtin import builtin_plugins
from mockforge_asgi.plugins.package.package import read_package
from tests.integration.planted.credentials import PLUGINS, Places, Plan, Values, writings
from tests.support.openldap import openldap
from tests.support.server_processes import Running, running_process

HERE = Path(__file__).parent / "planted"
MODES = {
    "text": ["serve", "--log-level", "debug", "--log-format", "text"],
    "json": ["serve", "--log-level", "debug", "--log-format", "json"],
    "development": ["serve", "--log-level", "debug"],
    "mounted": [],
    "sabotaged": [],
}
"""How it is served: `mockforge serve`, or mounted in an app that prints every event, where plugins may be made to fail. There the server's
own access log is off: it tells of queries as they came."""


_ECHO = "{{ request.principal | tojson }} {{ request.claims | tojson }} {{ request.raw_path }} {{ request.host }}"
"""What a template tells of the caller. One that writes out headers or the query shows them as they came: it is the operator's own."""


@dataclass
class Heard:
    """All that a server of one mode said, by whom."""

    output: str = ""
    answers: dict[str, list[str]] = field(default_factory=dict)
    statuses: dict[str, list[int]] = field(default_factory=dict)
    planted: dict[str, list[str]] = field(default_factory=dict)


def provider(places: list[str]) -> type[BaseHTTPRequestHandler]:
    """A party that is asked about tokens: knows some, and says the others back with all that came with them."""

    turns = count()

    class Asked(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the name that http.server wants
            self._answer(200, f'{{"keys": "{self.path} {self.headers}'.encode())

        def do_POST(self) -> None:  # the same
            body = self.rfile.read(int(self.headers["content-length"]))
            token = parse_qs(body.decode())["token"][0]
            if token in places:
                return self._answer(200, json.dumps({"active": True, "sub": "ada"}).encode())
            said = f"{token} {body!r} {self.headers}"
            kinds = (
                (200, json.dumps({"active": "true", "sub": said}).encode()), (500, said.encode()), (200, said.encode()),
                (200, json.dumps({"active": True, "sub": [7], "error": said, "scope": [said]}).encode()),
            )  # fmt: skip
            self._answer(*kinds[next(turns) % len(kinds)])

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Asked


def written(folder: Path, plans: dict[str, Plan], *, dev: bool) -> Path:
    """A configuration with all of them, each guarding an answer, a template that tells of the request, and a plugin that fails."""
    paths = [
        ("", {"text": "passed"}),
        ("/echo", {"template": "echo"}),
        ("/fails", {"plugin": "failing"}),
        ("/broken", {"template": "broken"}),
    ]
    config = {
        "version": 1,
        "dev": dev,
        "backoff": False,
        "plugins": {
            **{name: {"use": plan.plugin, "config": plan.config} for name, plan in plans.items()},
            "failing": {
                "use": str(HERE / "failing"), "digest": read_package(HERE / "failing").digest,
                "grants": {"request": {"headers": ["*"], "query": ["*"], "cookies": ["*"], "principal": True}},
            },
        },
        "secrets": {name: {"value": value} for plan in plans.values() for name, value in plan.secrets.items()},
        "protect": [{"path": f"/{name}/**", "auth": name} for name in plans],
        "templates": {"inline": {
            "echo": _ECHO,
            "broken": "{{ request.headers.x_missing.y.z }}{{ 1 // 0 }}",
        }},
        "routes": [
            {"match": {"path": f"/{name}{path}"}, "response": response} for name in plans for path, response in paths if path != "/none"
        ],
    }  # fmt: skip
    file = folder / "mockforge.json"
    file.write_text(json.dumps(config))
    return file


@pytest.fixture(scope="module", params=MODES)
def heard(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Heard]]:
    """What is said in one mode, after every request was sent to every plugin."""
    mode, folder = request.param, tmp_path_factory.mktemp("planted")
    accepted: list[str] = []
    asked = ThreadingHTTPServer(("127.0.0.1", 0), provider(accepted))
    threading.Thread(target=asked.serve_forever, daemon=True).start()
    try:
        with openldap(folder / "directory") as directory:
            places = Places(f"http://127.0.0.1:{asked.server_port}", directory.plain, accepted)
            found = Heard()
            plans = {}
            for name, plant in PLUGINS.items():
                values = Values()
                plans[name] = plant(values, places)
                found.planted[name] = values.planted
            file = written(folder, plans, dev=mode == "development")
            environment = {"PLANTED_CONFIG": str(file), "PLANTED_SABOTAGE": "1" if mode == "sabotaged" else ""}
            command = ["-m", "mockforge_asgi", *MODES[mode], "--port", "{port}", str(file)]
            if not MODES[mode]:
                command = [
                    "-m",
                    "uvicorn",
                    "tests.integration.planted.app:app",
                    "--port",
                    "{port}",
                    "--log-level",
                    "debug",
                    "--no-access-log",
                ]
            with running_process("planted", command, environment) as server:
                ready(server)
                for name, plan in plans.items():
                    found.answers[name], found.statuses[name] = ask(server, name, plan)
            found.output = server.output
        yield mode, found
    finally:
        asked.shutdown()
        asked.server_close()


def ready(server: Running) -> None:
    """Wait until plugins have started: some begin processes, which yield to all that a busy machine does."""
    for _ in range(8):
        with suppress(TimeoutError):
            server.get("/none")
            return


def ask(server: Running, name: str, plan: Plan) -> tuple[list[str], list[int]]:
    """Send it all; what came back, and the statuses of the first path."""
    answers, statuses = [], []
    for query, headers in (*plan.right, *plan.wrong):
        for path in ("", "/echo", "/fails", "/broken", "/none"):
            answer = server.get(f"/{name}{path}{query}", **headers)
            answers.append(f"{answer.status} {answer.headers} {answer.body.decode('utf-8', 'replace')}")
            if not path:
                statuses.append(answer.status)
    return answers, statuses


@pytest.mark.parametrize("name", PLUGINS)
def test_nothing_that_was_planted_comes_out(heard: tuple[str, Heard], name: str) -> None:
    _, found = heard
    text = "\n".join([found.output, *(answer for answers in found.answers.values() for answer in answers)])
    low = text.lower()
    leaks = [
        (value[:12], how)
        for value in found.planted[name]
        for how, writing in writings(value)
        if len(writing) > 6 and writing.lower() in low
    ]
    assert found.planted[name] and leaks == []


@pytest.mark.parametrize("name", PLUGINS)
def test_the_requests_did_what_they_were_sent_for(heard: tuple[str, Heard], name: str) -> None:
    mode, found = heard
    if mode == "sabotaged":
        assert set(found.statuses[name]) == {503}
        assert "sabotage" in found.output, "the plugins failed with a traceback"
        return
    places = Places("http://127.0.0.1:1", "ldap://127.0.0.1:1")
    rights = len(PLUGINS[name](Values(), places).right)
    assert found.statuses[name][:rights] == [200] * rights
    assert all(400 <= status for status in found.statuses[name][rights:])


def test_all_that_was_to_be_forced_was(heard: tuple[str, Heard]) -> None:
    mode, found = heard
    if mode != "sabotaged":
        assert "ValueError" in found.output and "plugin.py" in found.output
    if not MODES[mode]:
        assert "EVENT " in found.output


def test_every_built_in_auth_plugin_is_among_them() -> None:
    there = {name for name in builtin_plugins() if name.startswith("auth-")}
    values = Values()
    used = {plan(values, Places("http://127.0.0.1:1", "ldap://127.0.0.1:1")).plugin for plan in PLUGINS.values()}
    assert there - used == set(), "add them to tests/integration/planted/credentials.py"


def test_a_value_is_found_in_every_encoding() -> None:
    """The scan itself can fail."""
    value = Values().secret()
    shown = dict(writings(value))
    assert json.dumps(value)[1:-1] in shown["in JSON"] and shown["as bytes"] in repr(value.encode())
    assert all(len(writing) > 6 for writing in shown.values())
