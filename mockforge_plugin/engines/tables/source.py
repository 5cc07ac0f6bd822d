"""What all sources of tables share: how they are asked, and what they say of themselves. Where the database comes from is theirs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mockforge_plugin import DataSourcePlugin, Health, Json, PluginError, Table
from mockforge_plugin.engines.tables.database import Database
from mockforge_plugin.engines.tables.statements import Asked
from mockforge_plugin.tables import DataResult


class TableSource(DataSourcePlugin):
    """A source over one SQLite database; None while there is none."""

    database: Database | None = None
    problem: str = ""
    """Why there is no database, or why a newer one is not in use."""

    def capabilities(self) -> Mapping[str, Json]:
        """Queries end in time by themselves."""
        return {"keeps_deadlines": True}

    async def refresh(self, timeout_s: float) -> None:
        """See that the database is the one that is meant; called before each query, which waits for it."""

    def destroy(self) -> None:
        """Close the database."""
        if self.database is not None:
            self.database.close()
            self.database = None

    async def query(
        self,
        query: Json,
        params: Mapping[str, Json],
        *,
        limit: int = 100_000,
        cursor: str | None = None,
        types: Mapping[str, str] | None = None,
        name: str = "",
        order: Sequence[str] = (),
        write: bool = False,
        count: bool = False,
        max_bytes: int = 64 << 20,
        timeout_ms: int = 300_000,
    ) -> DataResult:
        """Rows of the tables."""
        await self.refresh(timeout_ms / 1000)
        if self.database is None:
            details: dict[str, Json] = {"busy": True, "retry_after_s": 1}
            raise PluginError(self.problem, code="unavailable", retryable=True, details=details)
        asked = Asked(query, params, types or {}, name, limit, cursor, tuple(order), write, count, max_bytes, timeout_ms)
        return await self.database.query(asked)

    def schema(self) -> list[Table]:
        """The tables that there are."""
        return [] if self.database is None else self.database.catalogue.document()

    def health(self) -> Health:
        """`down` without a database, `degraded` while an older one is in use."""
        if self.database is None:
            return Health("down", self.problem)
        return Health("degraded", f"{self.problem}; the last good one is in use") if self.problem else Health("ok")
