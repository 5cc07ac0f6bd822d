"""Packages of npm that a test's own server stands on, as the lock file in its folder has them.

Wants Node.js 20 and a package index; where CI is set, neither may be missing.
"""

from __future__ import annotations

import fcntl
import shutil
from pathlib import Path

from tests.golden.typescript import run
from tests.support.toolchains import missing


def installed(folder: Path) -> Path:
    """That folder with its packages; one process installs them at a time."""
    if shutil.which("npm") is None or int(run("node", "--version", cwd=folder).stdout[1:].split(".")[0]) < 20:
        missing("needs Node.js 20 or newer")
    with (folder / ".installing.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp, wanted = folder / "node_modules" / ".mockforge-lock", (folder / "package-lock.json").read_text()
        if not stamp.exists() or stamp.read_text() != wanted:
            done = run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=folder)
            if done.returncode:
                missing(f"npm cannot install the packages of {folder.name}: {done.stderr[:500]}")
            stamp.write_text(wanted)
    return folder
