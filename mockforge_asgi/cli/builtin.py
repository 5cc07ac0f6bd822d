"""Built-in plugins on the command line: their list, and an id where a folder is asked for."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from mockforge_asgi.cli.report import table
from mockforge_asgi.config.builtin import builtin_plugins
from mockforge_asgi.plugins.package.manifest import Manifest
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
        rows.append((id, manifest.version, ", ".join(sorted(manifest.kinds)), _needs(manifest), manifest.description))
    return escape(table(rows)) if len(rows) > 1 else "This installation has no built-in plugins."


def _needs(manifest: Manifest) -> str:
    """The extras: that of its modules (those without one come with this package), and `http` for what connects."""
    missing, network = manifest.requires.missing, manifest.permissions.asked.get("network")
    modules = manifest.requires.extra or ", ".join(missing)
    needs = [f"{modules} (not installed)" if missing else modules] if modules else []
    if network is not None:
        is_always = not network.config or not set(network.config).isdisjoint((manifest.config_schema or {}).get("required", ()))
        needs.append(
            "http" + ("" if find_spec("httpcore2") else " (not installed)") + ("" if is_always else f" for {', '.join(network.config)}")
        )
    return ", ".join(needs)
