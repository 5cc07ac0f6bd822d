"""The commands `serve`, `init`, `check`, `routes`, `schema`, `version` and the group that holds all.

`plugin` is in `plugin.py`, `source` in `sources/`.
"""

from __future__ import annotations

import json
import platform
from importlib import metadata
from pathlib import Path
from typing import Literal

import click

import mockforge_asgi
from mockforge_asgi.cli.plugin import plugin
from mockforge_asgi.cli.report import CONFIG_FILE, Command, Group, config_file, report_text, warning_lines
from mockforge_asgi.cli.sources.commands import source

_LIBRARIES = ("wasmtime", "starlette", "jinja2", "orjson", "uvicorn")


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(mockforge_asgi.__version__, prog_name="mockforge", message="%(prog)s %(version)s")
def mockforge() -> None:
    """Mock APIs whose plugins sit in the path of every request."""


@mockforge.command(cls=Command)
@click.argument("file", required=False, metavar=f"[{CONFIG_FILE}]")
@click.option("--host", help="Address to listen on.  [127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on; 0 for a free one.  [8000]")
@click.option("--workers", type=click.IntRange(1, 256), help="Worker processes.  [1]")
@click.option("--reload", is_flag=True, help="Development: edits of plugins and of the configuration apply from the next request.")
@click.option("--ssl-keyfile", type=click.Path(path_type=Path), help="TLS key.")
@click.option("--ssl-certfile", type=click.Path(path_type=Path), help="TLS certificate.")
@click.option("--log-format", type=click.Choice(["text", "json"]), help="How log lines look.  [text]")
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), help="The least that is logged.  [info]")
def serve(
    file: str | None,
    host: str | None,
    port: int | None,
    workers: int | None,
    reload: bool,
    ssl_keyfile: Path | None,
    ssl_certfile: Path | None,
    log_format: Literal["text", "json"] | None,
    log_level: Literal["debug", "info", "warning", "error"] | None,
) -> None:
    """Serve the API that a configuration describes.

    The options win over the file's `server:` section; brackets show what holds without either.
    """
    from mockforge_asgi.cli.serve import ServeOptions, serve

    options = ServeOptions(config_file(file), host, port, workers, reload, ssl_keyfile, ssl_certfile, log_format, log_level)
    raise SystemExit(serve(options))


@mockforge.command(cls=Command)
@click.argument("folder", required=False, type=click.Path(path_type=Path))
def init(folder: Path | None) -> None:
    """Write a configuration to begin with.

    It has one route of each kind, with comments, and a small plugin. What is there is never overwritten.
    """
    from mockforge_asgi.cli.init import init

    for path in init(folder or Path()):
        click.echo(f"wrote {path}")
    click.echo(f"Serve it:  mockforge serve --reload{f' {folder}' if folder else ''}")


@mockforge.command(cls=Command)
@click.argument("file", required=False, metavar=f"[{CONFIG_FILE}]")
def check(file: str | None) -> None:
    """Check a configuration and its plugins.

    Routes, templates, manifests, grants and code are checked. Built-in plugins are asked what is wrong with their configuration; no other
    plugin is run, and what it finds wrong itself is told when it starts.
    """
    from mockforge_asgi.cli.findings import look_at
    from mockforge_asgi.middleware import MockForge
    from mockforge_asgi.plugins.builtin_config import check_builtin_configs
    from mockforge_asgi.plugins.package.static_checks import check_code
    from mockforge_asgi.security.secrets import unreadable

    config, report = look_at(config_file(file), look=lambda config, found: check_builtin_configs(config, check_code(found)))
    if not report.refused:
        MockForge(config=config)  # refuses routes and templates that cannot be used
    click.echo(report_text(config, report), err=bool(report.refused))
    warnings = [*report.warnings, *unreadable(config.secrets, places=config.places)]
    click.echo("\n".join(warning_lines(warnings)), err=True, nl=bool(warnings))
    raise SystemExit(1 if report.refused else 0)


@mockforge.command(cls=Command)
@click.argument("method", required=False)
@click.argument("path", required=False)
@click.option("--header", "-H", "headers", multiple=True, metavar="'NAME: VALUE'", help="A header of the request; may be repeated.")
@click.option("--body", "-d", default="", metavar="JSON", help="The body of the request.")
@click.option("--file", metavar="FILE", help=f"The configuration.  [{CONFIG_FILE}]")
def routes(method: str | None, path: str | None, headers: tuple[str, ...], body: str, file: str | None) -> None:
    """Say which route answers a request, and why no other.

    Without METHOD and PATH, list all routes. Plugins are not run; exit code 1 where no route answers.
    """
    from mockforge_asgi.cli.routes import Question, decided, listed
    from mockforge_asgi.config import load_config

    config = load_config(config_file(file))
    if method is None:
        click.echo(listed(config))
        return
    if path is None:
        raise click.UsageError("a method wants a path: mockforge routes GET /users/7")
    text, is_found = decided(config, Question(method, path, headers, body))
    click.echo(text)
    raise SystemExit(0 if is_found else 1)


@mockforge.command(cls=Command)
@click.argument("which", type=click.Choice(["manifest", "config"]))
def schema(which: Literal["manifest", "config"]) -> None:
    """Print a JSON Schema, for editors.

    Of plugin.yaml (manifest) or mockforge.yaml (config).
    """
    from mockforge_asgi.plugins.package.schemas import json_schema

    click.echo(json.dumps(json_schema(which), indent=2, ensure_ascii=False))


@mockforge.command(cls=Command)
def version() -> None:
    """Print the versions of this installation."""
    click.echo(f"mockforge {mockforge_asgi.__version__}")
    click.echo(f"Python {platform.python_version()} on {platform.system()} {platform.machine()}")
    for name in _LIBRARIES:
        try:
            click.echo(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            click.echo(f"{name} is not installed")


mockforge.add_command(plugin)
mockforge.add_command(source)
