"""What could end a process is tried in one of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("damage", ["core {", "component {", "'PluginRejected'", "'WasmtimeError'", "'answered'"]),
        ("deep", ["door plugin", "recursed too deeply", "http_request takes JSON", "component plugin", "alive"]),
        (
            "signals",
            ["outside its memory", "gave up", "divided by zero", "recursed too deeply", "uninitialized element", "component: ", "alive"],
        ),
    ],
)
def test_the_process_lives(module: str, words: list[str]) -> None:
    run = [sys.executable, "-m", f"tests.hostile.{module}"]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert [word for word in words if word not in done.stdout] == []
