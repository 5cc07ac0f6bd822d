"""Copies of this plugin under an id of their own: native as it is, or for the sandbox, where the code stays as it is too."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).resolve().parents[1]


def sandboxed(folder: Path, **changes: Any) -> Path:
    """The plugin with `runtime: python`, in that folder."""
    copied = folder / "my_api_key"
    shutil.copytree(FOLDER, copied, ignore=shutil.ignore_patterns("tests", "__pycache__"))
    manifest = yaml.safe_load((copied / "plugin.yaml").read_text())
    del manifest["requires"]
    manifest |= {"id": "my-api-key", "runtime": "python", **changes}
    (copied / "plugin.yaml").write_text(yaml.safe_dump(manifest))
    return copied
