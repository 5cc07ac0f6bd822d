"""data-postgresql: queries of PostgreSQL. What all SQL sources do stands in `mockforge_plugin.engines.sql`."""

from __future__ import annotations

from mockforge_plugin.engines.sql.dialect import POSTGRESQL
from mockforge_plugin.engines.sql.plugin import SqlSource
from mockforge_plugin.engines.sql.settings import Settings

from .connection import PostgresqlConnection, connect


class DataPostgresql(SqlSource[PostgresqlConnection]):
    """See SqlSource."""

    dialect = POSTGRESQL
    port = 5432

    async def connected(self, settings: Settings, password: str | None, *, writes: bool) -> PostgresqlConnection:
        """See SqlSource."""
        return await connect(settings, password, writes=writes)
