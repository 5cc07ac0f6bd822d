"""Another commit of the package, beside this one: the same interpreter and installed libraries, and this tree's benchmarks.

The commit's files are laid out in a folder of their own. What is run with `environment` there imports that commit's
`mockforge_asgi` and `mockforge_plugin`, and `benchmarks` from here.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.conditions import ROOT

KEPT = Path("~/.cache/mockforge-bench-revisions")
"""Where the Python sandboxes of other commits are kept: a new one would have to be compiled anew too."""
_SANDBOX_FOLDER = "import runpy; print(runpy.run_path('mockforge_plugin/sandbox/build.py')['OUT'])"


@dataclass(frozen=True, slots=True)
class Revision:
    """Where a commit's package is found; `label` is what its cases are marked with, empty for the tree as it is."""

    label: str
    folder: Path

    @property
    def environment(self) -> Mapping[str, str]:
        """What a process needs to import it."""
        return {**os.environ, "PYTHONPATH": str(self.folder)}

    def case(self, name: str) -> str:
        """The name of a case measured with it."""
        return f"{name}@{self.label}" if self.label else name


HERE = Revision("", ROOT)


@contextmanager
def revision(commit: str) -> Iterator[Revision]:
    """That commit's package, in a temporary folder. Raises: RuntimeError when there is no such commit."""
    label = _run("git", "rev-parse", "--short", "--verify", f"{commit}^{{commit}}", cwd=ROOT).decode().strip()
    with tempfile.TemporaryDirectory(prefix="mockforge-revision-") as temporary:
        tree, folder = Path(temporary) / "tree", Path(temporary) / "packages"
        tree.mkdir()
        folder.mkdir()
        subprocess.run(["tar", "-x", "-C", str(tree)], input=_run("git", "archive", label, cwd=ROOT), check=True)
        _build(tree, label)
        for package in ("mockforge_asgi", "mockforge_plugin"):
            (folder / package).symlink_to(tree / package)
        (folder / "benchmarks").symlink_to(ROOT / "benchmarks")
        yield Revision(label, folder)


def _build(tree: Path, label: str) -> None:
    """The Python sandbox of that commit: this tree's where it is made of the same, else its own, which is kept for the next time."""
    out = Path(_run(sys.executable, "-c", _SANDBOX_FOLDER, cwd=tree).decode().strip())
    out.mkdir(parents=True, exist_ok=True)
    kept = KEPT.expanduser() / label
    known = sorted(kept.glob("python-sandbox.*")) or sorted((ROOT / "mockforge_asgi").rglob("python-sandbox.*"))
    for built in known:
        shutil.copy2(built, out)
    before = [path.stat().st_mtime_ns for path in sorted(out.iterdir())]
    subprocess.run([sys.executable, "hatch_build.py"], cwd=tree, check=True, stdout=sys.stderr)
    if before != [path.stat().st_mtime_ns for path in sorted(out.iterdir())]:
        shutil.copytree(out, kept, dirs_exist_ok=True)


def _run(*command: str, cwd: Path) -> bytes:
    ran = subprocess.run(command, cwd=cwd, capture_output=True, check=False)
    if ran.returncode:
        raise RuntimeError(f"{' '.join(command[:3])}: {ran.stderr.decode(errors='replace').strip()}")
    return ran.stdout
