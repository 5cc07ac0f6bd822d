"""`mockforge source check`: a data file, read as the source of its kind would read it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import yaml

from mockforge_asgi.cli.sources.asking import Asked, Page, ask, query_of, source_of
from mockforge_asgi.cli.sources.shown import page_text, summary, tables_text
from mockforge_asgi.config import load_config
from mockforge_asgi.errors import ConfigError
from mockforge_asgi.exact_json import Json

KINDS: Final[Mapping[str, str]] = {
    ".csv": "csv", ".tsv": "csv", ".json": "json", ".jsonl": "json", ".ndjson": "json", ".xml": "xml",
    ".xlsx": "excel", ".xls": "excel", ".xlsb": "excel", ".ods": "excel", ".db": "sqlite", ".sqlite": "sqlite", ".sqlite3": "sqlite",
}  # fmt: skip
"""The source of each ending."""


def look_at_file(path: str, options: Mapping[str, str], rows: int) -> str:
    """The tables of a file, and first rows of each. Raises ConfigError, above all for what the source cannot read."""
    file = Path(path)
    if (kind := KINDS.get(file.suffix.lower())) is None:
        raise ConfigError(f"'{path}' has no ending of a data file. Known: {', '.join(KINDS)}.")
    if not file.is_file():
        raise ConfigError(f"there is no file '{path}'.")
    config: dict[str, Json] = {"file": str(file.resolve()), **{name: _value(text) for name, text in options.items()}}
    tables = ask(whole := load_config(_with(kind, config, {})), source_of(whole, "data"), _tables)
    if not rows or not tables:
        return tables_text(tables)
    queries: dict[str, Json] = {f"q{n}": {"from": table["name"]} for n, table in enumerate(tables)}
    whole = load_config(_with(kind, config, queries))
    pages = ask(whole, source_of(whole, "data"), lambda asked: _first(asked, [*queries], rows))
    shown = [f"{table['name']}: {summary(page)}\n{page_text(page, 'table')}" for table, page in zip(tables, pages, strict=True)]
    return "\n\n".join([tables_text(tables), *shown])


def _value(text: str) -> Json:
    """An option as YAML reads it; `;` and `,` are no YAML, but text."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text


def _with(kind: str, config: Mapping[str, Json], queries: Mapping[str, Json]) -> dict[str, Json]:
    return {"version": 1, "sources": {"data": {"use": kind, "config": config, "queries": queries}}}


async def _tables(asked: Asked) -> list[dict[str, Json]]:
    tables, health = await asked.tables(), await asked.health()
    if health.get("status") != "ok":
        raise ConfigError(f"it cannot be read: {health.get('detail') or health['status']}")
    return tables


async def _first(asked: Asked, names: list[str], rows: int) -> list[Page]:
    return [await asked.query(query_of(asked.source, name), {}, limit=rows) for name in names]
