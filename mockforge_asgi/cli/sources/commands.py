"""The commands below `mockforge source`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mockforge_asgi.cli.report import CONFIG_FILE, Command, Group, config_file

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mockforge_asgi.config import Config
    from mockforge_asgi.config.sources.objects import SourceConfig

_FILE = click.option("--file", metavar="FILE", help=f"The configuration.  [{CONFIG_FILE}]")


@click.group(cls=Group)
def source() -> None:
    """List, test and ask the data sources of a configuration."""


@source.command("list", cls=Command)
@click.argument("file", required=False, metavar=f"[{CONFIG_FILE}]")
def list_sources(file: str | None) -> None:
    """List the sources of a configuration and their queries."""
    from mockforge_asgi.cli.sources.shown import sources_text
    from mockforge_asgi.config import load_config

    click.echo(sources_text(load_config(config_file(file))))


@source.command(cls=Command)
@click.argument("name", required=False)
@click.argument("params", nargs=-1, metavar="[PARAMETER=VALUE]...")
@_FILE
def test(name: str | None, params: tuple[str, ...], file: str | None) -> None:
    """Start a source, or each of them, and try whether it answers.

    Its schema is read, and each query that reads is asked for one row, if all its parameters are given or may be left out. Nothing is
    written. Exit code 1 where something fails.
    """
    from mockforge_asgi.cli.sources.asking import source_of
    from mockforge_asgi.config import load_config

    if name is not None and "=" in name:
        raise click.UsageError(f"'{name}' is no source: write the name of one before parameters")
    config = load_config(config_file(file))
    given = values(params)
    wanted = [source_of(config, name)] if name is not None else [*config.sources.values()]
    if not wanted:
        click.echo(f"There are no data sources in {config.places.name}.")
    failed = [_test_of(config, each, given, has_title=name is None) for each in wanted]
    raise SystemExit(1 if any(failed) else 0)


def _test_of(config: Config, source: SourceConfig, given: Mapping[str, str], *, has_title: bool) -> bool:
    """Whether something failed; each finding is printed once it is there."""
    from mockforge_asgi.cli.sources.asking import Asked, ask
    from mockforge_asgi.cli.sources.trial import trial
    from mockforge_asgi.errors import MockForgeError
    from mockforge_asgi.text import escape

    async def all_of(asked: Asked) -> bool:
        has_failed = False
        async for finding in trial(asked, given):
            click.echo(escape(f"{lead}{finding}"))
            has_failed |= finding.verdict == "FAIL"
        return has_failed

    lead = f"{source.name}  " if has_title else ""
    try:
        return ask(config, source, all_of)
    except MockForgeError as error:
        if not has_title:
            raise
        click.echo(escape(f"{lead}FAIL  start  {error}"))
        return True


@source.command(cls=Command)
@click.argument("name")
@click.argument("table", required=False)
@_FILE
def schema(name: str, table: str | None, file: str | None) -> None:
    """Show the tables of a source, or one of them."""
    from mockforge_asgi.cli.sources.asking import ask, source_of
    from mockforge_asgi.cli.sources.shown import tables_text
    from mockforge_asgi.config import load_config
    from mockforge_asgi.errors import ConfigError

    config = load_config(config_file(file))
    tables = ask(config, source_of(config, name), lambda asked: asked.tables())
    wanted = [each for each in tables if table in (None, each["name"])]
    if table is not None and not wanted:
        raise ConfigError(f"source '{name}' has no table '{table}'. There are: {', '.join(each['name'] for each in tables) or 'none'}.")
    click.echo(tables_text(wanted))


@source.command(cls=Command)
@click.argument("query", metavar="SOURCE.QUERY")
@click.argument("params", nargs=-1, metavar="[PARAMETER=VALUE]...")
@click.option("--limit", type=click.IntRange(1, 100_000), help="The most rows of a page.  [that of the query]")
@click.option("--all", "every_page", is_flag=True, help="Every page, up to 100,000 rows.")
@click.option("--write", "may_write", is_flag=True, help="Run the query though it changes data.")
@click.option("--format", "form", type=click.Choice(["table", "json", "lines"]), default="table", help="How rows are printed.  [table]")
@_FILE
def query(query: str, params: tuple[str, ...], limit: int | None, every_page: bool, may_write: bool, form: str, file: str | None) -> None:
    """Run a named query.

    The rows go to standard output, their number and time to standard error. A query that changes data wants --write.
    """
    from mockforge_asgi.cli.sources.asking import ask, query_of, source_of
    from mockforge_asgi.cli.sources.shown import page_text, summary
    from mockforge_asgi.config import load_config
    from mockforge_asgi.errors import ConfigError

    config = load_config(config_file(file))
    name, dot, rest = query.partition(".")
    if not dot:
        raise click.UsageError(f"'{query}' names no query: write SOURCE.QUERY, such as shop.users")
    named = query_of(found := source_of(config, name), rest)
    if named.write and not may_write:
        raise ConfigError(f"'{query}' changes data. Run it with --write.")
    page = ask(config, found, lambda asked: asked.query(named, values(params), limit=limit, every_page=every_page))
    text = page_text(page, form)
    click.echo(text, nl=bool(text))
    click.echo(summary(page) + (": --all, or a higher --limit" if page.is_cut and not every_page else ""), err=True)


@source.command(cls=Command)
@click.argument("data", metavar="DATA_FILE")
@click.option(
    "--option", "options", multiple=True, metavar="NAME=VALUE", help="An option of its source, such as delimiter=';'; may be repeated."
)
@click.option("--rows", type=click.IntRange(0, 1000), default=5, help="How many rows are shown.  [5]")
def check(data: str, options: tuple[str, ...], rows: int) -> None:
    """Show how a data file is read: its columns, their types, and the first rows.

    DATA_FILE is a CSV, JSON, JSON Lines, XML, Excel or SQLite file; its ending says which.
    """
    from mockforge_asgi.cli.sources.file import look_at_file

    click.echo(look_at_file(data, values(options), rows))


def values(texts: tuple[str, ...]) -> dict[str, str]:
    """The values by name of texts such as `id=5`. Raises UsageError."""
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise click.UsageError(f"'{text}' is no parameter: write it as NAME=VALUE")
        found[name] = value
    return found
