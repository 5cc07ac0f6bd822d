"""Another commit's package, measured with this tree's benchmarks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import revision as commits
from benchmarks.conditions import ROOT
from benchmarks.revision import HERE, revision

IMPORTED = (
    "import mockforge_asgi, mockforge_plugin, benchmarks; print(mockforge_asgi.__file__, mockforge_plugin.__file__, benchmarks.__file__)"
)


def test_the_commit_s_package_is_imported_and_these_benchmarks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commits, "KEPT", tmp_path)
    with revision("HEAD") as of:
        ran = subprocess.run(
            [sys.executable, "-c", IMPORTED], cwd=of.folder, env=dict(of.environment), capture_output=True, text=True, check=True
        )
        assert ran.stdout.split() == [f"{of.folder}/{name}/__init__.py" for name in ("mockforge_asgi", "mockforge_plugin", "benchmarks")]
        assert (of.folder / "benchmarks").resolve() == ROOT / "benchmarks"
        assert (of.folder / "mockforge_asgi").resolve() != ROOT / "mockforge_asgi"
        assert list((of.folder / "mockforge_asgi").resolve().rglob("python-sandbox.wasm"))
        assert of.case("static") == f"static@{of.label}"
    assert not of.folder.exists()


def test_a_commit_that_is_not_there_is_told() -> None:
    with pytest.raises(RuntimeError, match="git rev-parse"), revision("no-such-commit"):
        pass


def test_the_tree_as_it_is_marks_nothing() -> None:
    assert HERE.case("static") == "static"
