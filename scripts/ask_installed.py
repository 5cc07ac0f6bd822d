"""Serves with an installed `mockforge` and asks it: the quickstart of the README, and a built-in plugin.

ask_installed.py quickstart COMMAND FOLDER
ask_installed.py builtin COMMAND FOLDER
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

BEHIND_A_KEY = """\
version: 1
plugins: {keys: {use: auth-api-key, config: {keys: api_keys}}}
secrets: {api_keys: {value: "3f1c0d5b9a7e4421=ci"}}
protect: [{path: /**, auth: keys}]
routes: [{match: {path: /me}, response: {template_text: "{{ request.principal.id }}"}}]
"""
BEHIND_A_TOKEN = BEHIND_A_KEY.replace(
    "use: auth-api-key, config: {keys: api_keys}", "use: auth-jwt, config: {issuer: a, jwks_url: 'https://a.example/'}"
)


def ask(url: str, headers: Mapping[str, str] = {}) -> tuple[int, bytes]:
    """Status and body of a GET request."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=dict(headers)), timeout=30) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


@contextmanager
def served(command: str, folder: str) -> Iterator[str]:
    """The URL that `mockforge serve` listens on there. Raises AssertionError where it does not."""
    words = [command, "serve", "--port", "0", "mockforge.yaml"]
    with subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            said = ""
            for line in server.stdout:
                said += line
                if found := re.search(r"Listening on (\S+)", line):
                    break
            else:
                raise AssertionError(f"it does not listen: {said}")
            yield found[1]
        finally:
            server.terminate()


def quickstart(command: str, folder: str) -> None:
    """Raises AssertionError where an answer is another one."""
    with served(command, folder) as url:
        assert ask(f"{url}/health") == (200, b'{"status":"ok"}')
        assert ask(f"{url}/hello/Ada")[0] == 401
        status, body = ask(f"{url}/hello/Ada", {"X-API-Key": "demo-key"})
        assert (status, json.loads(body)) == (200, {"message": "Hello, Ada!", "initials": "A", "caller": "demo"}), body


def builtin(command: str, folder: str) -> None:
    """The same behind a plugin that ships with mockforge; one whose extra is not installed says which that is."""
    file = Path(folder, "mockforge.yaml")
    file.write_text(BEHIND_A_KEY, encoding="utf-8")
    with served(command, folder) as url:
        assert ask(f"{url}/me")[0] == 401
        assert ask(f"{url}/me", {"X-API-Key": "3f1c0d5b9a7e4421"}) == (200, b"ci")
    listed = subprocess.run([command, "plugin", "list", "--builtin"], capture_output=True, text=True, check=True).stdout
    assert re.search(r"^auth-jwt .*auth \(not installed\)", listed, re.MULTILINE), listed
    file.write_text(BEHIND_A_TOKEN, encoding="utf-8")
    checked = subprocess.run([command, "check"], cwd=folder, capture_output=True, text=True, check=False)
    assert checked.returncode == 1 and "pip install 'mockforge-asgi[auth]'" in checked.stdout + checked.stderr, checked


ASKS: Mapping[str, Callable[[str, str], None]] = {"quickstart": quickstart, "builtin": builtin}


if __name__ == "__main__":
    ASKS[sys.argv[1]](*sys.argv[2:])
