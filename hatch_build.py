"""Build hook: makes the Python sandbox component that ships in the wheel.

How it is made is `mockforge_plugin/sandbox/build.py`'s affair; this only calls it, for wheels and editable installs, and
by `python hatch_build.py` after an edit. Nothing is done when its inputs have not changed.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

BUILDER = Path(__file__).resolve().parent / "mockforge_plugin" / "sandbox" / "build.py"


def build_sandbox() -> None:
    """Make the component if needed. The builder is loaded by path: the package is not installed yet."""
    spec = importlib.util.spec_from_file_location("mockforge_sandbox_build", BUILDER)
    assert spec is not None and spec.loader is not None
    builder = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(builder)
    if not builder.is_fresh():
        print("building the Python sandbox component (about ten seconds)", file=sys.stderr)
        builder.build()


class SandboxBuildHook(BuildHookInterface):  # type: ignore[type-arg,unused-ignore]
    """Runs before the files of a wheel are collected."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before each build."""
        if self.target_name == "wheel":
            build_sandbox()


if __name__ == "__main__":
    build_sandbox()
