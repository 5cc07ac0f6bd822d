"""`mockforge source test`: whether a source answers, and which of its queries do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from time import perf_counter

from mockforge_asgi.cli.sources.asking import Asked
from mockforge_asgi.cli.sources.shown import counted, summary
from mockforge_asgi.config.parsing.pydantic_errors import suggest
from mockforge_asgi.config.sources.objects import NamedQuery
from mockforge_asgi.errors import MockForgeError
from mockforge_asgi.exact_json import Json


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was tried: `ok`, `FAIL`, `warn` for what is likely wrong, or `-` for what was left out."""

    verdict: str
    what: str
    words: str

    def __str__(self) -> str:
        return f"{self.verdict:4}  {self.what}  {self.words}"


async def trial(asked: Asked, given: Mapping[str, str]) -> AsyncIterator[Finding]:
    """What came of each step; queries that write are never run, nor those that want parameters which are not given."""
    began, tables = perf_counter(), list[dict[str, Json]]()
    try:
        tables = await asked.tables()
        yield Finding("ok", "schema", f"{counted(len(tables), 'table')} in {(perf_counter() - began) * 1000:.1f} ms")
    except MockForgeError as error:
        yield Finding("FAIL", "schema", str(error))
    health = await asked.health()
    is_well = health.get("status") == "ok"
    yield Finding("ok" if is_well else "FAIL", "health", " ".join(str(health[key]) for key in ("status", "detail") if health.get(key)))
    for query in asked.source.queries.values():
        for words in unknown_names(query, tables):
            yield Finding("warn", f"query {query.name}", words)
        yield await _tried(asked, query, given)


async def _tried(asked: Asked, query: NamedQuery, given: Mapping[str, str]) -> Finding:
    what = f"query {query.name}"
    if query.write:
        return Finding("-", what, "writes, so it was not run")
    params: dict[str, Json] = {name: given[name] for name in query.params if name in given}
    if missing := [name for name, about in query.params.items() if about.is_required and name not in given]:
        return Finding("-", what, f"was not run: give {' '.join(f'{name}=VALUE' for name in missing)}")
    try:
        return Finding("ok", what, summary(await asked.query(query, params, limit=1)))
    except MockForgeError as error:
        return Finding("FAIL", what, str(error))


def unknown_names(query: NamedQuery, tables: Iterable[Mapping[str, Json]]) -> Iterator[str]:
    """Columns that a portable query names and its table, as the schema has it, does not have.

    A condition that may be left out is not part of the query that is tried, so a slip in it would show only to the client that uses it.
    """
    body = query.query if query.is_portable and isinstance(query.query, Mapping) else {}
    table = next((each for each in tables if each["name"] == body.get("from")), None)
    if table is None or not table.get("columns"):
        return
    known = {column["name"].casefold(): column["name"] for column in table["columns"]}
    named = [*body.get("columns", ()), *body.get("where", ()), *body.get("insert", ()), *body.get("update", ())]
    named += [*query.key, *sorted(query.sort), *(name.removeprefix("-") for name in query.order)]
    for name in dict.fromkeys(map(str, named)):
        if name.casefold() not in known:
            yield f"the table '{table['name']}' has no column '{name}'. {suggest(name, known.values())}".rstrip()
