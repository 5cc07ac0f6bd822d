"""Build hook: makes the Python sandbox component that ships in the wheel.

How it is made is `mockforge_asgi/wasm/python_sandbox/build.py`'s affair; this only calls it, for wheels and for editable
installs. `python hatch_build.py --check` tells by its exit code whether the component is there and up to date.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # the check runs in an environment without the build backend
    BuildHookInterface = object  # type: ignore[assignment,misc,unused-ignore]

ROOT = Path(__file__).resolve().parent
BUILDER = ROOT / "sdk" / "python_sandbox" / "build.py"


def builder() -> ModuleType | None:
    """The module that builds the component, loaded by path: the package is not installed yet."""
    if not BUILDER.exists():
        return None
    spec = importlib.util.spec_from_file_location("mockforge_sandbox_build", BUILDER)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class SandboxBuildHook(BuildHookInterface):  # type: ignore[type-arg,misc,unused-ignore]
    """Builds the component before the files of a wheel are collected."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before each build."""
        if self.target_name == "wheel" and (build := builder()) is not None:
            build.build()


def main() -> int:
    """Exit code 0 if nothing needs to be built."""
    build = builder()
    return 0 if build is None or build.is_fresh() else 1


if __name__ == "__main__":
    sys.exit(main())
