"""The plugin that an SQL source is, but for its driver."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from mockforge_plugin.engines.sql.connections import Connection
from mockforge_plugin.engines.sql.dialect import Dialect
from mockforge_plugin.engines.sql.engine import Asked, Engine
from mockforge_plugin.engines.sql.failures import SqlError
from mockforge_plugin.engines.sql.settings import Settings, problems, read_settings
from mockforge_plugin.host import secret
from mockforge_plugin.plugin import DataSourcePlugin
from mockforge_plugin.tables import DataResult, Table
from mockforge_plugin.values import Health, Json

C = TypeVar("C", bound=Connection)


class SqlSource(DataSourcePlugin, Generic[C]):
    """Named queries of an SQL database. Connections are opened when queries need them: a server that is down hinders no start."""

    dialect: ClassVar[Dialect]
    port: ClassVar[int]
    """Where the server listens unless the configuration says otherwise."""

    async def connected(self, settings: Settings, password: str | None, *, writes: bool) -> C:
        """A new connection. Raises SqlError."""
        raise NotImplementedError

    def validate_config(self, config: Mapping[str, Any]) -> list[tuple[str, str]]:
        """What a schema cannot say."""
        return list(problems(config))

    def capabilities(self) -> Mapping[str, Json]:
        """Its queries end in time by themselves."""
        return {"keeps_deadlines": True}

    def init(self) -> None:
        """Read what is configured; nothing is connected."""
        self.settings = read_settings(self.config, port=self.port)
        self.engine: Engine[C] = Engine(self.settings, self.dialect, self._open)

    async def query(
        self,
        query: Any,
        params: Mapping[str, Any],
        *,
        limit: int = 1000,
        cursor: str | None = None,
        types: Mapping[str, str] | None = None,
        name: str = "",
        order: Sequence[str] = (),
        write: bool = False,
        count: bool = False,
        max_bytes: int = 64 << 20,
        timeout_ms: int = 30_000,
    ) -> DataResult:
        """See DataSourcePlugin."""
        return await self.engine.query(Asked(query, params, types or {}, name, limit, cursor, order, write, count, max_bytes, timeout_ms))

    async def schema(self) -> Sequence[Table]:
        """The tables that the role for reading may read."""
        return await self.engine.tables(Asked("", {}, timeout_ms=5000))

    def health(self) -> Health:
        """`down` while the last query found no server."""
        engine, pools = self.engine, f"reading: {self.engine.readers}"
        if self.settings.writer is not None:
            pools += f"; writing: {engine.writers}"
        return Health("down", f"{engine.trouble}; {pools}") if engine.trouble else Health("ok", pools)

    async def destroy(self) -> None:
        """Close all connections, where there are any: also after a configuration that was refused."""
        if hasattr(self, "engine"):
            await self.engine.close()

    async def _open(self, writes: bool) -> C:
        role = self.settings.writer if writes else self.settings.reader
        assert role is not None, "no query writes without a role for it"
        given = role.secret and secret(role.secret)
        try:
            return await self.connected(self.settings, given, writes=writes)
        except SqlError as error:
            if not error.is_login or role.secret is None or (now := secret(role.secret, again=True)) == given:
                raise
        return await self.connected(self.settings, now, writes=writes)
