"""`mockforge serve` as a real process: it listens, answers, follows edits, stops, and refuses in words."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from mockforge_asgi.cli.server import bind
from mockforge_asgi.errors import ConfigError

SCRIPT = Path(sys.executable).with_name("mockforge")
ROUTE = "version: 1\nroutes: [{match: {method: GET, path: %s}, response: {json: {status: ok}}}]\n"


class Served:
    """A running `mockforge serve`."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [str(SCRIPT), "serve", "--port", "0", *arguments],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        self.banner: list[str] = []
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.banner.append(line.rstrip("\n"))
            if "/a" in line:
                break
        found = re.search(r"Listening on (\S+)", "\n".join(self.banner))
        assert found, self.process.communicate()[1]
        self.url = found[1]

    def get(self, path: str) -> tuple[int, bytes]:
        try:
            with urllib.request.urlopen(self.url + path, timeout=30) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def stop(self, sign: signal.Signals = signal.SIGINT) -> tuple[int, str]:
        self.process.send_signal(sign)
        _, err = self.process.communicate(timeout=30)
        return self.process.returncode, err


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "mockforge.yaml").write_text(ROUTE % "/a")
    yield tmp_path


def refusal(place: Path, *arguments: str) -> str:
    done = subprocess.run([str(SCRIPT), "serve", *arguments], cwd=place, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    return done.stderr


def test_it_answers_and_stops_in_order(place: Path) -> None:
    served = Served(place)
    assert served.get("/a") == (200, b'{"status":"ok"}')
    assert any(line.split() == ["GET", f"{served.url}/a", "json"] for line in served.banner)
    code, err = served.stop()
    assert code == 0
    assert "GET /a → 200" in err and "Traceback" not in err


def test_sigterm_stops_it_too(place: Path) -> None:
    served = Served(place)
    assert served.get("/a")[0] == 200
    assert served.stop(signal.SIGTERM)[0] in (0, -signal.SIGTERM)


def test_json_logs_are_json(place: Path) -> None:
    served = Served(place, "--log-format", "json")
    served.get("/a")
    lines = [json.loads(line) for line in served.stop()[1].splitlines()]
    assert [(line["event"], line["path"], line["status"]) for line in lines if "path" in line] == [("request_answered", "/a", 200)]


def test_an_edit_under_reload_holds_from_the_next_request_on(place: Path) -> None:
    served = Served(place, "--reload")
    assert served.get("/a")[0] == 200
    (place / "mockforge.yaml").write_text(ROUTE % "/longer")
    assert served.get("/longer")[0] == 200
    (place / "mockforge.yaml").write_text("version: 1\nrutes: []\n")
    assert served.get("/longer")[0] == 200
    code, err = served.stop()
    assert code == 0
    assert "mockforge.yaml:2 rutes: the key 'rutes' is not known. Did you mean 'routes'?" in err
    assert "The last good configuration goes on." in err


def test_workers_share_one_socket(place: Path) -> None:
    served = Served(place, "--workers", "2")
    assert {served.get("/a") for _ in range(5)} == {(200, b'{"status":"ok"}')}
    assert served.stop(signal.SIGTERM)[0] == 0


def test_a_port_in_use_is_told_in_words(place: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        words = refusal(place, "--port", str(port))
    assert f"port {port} on 127.0.0.1 is in use by another program" in words


def test_workers_are_refused_where_state_is_kept_in_memory(place: Path) -> None:
    (place / "mockforge.yaml").write_text((ROUTE % "/a") + "plugins: {c: {use: ./c, grants: {kv: true}}}\n")
    assert "url: sqlite:///mockforge-state.db" in refusal(place, "--workers", "2")


def test_reload_runs_in_one_worker(place: Path) -> None:
    assert "runs in one worker" in refusal(place, "--workers", "2", "--reload")


def test_half_a_key_pair_is_refused(place: Path) -> None:
    assert "TLS needs both" in refusal(place, "--ssl-keyfile", "k.pem")


def test_a_missing_certificate_is_told(place: Path) -> None:
    assert "there is no file 'k.pem'" in refusal(place, "--ssl-keyfile", "k.pem", "--ssl-certfile", "c.pem")


def test_every_plugin_that_cannot_be_loaded_is_told_before_it_listens(place: Path) -> None:
    (place / "mockforge.yaml").write_text((ROUTE % "/a") + "plugins: {c: {use: ./c}, d: {use: ./d}}\n")
    words = refusal(place)
    assert "./c: is no folder and no file" in words and "./d: is no folder and no file" in words


@pytest.mark.parametrize("host", ["no such host", "203.0.113.7"])
def test_an_address_of_another_machine_is_told_in_words(host: str) -> None:
    with pytest.raises(ConfigError, match="is no address of this machine"):
        bind(host, 0)
