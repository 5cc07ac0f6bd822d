"""Files as the tables engine sees them, without a server: built into a database in a folder of the test, and asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mockforge_plugin.engines.tables.build import TableOptions, build
from mockforge_plugin.engines.tables.database import Access, Database
from mockforge_plugin.engines.tables.sheets import Reader, Sheet
from mockforge_plugin.engines.tables.statements import Asked

EVERYTHING = 100_000


def asked(query: Any, params: Mapping[str, Any] | None = None, **options: Any) -> Asked:
    """A named query."""
    return Asked(query, params or {}, options.pop("types", {}), options.pop("name", "q"), **options)


@contextmanager
def built(sheets: Sequence[Sheet], folder: Path, config: Mapping[str, Any] | None = None) -> Iterator[Database]:
    """The sheets as a database that is asked."""
    target = folder / "built.db"
    target.unlink(missing_ok=True)
    build(sheets, TableOptions.of(config or {}), target)
    database = Database(target, Access(is_immutable=True, threads=2))
    try:
        yield database
    finally:
        database.close()


@contextmanager
def opened(reader: Reader, path: Path, config: Mapping[str, Any] | None = None) -> Iterator[Database]:
    """A file as a database that is asked, beside itself."""
    with built(reader(path, config or {}), path.parent, config) as database:
        yield database


async def table(database: Database, name: str, **options: Any) -> tuple[dict[str, str], list[list[Any]]]:
    """(type by column, rows) of a whole table."""
    found = await database.query(asked({"from": name}, **options))
    return {column.name: column.type for column in found.columns}, [list(row) for row in found.rows if not isinstance(row, Mapping)]
