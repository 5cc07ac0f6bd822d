"""Workers find one another by what one parent started with one configuration."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mockforge_asgi.state import workers
from mockforge_asgi.state.memory import MemoryStore
from mockforge_asgi.state.sqlite import SqliteStore
from mockforge_asgi.state.workers import is_alone

ROOT = Path(__file__).resolve().parents[2]
ASKS = "import sys; from mockforge_asgi.state.workers import is_alone; print(is_alone(sys.argv[1]), flush=True); sys.stdin.read()"


def asking(what: str) -> tuple[subprocess.Popen[str], str]:
    """A process that asks and lives on, and what it was told."""
    process = subprocess.Popen([sys.executable, "-c", ASKS, what], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def test_the_second_process_of_one_parent_is_not_alone(tmp_path: Path) -> None:
    first, alone = asking(f"{tmp_path} a")
    others = [asking(f"{tmp_path} {what}") for what in "ab"]
    assert [alone, *(told for _, told in others)] == ["True", "False", "True"]
    for process in (first, *(process for process, _ in others)):
        process.communicate()
    last, alone = asking(f"{tmp_path} a")
    assert alone == "True"
    last.communicate()


def test_one_process_is_alone_however_often_it_asks(tmp_path: Path) -> None:
    assert is_alone(str(tmp_path)) and is_alone(str(tmp_path))


def test_where_no_file_can_be_locked_nobody_is_warned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_file", lambda: -1)
    assert is_alone(str(tmp_path))


def test_only_memory_of_a_known_place_can_be_split(tmp_path: Path) -> None:
    assert not MemoryStore().is_split("a") and not MemoryStore(place=str(tmp_path)).is_split("a")
    assert not SqliteStore(tmp_path / "state.db").is_split("a")
