"""How another process of this Python is started."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mockforge_asgi.errors import UnsupportedPlatform
from mockforge_asgi.wasm.compiled.interpreter import command, environment

ROOT = Path(__file__).resolve().parents[3]
SHOWS = "import sys\nimport shown\nprint(sys.flags.no_user_site, sys.flags.safe_path, sys.argv[1:])\n"


def test_a_module_that_this_process_could_import_runs_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shows.py").write_text(SHOWS)
    (tmp_path / "shown.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    made = subprocess.run(command("shows", "a", "b"), env=environment(), cwd="/", capture_output=True, text=True, check=True)
    assert made.stdout == f"{sys.flags.no_user_site} True ['a', 'b']\n"
    assert not (tmp_path / "__pycache__").exists()


def test_a_process_of_an_isolated_interpreter_is_kept_from_the_users_packages_too(tmp_path: Path) -> None:
    (tmp_path / "shows.py").write_text(SHOWS)
    (tmp_path / "shown.py").write_text("")
    code = (
        f"import subprocess, sys; sys.path[:0] = {[str(tmp_path), str(ROOT)]!r}\n"
        "from mockforge_asgi.wasm.compiled.interpreter import command, environment\n"
        "subprocess.run(command('shows'), env=environment(), cwd='/', check=True)"
    )
    made = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert made.stdout == "1 True []\n"


def test_the_environment_holds_what_the_interpreter_is_found_by_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELLO_KEYS", "planted-secret")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/opt/python/lib")
    monkeypatch.delenv("PYTHONHOME", raising=False)
    assert set(environment()) - {"DYLD_LIBRARY_PATH"} == {"LD_LIBRARY_PATH", "PYTHONPATH", "LC_ALL"}
    assert environment()["LD_LIBRARY_PATH"] == "/opt/python/lib"


@pytest.mark.parametrize("program", ["", "/opt/app/frozen"])
def test_a_program_that_is_no_interpreter_is_told_in_words_and_never_started_again(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    monkeypatch.setattr(sys, "executable", program)
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    with pytest.raises(UnsupportedPlatform, match=f"this program \\({program or 'embedded'}\\) is no Python interpreter"):
        command("any")
