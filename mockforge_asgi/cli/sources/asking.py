"""A data source of a configuration that is started by itself: its plugin and what that depends on, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from difflib import get_close_matches
from time import perf_counter
from typing import Final, TypeVar

import click

from mockforge_asgi.config import Config, PluginUse
from mockforge_asgi.config.sources.objects import NamedQuery, SourceConfig
from mockforge_asgi.errors import ConfigError, HostCallError, PluginFailed
from mockforge_asgi.events import Compiling, Event, EventStream, GuestLogged
from mockforge_asgi.exact_json import Json
from mockforge_asgi.plugins.consistency import check_plugins
from mockforge_asgi.runtime.runtime import PluginRuntime
from mockforge_asgi.sources.records import records, written_numbers
from mockforge_asgi.telemetry.log import line_of
from mockforge_asgi.text import escape

MAX_ROWS: Final = 100_000
"""The most rows of all pages together."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page:
    """What a query gave: names of columns, rows as objects, and whether there are more."""

    columns: tuple[str, ...]
    rows: list[dict[str, Json]]
    is_cut: bool
    affected: int | None
    took_s: float


class Asked:
    """A source that runs. Every method raises ConfigError where the source fails, with what its plugin says of it."""

    def __init__(self, runtime: PluginRuntime, source: SourceConfig) -> None:
        self._runtime, self.source = runtime, source

    async def query(self, query: NamedQuery, params: Mapping[str, Json], *, limit: int | None = None, every_page: bool = False) -> Page:
        """Rows of a named query: of the first page, or of all, at most `MAX_ROWS`."""
        began, rows, cursor = perf_counter(), list[dict[str, Json]](), None
        while True:
            asked = self._runtime.sources.query(self.source.name, query.name, params, limit=limit, cursor=cursor)
            result = await _told(self.source.name, query.name, asked)
            rows += records(result, written_numbers)
            cursor = result.get("next")
            if cursor is None or not every_page or len(rows) >= MAX_ROWS:
                break
        names = tuple(column["name"] for column in result["columns"])
        is_cut = cursor is not None or bool(result.get("truncated"))
        return Page(names, rows[:MAX_ROWS], is_cut, result.get("affected"), perf_counter() - began)

    async def tables(self) -> list[dict[str, Json]]:
        """What the source says that it has; each has `name`, `columns`, `primary_keys`."""
        found = await _told(self.source.name, "its schema", self._runtime.plugin(self.source.plugin).schema())
        return list(found.get("tables", ())) if isinstance(found, dict) else list(found)

    async def health(self) -> dict[str, Json]:
        """`status` and `detail`."""
        return dict(await _told(self.source.name, "its health", self._runtime.plugin(self.source.plugin).health()))


async def _told(source: str, query: str, asked: Awaitable[T]) -> T:
    try:
        return await asked
    except (HostCallError, PluginFailed) as error:
        cause = error.__cause__ if isinstance(error.__cause__, PluginFailed) else error
        text = f"source '{source}', {query}: {cause.message} ({error.code})"
        frames = cause.author_traceback if isinstance(cause, PluginFailed) and cause.code == "internal" else ""
        raise ConfigError(f"{text}\n{frames}" if frames else text) from error


def source_of(config: Config, name: str) -> SourceConfig:
    """The source of that name. Raises ConfigError."""
    if (found := config.sources.get(name)) is None:
        raise ConfigError(f"there is no data source '{name}' in {config.places.name}.{_instead(name, config.sources)}")
    return found


def query_of(source: SourceConfig, name: str) -> NamedQuery:
    """The named query. Raises ConfigError."""
    if (found := source.queries.get(name)) is None:
        raise ConfigError(f"data source '{source.name}' has no query '{name}'.{_instead(name, source.queries)}")
    return found


def _instead(name: str, known: Mapping[str, object]) -> str:
    if close := get_close_matches(name, known, n=1):
        return f" Did you mean '{close[0]}'?"
    return f" There are: {', '.join(known)}." if known else " There are none."


@asynccontextmanager
async def started(config: Config, source: SourceConfig) -> AsyncIterator[Asked]:
    """The source, started and stopped. Raises MockForgeError."""
    only = replace(config, plugins=_needed(config, source.plugin), routes=(), protect=(), dev=False)
    runtime = PluginRuntime(only, events=_heard(config.plugins[source.plugin]))
    await runtime.start()
    try:
        yield Asked(runtime, source)
    finally:
        await runtime.stop()


def _heard(plugin: PluginUse) -> EventStream:
    """Events of a run that tells failures itself: on standard error are shown what a plugin of one's own prints, and what is compiled."""
    stream = EventStream()
    if not plugin.is_builtin:
        stream.subscribe(_say)
    return stream


def _say(event: Event) -> None:
    if isinstance(event, GuestLogged | Compiling):
        click.echo(escape(line_of(event)[1]), err=True)


def ask(config: Config, source: SourceConfig, what: Callable[[Asked], Awaitable[T]]) -> T:
    """What comes of asking a source that is started for it. Raises MockForgeError."""

    async def run() -> T:
        async with started(config, source) as asked:
            return await what(asked)

    return asyncio.run(run())


def _needed(config: Config, name: str) -> dict[str, PluginUse]:
    """The plugin, and those that it depends on."""
    authorized = check_plugins(config).authorized
    needed, waiting = dict[str, PluginUse](), [name]
    while waiting:
        at = waiting.pop()
        needed[at] = config.plugins[at]
        ids = {wanted.id for wanted in authorized[at].manifest.dependencies} if at in authorized else set()
        waiting += [other for other, found in authorized.items() if found.manifest.id in ids and other not in needed]
    return needed
