"""Build hook: makes the Python sandbox component that ships in the wheel, and puts the built-in plugins into the package.

How the component is made is `mockforge_plugin/sandbox/build.py`'s affair; this only calls it, for wheels and editable installs, and
by `python hatch_build.py` after an edit. Nothing is done when its inputs have not changed.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).resolve().parent
BUILDER = ROOT / "mockforge_plugin" / "sandbox" / "build.py"
BUILTIN = ROOT / "plugins_builtin"
_NOT_SHIPPED = frozenset({"tests", "__pycache__"})


def build_sandbox() -> None:
    """Make the component if needed. The builder is loaded by path: the package is not installed yet."""
    spec = importlib.util.spec_from_file_location("mockforge_sandbox_build", BUILDER)
    assert spec is not None and spec.loader is not None
    builder = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(builder)
    if not builder.is_fresh():
        print("building the Python sandbox component (about ten seconds)", file=sys.stderr)
        builder.build()


def builtin_files() -> Iterator[tuple[str, str]]:
    """(file, path in the wheel) of each built-in plugin, its tests left out: inside the package, so that nothing else can stand there."""
    for manifest in sorted(BUILTIN.glob("*/plugin.yaml")):
        for file in sorted(manifest.parent.rglob("*")):
            parts = file.relative_to(BUILTIN).parts
            if file.is_file() and not _NOT_SHIPPED & set(parts) and not any(part.startswith(".") for part in parts):
                yield str(file), "/".join(("mockforge_asgi", "plugins_builtin", *parts))


class SandboxBuildHook(BuildHookInterface):  # type: ignore[type-arg,unused-ignore]
    """Runs before the files of a wheel are collected."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before each build."""
        if self.target_name == "wheel":
            build_sandbox()
            if version != "editable":  # which finds them where they are edited
                build_data["force_include"].update(builtin_files())


if __name__ == "__main__":
    build_sandbox()
