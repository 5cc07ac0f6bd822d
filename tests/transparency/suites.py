"""Starlette's and FastAPI's own test suites: where they come from, what they need, and how they are run behind a wrapper.

Their source distributions, of the installed versions, are taken from the package index when they are needed and kept in `.transparency/`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final, TypeAlias

ROOT: Final = Path(__file__).resolve().parents[2]
KEPT: Final = ROOT / ".transparency"
Outcomes: TypeAlias = dict[str, tuple[str, str]]
"""How each test ended, and what was said of it, by its pytest id."""

_PIP: Final = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
_OPTIONS: Final = (
    "-q",
    "--tb=short",
    "-p",
    "no:asyncio",
    "-p",
    "no:cacheprovider",
    "-p",
    "wrapped_suite",
    "--continue-on-collection-errors",
)


class Unavailable(Exception):
    """A suite or what it needs cannot be had from the package index."""


@dataclass(frozen=True, slots=True)
class Suite:
    """One project's tests. `needs` are what they import beside our own test environment, `left_out` folders that need more;
    `sample` is the part that our own tests run."""

    name: str
    needs: tuple[str, ...]
    sample: tuple[str, ...]
    left_out: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        """Where the unpacked source distribution is kept."""
        return KEPT / f"{self.name}-{version(self.name)}"

    @property
    def libraries(self) -> Path:
        """Where what its tests need is installed."""
        return KEPT / f"{self.name}-libraries-{sys.version_info.major}.{sys.version_info.minor}"

    def fetch(self) -> None:
        """Get what is not there yet. Raises Unavailable."""
        KEPT.mkdir(exist_ok=True)
        for wanted, get in ((self.folder, self._sources), (self.libraries, self._libraries)):
            if wanted.exists():
                continue
            with tempfile.TemporaryDirectory(dir=KEPT) as scratch:
                try:
                    made = get(Path(scratch))
                    made.rename(wanted)
                except (subprocess.CalledProcessError, OSError, StopIteration) as error:
                    if not wanted.exists():
                        raise Unavailable(f"{wanted.name}: {error}\n{getattr(error, 'stderr', '') or ''}") from error

    def _sources(self, scratch: Path) -> Path:
        _run(*_PIP, "download", "--no-deps", "--no-binary", self.name, "--dest", str(scratch), f"{self.name}=={version(self.name)}")
        with tarfile.open(next(scratch.glob("*.tar.gz"))) as archive:
            archive.extractall(scratch, filter="data")
        made = next(path for path in scratch.iterdir() if path.is_dir())
        if not (made / "tests").is_dir():
            raise Unavailable(f"{made.name}: its source distribution holds no tests")
        for folder in self.left_out:
            shutil.rmtree(made / folder)
        return made

    def _libraries(self, scratch: Path) -> Path:
        """Only what our environment lacks: a second copy of what it has could be another version."""
        report, made = scratch / "report.json", scratch / "libraries"
        _run(*_PIP, "install", "--dry-run", "--report", str(report), *self.needs)
        found = [part["metadata"] for part in json.loads(report.read_text())["install"]]
        made.mkdir()
        if found:
            _run(*_PIP, "install", "--no-deps", "--target", str(made), *(f"{part['name']}=={part['version']}" for part in found))
        return made

    def run(self, wrapper: str, arguments: Sequence[str]) -> Outcomes:
        """How the tests end behind that wrapper. Raises CalledProcessError if there is no run."""
        with tempfile.TemporaryDirectory() as scratch:
            outcomes = Path(scratch) / "outcomes.json"
            paths = os.pathsep.join((str(self.libraries), str(Path(__file__).parent)))
            settings = {"PYTHONPATH": paths, "MOCKFORGE_WRAPPER": wrapper, "MOCKFORGE_OUTCOMES": str(outcomes)}
            options = (*_OPTIONS, "--timeout", "120", "--basetemp", str(Path(scratch) / "files"))
            command = (sys.executable, "-m", "pytest", *options, *arguments)
            done = subprocess.run(command, cwd=self.folder, env=os.environ | settings, check=False, text=True, capture_output=True)
            if not outcomes.exists():
                raise subprocess.CalledProcessError(done.returncode, command, done.stdout, done.stderr)
            return {test: (ended, said) for test, (ended, said) in json.loads(outcomes.read_text()).items()}


def _run(*command: str) -> None:
    subprocess.run(command, check=True, text=True, capture_output=True)


def chosen(suite: Suite, arguments: Iterable[str]) -> list[str]:
    """The arguments for pytest: with no path among them, all of the suite's tests."""
    given = list(arguments)
    return given if any((suite.folder / each.partition("::")[0]).exists() for each in given) else [*given, "tests"]


SUITES: Final = {
    suite.name: suite
    for suite in (
        Suite(
            "starlette",
            needs=("itsdangerous", "python-multipart", "httpx2[zstd]"),
            sample=("tests/test_requests.py", "tests/test_websockets.py"),
        ),
        Suite(
            "fastapi",
            needs=(
                *(
                    "a2wsgi",
                    "dirty-equals",
                    "email-validator",
                    "flask",
                    "httpx",
                    "httpx2[zstd]",
                    "inline-snapshot",
                    "itsdangerous",
                    "orjson",
                ),
                *("pwdlib[argon2]", "pydantic-extra-types", "pydantic-settings", "pyjwt", "pytest-codspeed", "python-multipart"),
                *("python-slugify", "sqlmodel", "typer", "ujson"),
            ),
            sample=(
                *("tests/test_application.py", "tests/test_dependency_contextmanager.py", "tests/test_ws_router.py"),
                *("tests/test_stream_bare_type.py", "tests/test_tutorial/test_path_params/test_tutorial004.py"),
                "tests/test_tutorial/test_websockets/test_tutorial003.py",
            ),
            left_out=("tests/test_telemetry",),
        ),
    )
}
"""FastAPI's telemetry tests need OpenTelemetry's, Logfire's and Sentry's libraries."""
