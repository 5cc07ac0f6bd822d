"""Built-in plugins on the command line: their list, and an id where a folder is asked for."""

from __future__ import annotations

from pathlib import Path

from mockforge_asgi.cli.report import table
from mockforge_asgi.config.builtin import builtin_plugins
from mockforge_asgi.plugins.package.package import read_package
from mockforge_asgi.text import escape


def plugin_folder(given: str) -> Path:
    """The folder or archive that is named; where there is none, the built-in plugin of that id."""
    path = Path(given).expanduser().absolute()
    return path if path.exists() else builtin_plugins().get(given, path)


def builtin_table() -> str:
    """The built-in plugins, one a line: what each is, and what must be installed for it."""
    rows = [("ID", "VERSION", "KINDS", "NEEDS", "DESCRIPTION")]
    for id, folder in builtin_plugins().items():
        manifest = read_package(folder, id).manifest
        wanted, missing = manifest.requires, manifest.requires.missing
        needs = f"{wanted.extra or ', '.join(wanted.modules)}{' (not installed)' if missing else ''}"
        rows.append((id, manifest.version, ", ".join(sorted(manifest.kinds)), needs, manifest.description))
    return escape(table(rows)) if len(rows) > 1 else "This installation has no built-in plugins."
