"""The wheel: everything that the packages need at run time is in it, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)], cwd=ROOT, check=True, capture_output=True
    )
    (wheel,) = folder.glob("*.whl")
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
