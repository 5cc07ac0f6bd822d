"""What runs in a process of its own: reading files."""

from __future__ import annotations

from collections.abc import Mapping

from mockforge_plugin import Json, function
from mockforge_plugin.engines.tables.prepare import prepare

from .reader import read_excel


@function
def build(version: str, file: str, config: Mapping[str, Json], folder: str) -> dict[str, Json]:
    """See `prepare`."""
    return prepare(read_excel, version, file, config, folder)
