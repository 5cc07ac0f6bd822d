"""Build the Python sandbox component: `python -m mockforge_plugin.sandbox.build [--out DIR]`.

Takes the kit's sources, the WIT file and the tz database, runs componentize-py, and leaves `python-sandbox.wasm` with a
`python-sandbox.json` that names its inputs by digest; nothing is built when they have not changed. Standard library only, and
loadable by path, so that the package build can call it.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path

KIT = Path(__file__).resolve().parents[1]
OUT = KIT.parent / "mockforge_asgi" / "wasm" / "guests"
NAME = "python-sandbox"
WORLD = "python-sandbox"
APP = "mockforge_plugin.sandbox.app"
LEFT_OUT = frozenset({"build.py"})
_RUN = "import sys; from componentize_py import script; sys.exit(script())"


def build(out_dir: Path | str = OUT, *, force: bool = False) -> Path:
    """The component's path; built if its inputs changed. Raises: RuntimeError with componentize-py's words."""
    out = Path(out_dir)
    made = out / f"{NAME}.wasm"
    wanted = inputs()
    if not force and is_fresh(out):
        return made
    out.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="mockforge-sandbox-") as folder:
        stage = Path(folder)
        _stage(stage / "app")
        _componentize(stage)
        data = (stage / "out.wasm").read_bytes()
        _replace(made, data)
    took_s = round(time.perf_counter() - began, 1)
    record = {"inputs": wanted, "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data), "build_s": took_s}
    _replace(out / f"{NAME}.json", (json.dumps(record, indent=1, sort_keys=True) + "\n").encode())
    return made


def is_fresh(out_dir: Path | str = OUT) -> bool:
    """Whether the component is there and made of the inputs as they are."""
    made, record = Path(out_dir) / f"{NAME}.wasm", Path(out_dir) / f"{NAME}.json"
    try:
        told = json.loads(record.read_text())
        return bool(told["inputs"] == inputs() and made.stat().st_size == told["bytes"])
    except (OSError, ValueError, KeyError):
        return False


def inputs() -> dict[str, str]:
    """What the component is made of: versions, and digests of files."""
    found = {"componentize-py": metadata.version("componentize-py"), "tzdata": metadata.version("tzdata")}
    for path in _sources():
        found[path.relative_to(KIT).as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def _sources() -> list[Path]:
    """The kit's modules that go into the snapshot, and the WIT file."""
    modules = [path for folder in (KIT, KIT / "operations", KIT / "sandbox") for path in folder.glob("*.py")]
    return sorted([*(path for path in modules if path.name not in LEFT_OUT), KIT / "wit" / "plugin.wit"])


def _stage(app: Path) -> None:
    """Copy what the guest imports, and nothing else, so that the snapshot depends on nothing else."""
    for path in _sources():
        if path.suffix == ".py":
            target = app / "mockforge_plugin" / path.relative_to(KIT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    spec = importlib.util.find_spec("tzdata")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("the package 'tzdata' is needed to build the Python sandbox: pip install tzdata")
    shutil.copytree(spec.submodule_search_locations[0], app / "tzdata", ignore=shutil.ignore_patterns("__pycache__"))


def _componentize(stage: Path) -> None:
    command = [
        sys.executable,
        "-c",
        _RUN,
        "-d",
        str(KIT / "wit"),
        "-w",
        WORLD,
        "componentize",
        "--stub-wasi",
        "-p",
        str(stage / "app"),
        "-o",
        str(stage / "out.wasm"),
        APP,
    ]
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "VIRTUAL_ENV": str(stage),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "HOME": os.environ.get("HOME", str(stage)),
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode or not (stage / "out.wasm").exists():
        raise RuntimeError(f"componentize-py could not build the Python sandbox:\n{done.stdout[-4000:]}\n{done.stderr[-8000:]}")


def _replace(path: Path, data: bytes) -> None:
    """Write beside, then rename: a reader never sees half a file."""
    half = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    half.write_bytes(data)
    os.replace(half, path)


def main(arguments: list[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m mockforge_plugin.sandbox.build", description="Build the Python sandbox component.")
    parser.add_argument("--out", type=Path, default=OUT, help="folder to write to")
    parser.add_argument("--force", action="store_true", help="build even when nothing changed")
    options = parser.parse_args(arguments)
    sys.stdout.write(f"{build(options.out, force=options.force)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
