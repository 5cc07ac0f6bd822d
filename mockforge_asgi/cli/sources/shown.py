"""Sources, tables and rows as text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from mockforge_asgi.cli.report import table
from mockforge_asgi.cli.sources.asking import Page
from mockforge_asgi.config import Config, PluginUse
from mockforge_asgi.config.sources.objects import NamedQuery
from mockforge_asgi.exact_json import Json, dumps
from mockforge_asgi.text import escape

_WIDTH: Final = 60
"""The longest value that is shown whole in a table."""


def sources_text(config: Config) -> str:
    """Every source with its queries, and what each wants."""
    if not config.sources:
        return f"There are no data sources in {config.places.name}."
    rows = [("SOURCE", "USES", "QUERY", "PARAMETERS", "WHAT")]
    for source in config.sources.values():
        uses = _uses(config.plugins[source.plugin])
        rows += [(source.name, uses, name, parameters(query), _kind(query)) for name, query in source.queries.items()]
        rows += [] if source.queries else [(source.name, uses, "-", "", "no named query")]
    return escape(table(rows))


def _uses(plugin: PluginUse) -> str:
    """What stands at `use`: the name of a built-in source, or where another one is."""
    return plugin.use.removeprefix("data-") if plugin.is_builtin else plugin.use


def parameters(query: NamedQuery) -> str:
    """Names and types; those that may be left out in brackets."""
    texts = (f"{name}: {about.type}" for name, about in query.params.items())
    return ", ".join(t if about.is_required else f"[{t}]" for t, about in zip(texts, query.params.values(), strict=True))


def _kind(query: NamedQuery) -> str:
    kept = f", kept {query.cache_s:g} s" if query.cache_s else ""
    return ("writes" if query.write else f"at most {query.limit} rows") + kept


def tables_text(tables: Iterable[Mapping[str, Json]]) -> str:
    """Tables with their columns."""
    rows = [("TABLE", "COLUMN", "TYPE", "")]
    for each in tables:
        for column in each.get("columns", ()):
            notes = ["key"] * (column["name"] in each.get("primary_keys", ())) + ["may be null"] * column.get("nullable", True)
            rows.append((each["name"], column["name"], column.get("type", "text"), ", ".join(notes)))
    return escape(table(rows)) if len(rows) > 1 else "There are no tables."


def page_text(page: Page, form: str) -> str:
    """The rows as `table`, as one `json` list, or as JSON `lines`."""
    if form == "json":
        return dumps(page.rows).decode()
    if form == "lines":
        return "\n".join(dumps(record).decode() for record in page.rows)
    names = page.columns or tuple(dict.fromkeys(name for row in page.rows for name in row))
    rows = [[_cell(record.get(name)) for name in names] for record in page.rows]
    return escape(table([list(names), *rows])) if names else ""


def _cell(value: Json) -> str:
    text = value if isinstance(value, str) else "" if value is None else dumps(value).decode()
    text = escape(text.replace("\r", "\\r").replace("\n", "\\n"))
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 1]}…"


def summary(page: Page) -> str:
    """How many rows came, and whether there are more."""
    rows = counted(len(page.rows), "row") + (f", {page.affected} changed" if page.affected is not None else "")
    return f"{rows} in {page.took_s * 1000:.1f} ms{'; there are more' if page.is_cut else ''}"


def counted(number: int, noun: str) -> str:
    """`1 row`, `2 rows`."""
    return f"{number} {noun}{'s' * (number != 1)}"
