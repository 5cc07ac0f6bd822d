"""The commands below `mockforge plugin`."""

from __future__ import annotations

from pathlib import Path

import click

from mockforge_asgi.cli.report import CONFIG_FILE, Command, Group, config_file, plugin_table, validation_text, warning_lines


@click.group(cls=Group)
def plugin() -> None:
    """Check and list plugins."""


@plugin.command(cls=Command)
@click.argument("folder")
def validate(folder: str) -> None:
    """Check a plugin's package, manifest and code, without running it."""
    from mockforge_asgi.plugins.validation import validate

    found = validate(Path(folder).expanduser().absolute(), folder.rstrip("/") or folder)
    click.echo(validation_text(found))
    click.echo("\n".join(warning_lines(found.warnings)), err=True, nl=bool(found.warnings))


@plugin.command("list", cls=Command)
@click.argument("file", required=False, metavar=f"[{CONFIG_FILE}]")
def list_plugins(file: str | None) -> None:
    """List the plugins of a configuration."""
    from mockforge_asgi.config import load_config
    from mockforge_asgi.plugins.approval import examine

    config = load_config(config_file(file))
    click.echo(plugin_table(config, examine(config)))
