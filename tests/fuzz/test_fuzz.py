"""Every target: the kept inputs in this process, and a bounded run of the fuzzer in one of its own.

Runs are the same each time: a fixed seed, a number of inputs, no clock. Longer ones: `scripts/fuzz`.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.fuzzing import CORPUS, HERE, ROOT, TARGETS, Choices, corpus, kept, target

INPUTS = [pytest.param(name, path, id=f"{name}-{path.name}") for name in TARGETS for path in corpus(name)]
HAS_ATHERIS = importlib.util.find_spec("atheris") is not None
IS_BUILT_FOR_US = sys.platform == "linux" and os.uname().machine == "x86_64" and sys.version_info[:2] <= (3, 14)
"""Whether a wheel of atheris exists for this interpreter."""


def test_every_target_has_its_module_and_no_other_is_kept_inputs_for() -> None:
    assert {path.stem for path in (HERE / "targets").glob("*.py")} == set(TARGETS)
    assert {path.name for path in CORPUS.iterdir()} <= set(TARGETS)
    assert all(target(name).seeds or kept(name) for name in TARGETS)
    assert sum(len(data) for name in TARGETS for data in kept(name)) < 200_000, "the corpus is kept small: what grew stays in .fuzz/"


def test_the_targets_are_those_of_the_page() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| `") and "./" not in line]
    assert rows == [f"| `{name}` | {what} |" for name, what in TARGETS.items()]


@pytest.mark.parametrize(("name", "path"), INPUTS)
def test_kept_inputs_break_nothing(name: str, path: Path) -> None:
    target(name).check(path.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=40)
@given(drawn=st.data())
def test_changed_inputs_break_nothing(name: str, drawn: st.DataObject) -> None:
    chosen = target(name)
    if chosen.mutate is None:
        data = drawn.draw(st.binary(max_size=300))
    else:
        data = drawn.draw(st.sampled_from([*chosen.seeds, *kept(name)]))
        for seed in drawn.draw(st.lists(st.integers(0, 2**32 - 1), max_size=5)):
            data = chosen.mutate(data, Random(seed))
    chosen.check(data[: chosen.max_bytes])


@pytest.mark.parametrize("name", TARGETS)
def test_a_bounded_run_finds_nothing(name: str, tmp_path: Path) -> None:
    run = fuzz(name, tmp_path, "--runs", str(target(name).runs))
    assert run.returncode == 0, run.stdout[-6000:]
    assert "Done " in run.stdout


def test_the_fuzzer_finds_what_is_there_to_be_found(tmp_path: Path) -> None:
    """A product that does not look at the values of headers."""
    careless = "import re; from mockforge_asgi.http import headers; headers._VALUE = re.compile(b'(?s).*')"
    run = fuzz("headers", tmp_path, "--runs", "5000", python=["-c", f"{careless}; from tests.fuzz.__main__ import main; main()"])
    assert run.returncode != 0 and "Uncaught Python exception" in run.stdout, run.stdout[-3000:]
    found = list((tmp_path / "headers").glob("crash-*"))
    assert len(found) == 1
    whole = fuzz("headers", tmp_path, "--input", str(found[0]))
    assert whole.returncode == 0, "the same input breaks nothing of the whole product"


def fuzz(name: str, into: Path, *bounds: str, python: Sequence[str] = ("-m", "tests.fuzz")) -> subprocess.CompletedProcess[str]:
    """One run of the fuzzer, the same each time."""
    if not HAS_ATHERIS:
        if os.environ.get("CI") and IS_BUILT_FOR_US:
            pytest.fail("atheris is not installed, though a wheel of it exists for this interpreter: pip install 'mockforge-asgi[fuzz]'")
        pytest.skip("atheris is not installed")
    return subprocess.run(
        [sys.executable, *python, name, "--seed", "1", "--into", str(into), *bounds],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "0", "TMPDIR": str(into)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=300,
        check=False,
    )


def test_decisions_are_read_to_the_end_and_then_are_zero() -> None:
    choices = Choices(b"\x01\x02\x03")
    assert (choices.number(2), choices.number(), choices.is_over) == (0x0201, 3, True)
    assert (choices.number(8), choices.one_of("ab"), choices.take(3), choices.rest()) == (0, "a", b"", b"")
