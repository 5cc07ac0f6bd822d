"""The fixtures that pytest finds by itself, as a project that installed the package runs them: a pytest of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULE = "mockforge_asgi.testing.pytest_plugin"


def run(folder: Path, test: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_it.py").write_text(test)
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", MODULE, "-p", "no:cacheprovider", "-W", "error", "test_it.py"]
    return subprocess.run(command, cwd=folder, env=environment, text=True, capture_output=True, check=False, timeout=120)


def test_pytest_finds_it_by_its_entry_point() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"mockforge": MODULE}


@pytest.mark.parametrize("heavy", ["pydantic", "yaml", "jinja2", "wasmtime", "starlette", "uvicorn", "orjson", "asyncio", "http.client"])
def test_it_loads_nothing_before_a_test_asks(heavy: str) -> None:
    code = f"import sys, pytest; before = {heavy!r} in sys.modules; import {MODULE}; sys.exit(({heavy!r} in sys.modules) and not before)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_a_configuration_is_served_as_long_as_the_test_runs(tmp_path: Path) -> None:
    ran = run(
        tmp_path,
        """
from urllib.request import urlopen

import pytest

address = []

def test_hello(mockforge_server):
    server = mockforge_server({"version": 1, "routes": [{"match": {"path": "/hello"}, "response": {"text": "Hello"}}]})
    assert urlopen(f"{server.url}/hello").read() == b"Hello"
    address.append(server.url)

def test_gone():
    with pytest.raises(OSError):
        urlopen(address[0])
""",
    )
    assert "2 passed" in ran.stdout, ran.stdout + ran.stderr


def test_a_saml_provider_hands_out_responses(tmp_path: Path) -> None:
    ran = run(
        tmp_path,
        """
from base64 import b64decode

def test_a_response(mockforge_saml_idp):
    response = mockforge_saml_idp.response("ada", acs="http://testserver/acs", audience="http://testserver/metadata")
    assert b"ada@example.com" in b64decode(response)
""",
    )
    assert "1 passed" in ran.stdout, ran.stdout + ran.stderr
