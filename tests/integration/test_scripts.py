"""The scripts: what they refuse to do, in words."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def setup(**environment: str) -> subprocess.CompletedProcess[str]:
    """Run `scripts/setup` with that in its environment."""
    command = [str(ROOT / "scripts" / "setup"), "serve"]
    return subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False, timeout=60)


def test_a_folder_that_is_no_environment_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("mine")
    done = setup(VENV=str(tmp_path))
    assert done.returncode == 1 and "is left alone" in done.stderr
    assert (tmp_path / "letters.txt").read_text() == "mine"


@pytest.mark.parametrize("python", ["/no such/python", "false"])
def test_an_interpreter_that_was_named_and_does_not_suit_is_not_replaced_by_another(tmp_path: Path, python: str) -> None:
    done = setup(VENV=str(tmp_path / "new"), PYTHON=python)
    assert done.returncode == 1 and f"PYTHON={python} is no suitable Python" in done.stderr
    assert not (tmp_path / "new").exists()


def test_a_script_of_bash_parses() -> None:
    scripts = [script for script in (ROOT / "scripts").iterdir() if script.is_file() and not script.suffix]
    for script in [*scripts, ROOT / ".ci" / "run"]:
        subprocess.run(["bash", "-n", str(script)], check=True)


@pytest.mark.parametrize(
    ("arguments", "is_spread"),
    [
        ([], True),
        (["-q", "-x", "--tb=short"], True),
        (["-k", "x"], False),
        (["tests/docs"], False),
        (["--pdb"], False),
        (["-n", "0"], False),
    ],
)
def test_a_whole_run_is_spread_over_the_cores(tmp_path: Path, arguments: list[str], is_spread: bool) -> None:
    (tmp_path / "scripts").mkdir()
    for name, text in (("setup", "exit 0"), ("test", (ROOT / "scripts" / "test").read_text())):
        (tmp_path / "scripts" / name).write_text(text)
        (tmp_path / "scripts" / name).chmod(0o755)
    for name, text in (("bin/python", '#!/bin/sh\necho "$@"'), ("cores/nproc", "#!/bin/sh\necho 2")):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    environment = {**os.environ, "VENV": str(tmp_path), "PATH": f"{tmp_path / 'cores'}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "scripts/test", *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    spread = ["-n", "3", "--dist", "loadfile"] if is_spread else []
    assert done.stdout.split() == ["-m", "pytest", *spread, *arguments]
