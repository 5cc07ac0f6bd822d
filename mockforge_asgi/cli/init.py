"""`mockforge init`: a configuration to begin with, which has one route of each kind. Its files stand in `starter/`."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

from mockforge_asgi.errors import ConfigError

_LEFT_OUT: Final = frozenset({"__pycache__"})


def init(folder: Path) -> list[Path]:
    """Write the files into the folder, and give their paths. Raises ConfigError, with nothing written, where one of them is there."""
    wanted = _files(files("mockforge_asgi.cli") / "starter", folder)
    there = [str(path) for path in wanted if path.exists() or path.is_symlink()]
    if there:
        raise ConfigError(f"nothing was written: {', '.join(there)} would be overwritten. Name another folder: mockforge init FOLDER")
    try:
        for path, data in wanted.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file:
                file.write(data)
    except OSError as error:
        raise ConfigError(f"'{error.filename}' cannot be written: {error.strerror}.") from None
    return list(wanted)


def _files(source: Traversable, target: Path) -> dict[Path, bytes]:
    found: dict[Path, bytes] = {}
    for entry in sorted(source.iterdir(), key=lambda entry: (entry.is_dir(), entry.name)):
        if entry.is_dir():
            found |= {} if entry.name in _LEFT_OUT else _files(entry, target / entry.name)
        else:
            found[target / entry.name] = entry.read_bytes()
    return found
