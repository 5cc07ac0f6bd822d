"""`mockforge source check`: a data file, read as the source of its kind would read it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import yaml

from mockforge_asgi.cli.sources.asking import Asked, Page, ask, query_of, source_of
from mockforge_asgi.cli.sources.hints import SAMPLE_ROWS, hints
from mockforge_asgi.cli.sources.shown import counted, page_text, tables_text
from mockforge_asgi.config import load_config
from mockforge_asgi.errors import ConfigError
from mockforge_asgi.exact_json import Json
from mockforge_asgi.text import escape

KINDS: Final[Mapping[str, str]] = {
    ".csv": "csv", ".tsv": "csv", ".json": "json", ".jsonl": "json", ".ndjson": "json", ".xml": "xml",
    ".xlsx": "excel", ".xls": "excel", ".xlsb": "excel", ".ods": "excel", ".db": "sqlite", ".sqlite": "sqlite", ".sqlite3": "sqlite",
}  # fmt: skip
"""The source of each ending."""


def look_at_file(path: str, options: Mapping[str, str], rows: int) -> str:
    """The tables of a file, first rows of each, what is worth a look, and the lines for a configuration.

    Raises ConfigError, above all for what the source cannot read.
    """
    file = Path(path)
    if (kind := KINDS.get(file.suffix.lower())) is None:
        raise ConfigError(f"'{path}' has no ending of a data file. Known: {', '.join(KINDS)}.")
    if not file.is_file():
        raise ConfigError(f"there is no file '{path}'.")
    config: dict[str, Json] = {"file": str(file.resolve()), **{name: _value(text) for name, text in options.items()}}
    tables = ask(whole := load_config(_with(kind, config, {})), source_of(whole, "data"), _tables)
    if not tables:
        return tables_text(tables)
    queries: dict[str, Json] = {f"q{n}": {"from": table["name"]} for n, table in enumerate(tables)}
    whole = load_config(_with(kind, config, queries))
    pages = ask(whole, source_of(whole, "data"), lambda asked: _first(asked, [*queries], max(rows, SAMPLE_ROWS)))
    parts = [tables_text(tables)]
    for table, page in zip(tables, pages, strict=True):
        name = table["name"]
        parts += [_shown(name, page, rows)] if rows else []
        if found := [f"  - {escape(hint)}" for hint in hints(kind, config, page)]:
            parts.append("\n".join([f"{escape(name)}: worth a look", *found]))
    return "\n\n".join([*parts, _snippet(file, kind, {**config, "file": path}, tables)])


def _shown(name: str, page: Page, rows: int) -> str:
    shown = replace(page, rows=page.rows[:rows])
    many = f"more than {len(page.rows)} rows" if page.is_cut else counted(len(page.rows), "row")
    which = "" if len(page.rows) <= rows else f"; the first {rows}:"
    return f"{escape(name)}: {many}{which}\n{page_text(shown, 'table')}"


def _snippet(file: Path, kind: str, config: Mapping[str, Json], tables: list[dict[str, Json]]) -> str:
    """What makes the file a source, to be pasted."""
    names = _identifiers([table["name"] for table in tables])
    queries = {name: {"from": table["name"]} for name, table in zip(names, tables, strict=True)}
    source = {_identifiers([file.stem])[0]: {"use": kind, "config": dict(config), "queries": queries}}
    return "For mockforge.yaml:\n\n" + escape(yaml.safe_dump({"sources": source}, sort_keys=False, allow_unicode=True, width=200)).rstrip()


def _identifiers(names: Sequence[str]) -> list[str]:
    """Names as queries and sources may have them, each once."""
    found = list[str]()
    for name in names:
        word = re.sub("[^a-z0-9_]+", "_", name.lower()).strip("_") or "table"
        word = word if word[0].isalpha() else f"t_{word}"
        found.append(word if word not in found else f"{word}_{len(found) + 1}")
    return found


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
