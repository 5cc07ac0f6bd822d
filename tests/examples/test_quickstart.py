"""The quickstart as its reader meets it: the `mockforge` command, a real server, files edited while it runs."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).resolve().parents[2]
KEY = {"X-API-Key": "demo-key"}


class Served:
    """A running `mockforge serve` over a copy of the quickstart."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = (folder / "log.txt").open("w+")
        command = [str(Path(sys.executable).with_name("mockforge")), "serve", str(folder / "mockforge.yaml"), "--port", "0"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log, text=True)
        assert self.process.stdout is not None
        shown = ""
        for line in self.process.stdout:
            shown += line
            if found := re.search(r"Listening on (http://\S+)", shown):
                self.address = urlsplit(found[1])
                return
        self.process.wait()
        raise AssertionError(f"it did not listen: {shown}{self.said}")

    @property
    def said(self) -> str:
        """What it logged."""
        self.log.flush()
        return (self.folder / "log.txt").read_text()

    def get(self, path: str, headers: dict[str, str] | None = None) -> tuple[int, dict[str, str], str]:
        """(status, headers by lower-case name, body)."""
        connection = http.client.HTTPConnection(self.address.hostname or "", self.address.port, timeout=30)
        try:
            connection.request("GET", path, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read().decode()
        finally:
            connection.close()

    def stop(self) -> int:
        """End it as Ctrl+C does; its exit code."""
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=30)
        self.log.close()
        return self.process.returncode


@pytest.fixture
def quickstart(tmp_path: Path) -> Iterator[Served]:
    shutil.copytree(ROOT / "examples" / "quickstart", tmp_path / "quickstart", ignore=shutil.ignore_patterns("target"))
    served = Served(tmp_path / "quickstart")
    try:
        yield served
    finally:
        if served.process.poll() is None:
            served.stop()


def test_without_a_key_the_answer_says_what_to_send(quickstart: Served) -> None:
    status, headers, _ = quickstart.get("/hello/Ada")
    assert (status, headers["www-authenticate"]) == (401, 'ApiKey realm="hello", header="X-API-Key"')
    assert quickstart.get("/hello/Ada", {"X-API-Key": "wrong"})[0] == 401


def test_with_the_key_three_plugins_make_the_answer(quickstart: Served) -> None:
    status, headers, body = quickstart.get("/hello/Ada%20Lovelace", KEY)
    assert (status, headers["content-type"]) == (200, "application/json")
    assert json.loads(body) == {"message": "Hello, Ada Lovelace!", "initials": "AL", "caller": "demo"}


def test_the_native_route_needs_no_key(quickstart: Served) -> None:
    assert quickstart.get("/health")[::2] == (200, '{"status":"ok"}')


def test_an_edit_counts_from_the_next_request_and_a_broken_one_leaves_the_last_good(quickstart: Served) -> None:
    file = quickstart.folder / "plugins" / "names" / "plugin.py"
    good = file.read_text()
    assert '"initials": "A"' in quickstart.get("/hello/Ada", KEY)[2]
    file.write_text(good.replace('return ""', 'return "~"'))
    assert '"initials": "A"' in quickstart.get("/hello/Ada", KEY)[2]
    assert '"initials": "A~L"' in quickstart.get("/hello/Ada-Lovelace", KEY)[2]
    file.write_text(good.replace("return", "retrun"))
    assert '"initials": "A~L"' in quickstart.get("/hello/Ada-Lovelace", KEY)[2]
    assert 'File "plugin.py", line 12' in quickstart.said
    file.write_text(good)
    assert '"initials": "AL"' in quickstart.get("/hello/Ada-Lovelace", KEY)[2]


def test_it_stops_when_told(quickstart: Served) -> None:
    quickstart.get("/health")
    assert quickstart.stop() == 0
    assert "Traceback" not in (quickstart.folder / "log.txt").read_text()
