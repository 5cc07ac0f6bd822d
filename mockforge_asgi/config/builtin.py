"""The plugins that ship with this package: their ids, and where each one's folder is.

`auth-jwt` is the folder `auth_jwt`. Installed, they stand inside this package, where no other distribution puts files; in a clone,
beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

PACKAGE: Final = Path(__file__).parent.parent
FOLDER: Final = "plugins_builtin"
MANIFEST: Final = "plugin.yaml"


@cache
def builtin_plugins(package: Path = PACKAGE) -> Mapping[str, Path]:
    """The folder of each built-in plugin, by id, in order."""
    inside, clone = package / FOLDER, package.parent
    root = inside if inside.is_dir() or not (clone / "hatch_build.py").is_file() else clone / FOLDER
    return MappingProxyType({manifest.parent.name.replace("_", "-"): manifest.parent for manifest in sorted(root.glob(f"*/{MANIFEST}"))})


def is_builtin(path: Path) -> bool:
    """Whether that is the folder of a built-in plugin, by whatever name it is reached."""
    folders = builtin_plugins().values()
    return path in folders or path.resolve() in {folder.resolve() for folder in folders}
