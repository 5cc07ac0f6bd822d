"""The TypeScript kit and what is built with it. Wants Node.js 20 and a package index; where CI is set, neither may be missing."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

from tests.support.toolchains import missing

KIT = Path(__file__).resolve().parents[2] / "sdk" / "typescript"
LIMIT_S = 120


def run(*command: str | Path, cwd: Path = KIT) -> subprocess.CompletedProcess[str]:
    """A command's end, whatever it says; within two minutes."""
    return subprocess.run(list(map(str, command)), cwd=cwd, capture_output=True, text=True, check=False, timeout=LIMIT_S)


def installed() -> Path:
    """The kit with the packages of its lock file."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        missing("needs Node.js and npm")
    if int(run("node", "--version").stdout[1:].split(".")[0]) < 20:
        missing("needs Node.js 20 or newer")
    stamp, lock = KIT / "node_modules" / ".mockforge-lock", (KIT / "package-lock.json").read_text()
    if not stamp.exists() or stamp.read_text() != lock:
        done = run("npm", "install", "--no-save", "--no-audit", "--no-fund")
        if done.returncode:
            missing(f"npm cannot install the kit's packages: {done.stderr[:500]}")
        stamp.write_text(lock)
    return KIT


def built(folder: Path, output: Path, entry: str = "plugin.ts") -> subprocess.CompletedProcess[str]:
    """The build command, in an author's folder."""
    return run("node", installed() / "bin.mjs", "build", entry, "-o", output, cwd=folder)


def golden_component(output: Path) -> Path:
    """All golden plugins in one component."""
    done = run("node", installed() / "golden" / "build.mjs", output)
    assert done.returncode == 0, done.stderr
    return output


def differing() -> dict[str, dict[str, object]]:
    """Cases that TypeScript answers in its own words, each with the reason."""
    found: dict[str, dict[str, object]] = json.loads((KIT / "golden" / "differs.json").read_text())
    return found


def link(project: Path) -> None:
    """The kit and the compiler, as `npm install` would put them into a project."""
    packages = {"mockforge-plugin": installed(), "typescript": installed() / "node_modules" / "typescript"}
    scripts = {"mockforge-plugin": packages["mockforge-plugin"] / "bin.mjs", "tsc": packages["typescript"] / "bin" / "tsc"}
    (project / "node_modules" / ".bin").mkdir(parents=True)
    for name, target in packages.items():
        (project / "node_modules" / name).symlink_to(target)
    for name, target in scripts.items():
        (project / "node_modules" / ".bin" / name).symlink_to(target)
