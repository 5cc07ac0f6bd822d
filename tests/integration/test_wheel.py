"""What is published: the wheel has all that the packages need at run time, and works by itself; the source archive has the whole tree."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


ASK = """\
import asyncio

import mockforge_asgi
from mockforge_asgi import MockForge
from mockforge_asgi.testing import Client


async def ask():
    async with Client(MockForge(config="quickstart/mockforge.yaml")) as client:
        print(mockforge_asgi.__file__)
        print((await client.get("/hello/Ada", headers={"x-api-key": "demo-key"})).text)


asyncio.run(ask())
"""


TEST = """\
from pathlib import Path

import mockforge_asgi.testing.pytest_plugin as plugin


def test_it(mockforge_idp, mockforge_server):
    assert Path(plugin.__file__).is_relative_to(Path.cwd() / "site")
    assert mockforge_idp.token("ada", defect="expired") and mockforge_server({"version": 1}).url
"""


def built(target: str, folder: Path) -> Path:
    """A wheel or a source archive of the tree as it is."""
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(folder)], cwd=ROOT, check=True, capture_output=True)
    (made,) = folder.glob("mockforge_asgi-*")
    return made


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built("wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_every_file_of_the_packages_is_in_the_wheel(names: set[str]) -> None:
    kept = [p for folder in ("mockforge_asgi", "mockforge_plugin") for p in (ROOT / folder).rglob("*") if p.is_file()]
    wanted = {p.relative_to(ROOT).as_posix() for p in kept if "__pycache__" not in p.parts and not p.name.endswith(".tmp")}
    assert wanted - names == set()
    assert {"mockforge_asgi/wasm/guests/python-sandbox.wasm", "mockforge_asgi/py.typed", "mockforge_plugin/wit/plugin.wit"} <= names


def test_nothing_else_is_in_the_wheel(names: set[str]) -> None:
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"mockforge_asgi", "mockforge_plugin"}
    assert [name for name in names if "__pycache__" in name] == []


def test_the_wheel_works_by_itself(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    quickstart = ROOT / "examples" / "quickstart"
    shutil.copytree(quickstart, tmp_path / "quickstart", ignore=shutil.ignore_patterns("target"))
    (tmp_path / "ask.py").write_text(ASK)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    done = subprocess.run(
        [sys.executable, "ask.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    where, answer = done.stdout.split("\n", 1)
    assert Path(where).is_relative_to(tmp_path)
    assert json.loads(answer) == {"message": "Hello, Ada!", "initials": "A", "caller": "demo"}


def test_pytest_finds_the_fixtures_that_are_in_the_wheel(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    (tmp_path / "test_it.py").write_text(TEST)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-W",
        "error",
        "-p",
        "no:cacheprovider",
        "-o",
        "asyncio_default_fixture_loop_scope=function",
    ]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    done = subprocess.run([*command, "test_it.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_the_source_archive_holds_what_is_under_version_control(tmp_path: Path) -> None:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("needs a clone")
    made = built("sdist", tmp_path)
    with tarfile.open(made) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    assert [name for name in listed if name not in held and (ROOT / name).exists()] == []
