"""`mockforge source test`: whether a source answers, and which of its queries do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from time import perf_counter

from mockforge_asgi.cli.sources.asking import Asked
from mockforge_asgi.cli.sources.shown import counted, summary
from mockforge_asgi.config.sources.objects import NamedQuery
from mockforge_asgi.errors import MockForgeError
from mockforge_asgi.exact_json import Json


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was tried: `ok`, `FAIL`, or `-` for what was left out."""

    verdict: str
    what: str
    words: str

    def __str__(self) -> str:
        return f"{self.verdict:4}  {self.what}  {self.words}"


async def trial(asked: Asked, given: Mapping[str, str]) -> AsyncIterator[Finding]:
    """What came of each step; queries that write are never run, nor those that want parameters which are not given."""
    began = perf_counter()
    try:
        tables = await asked.tables()
        yield Finding("ok", "schema", f"{counted(len(tables), 'table')} in {(perf_counter() - began) * 1000:.1f} ms")
    except MockForgeError as error:
        yield Finding("FAIL", "schema", str(error))
    health = await asked.health()
    is_well = health.get("status") == "ok"
    yield Finding("ok" if is_well else "FAIL", "health", " ".join(str(health[key]) for key in ("status", "detail") if health.get(key)))
    for query in asked.source.queries.values():
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
