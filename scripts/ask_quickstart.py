"""Serves the quickstart with an installed `mockforge` and asks it what the README shows: `ask_quickstart.py COMMAND FOLDER`."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping


def ask(url: str, headers: Mapping[str, str] = {}) -> tuple[int, bytes]:
    """Status and body of a GET request."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=dict(headers)), timeout=30) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def main(command: str, folder: str) -> None:
    """Raises AssertionError where an answer is another one."""
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
            assert ask(f"{found[1]}/health") == (200, b'{"status":"ok"}')
            assert ask(f"{found[1]}/hello/Ada")[0] == 401
            status, body = ask(f"{found[1]}/hello/Ada", {"X-API-Key": "demo-key"})
            assert (status, json.loads(body)) == (200, {"message": "Hello, Ada!", "initials": "A", "caller": "demo"}), body
        finally:
            server.terminate()


if __name__ == "__main__":
    main(*sys.argv[1:])
