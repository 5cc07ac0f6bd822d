"""data-mysql: queries of MySQL and MariaDB. What all SQL sources do stands in `mockforge_plugin.engines.sql`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mockforge_plugin.engines.sql.dialect import MYSQL
from mockforge_plugin.engines.sql.plugin import SqlSource
from mockforge_plugin.engines.sql.settings import Settings

from .connection import MysqlConnection, connect
from .zones import session_zone


class DataMysql(SqlSource[MysqlConnection]):
    """See SqlSource."""

    dialect = MYSQL
    port = 3306

    def validate_config(self, config: Mapping[str, Any]) -> list[tuple[str, str]]:
        """See SqlSource."""
        found = super().validate_config(config)
        try:
            session_zone(config.get("time_zone", "UTC"))
        except ValueError as error:
            found.append(("time_zone", str(error)))
        return found

    async def connected(self, settings: Settings, password: str | None, *, writes: bool) -> MysqlConnection:
        """See SqlSource."""
        return await connect(settings, password, frozenset(self.config.get("documents") or ()), writes=writes)
