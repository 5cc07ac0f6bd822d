"""The commands below `mockforge plugin`."""

from __future__ import annotations

import click

from mockforge_asgi.cli.report import CONFIG_FILE, Command, Group, config_file, plugin_table, validation_text, warning_lines


@click.group(cls=Group)
def plugin() -> None:
    """Check, try and list plugins."""


@plugin.command(cls=Command)
@click.argument("folder")
def validate(folder: str) -> None:
    """Check a plugin's package, manifest and code, without running it.

    FOLDER may be the id of a built-in plugin, here and in `test` and `call`.
    """
    from mockforge_asgi.cli.builtin import plugin_folder
    from mockforge_asgi.plugins.package.static_checks import validate

    found = validate(plugin_folder(folder), folder.rstrip("/") or folder)
    click.echo(validation_text(found))
    click.echo("\n".join(warning_lines(found.warnings)), err=True, nl=bool(found.warnings))


_CONFIG = click.option("--config", metavar="JSON", help="Its configuration, or @file.  [that of its cases]")
_HOST_CALLS = click.option("--host-calls", metavar="JSON", help="What answers its host calls, or @file.  [that of its cases]")
_TRUST = click.option("--trust-native", is_flag=True, help="Run native code, unconfined.")


@plugin.command(cls=Command)
@click.argument("folder")
@_CONFIG
@_HOST_CALLS
@_TRUST
@click.option("-k", "only", default="", metavar="TEXT", help="Only cases with that in their name or operation.")
@click.option("--update", is_flag=True, help="Write what came into the file of cases.")
@click.option("--watch", is_flag=True, help="Run again after each edit in its folder.")
def test(folder: str, config: str | None, host_calls: str | None, trust_native: bool, only: str, update: bool, watch: bool) -> None:
    """Run a plugin's cases.

    They stand in cases.yaml or cases.json in its folder, and run as in production. Exit code 1 when one fails.
    """
    from mockforge_asgi.cli import trial

    run = trial.watch if watch else trial.test
    raise SystemExit(run(trial.TrialOptions(folder, config, host_calls, trust_native), only=only, update=update))


@plugin.command(cls=Command)
@click.argument("folder")
@click.argument("op")
@click.argument("document", required=False)
@_CONFIG
@_HOST_CALLS
@_TRUST
def call(folder: str, op: str, document: str | None, config: str | None, host_calls: str | None, trust_native: bool) -> None:
    """Run one operation of a plugin.

    DOCUMENT is JSON, - for standard input, or @file; what a request always has is filled in. The answer goes to standard output; time,
    slices, memory and log lines go to standard error. The operation `describe` asks what the plugin is.
    """
    from mockforge_asgi.cli.trial import TrialOptions, call

    raise SystemExit(call(TrialOptions(folder, config, host_calls, trust_native), op, document))


@plugin.command("list", cls=Command)
@click.argument("file", required=False, metavar=f"[{CONFIG_FILE}]")
@click.option("--builtin", is_flag=True, help="List those that ship with mockforge, which `use: ID` names.")
def list_plugins(file: str | None, builtin: bool) -> None:
    """List the plugins of a configuration."""
    if builtin:
        from mockforge_asgi.cli.builtin import builtin_table

        click.echo(builtin_table())
        return
    from mockforge_asgi.config import load_config
    from mockforge_asgi.plugins.consistency import check_plugins

    config = load_config(config_file(file))
    click.echo(plugin_table(config, check_plugins(config)))
