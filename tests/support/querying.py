"""A data source as it runs: a configuration, its plugin, and queries put to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from mockforge_asgi.config import load_config
from mockforge_asgi.errors import HostCallError, PluginFailed
from mockforge_asgi.runtime import PluginRuntime


class Asking:
    """Puts queries to the source `s`."""

    def __init__(self, runtime: PluginRuntime) -> None:
        self.runtime = runtime

    async def result(self, query: str, params: Mapping[str, Any] | None = None, **options: Any) -> dict[str, Any]:
        """The whole result of a named query, or with `raw` of a text."""
        return await self.runtime.sources.query("s", query, params or {}, **options)

    async def rows(self, query: str, params: Mapping[str, Any] | None = None, **options: Any) -> list[Any]:
        """Its rows, as objects by column name."""
        result = await self.result(query, params, **options)
        if result.get("documents"):
            return list(result["rows"])
        names = [column["name"] for column in result["columns"]]
        return [dict(zip(names, row, strict=True)) for row in result["rows"]]

    async def schema(self) -> dict[str, dict[str, str]]:
        """Its tables, each with the types of its columns."""
        told = await self.runtime.plugin("s").schema()
        return {table["name"]: {column["name"]: column["type"] for column in table["columns"]} for table in told["tables"]}

    async def refused(self, query: str, params: Mapping[str, Any] | None = None, **options: Any) -> Refused:
        """How it fails."""
        try:
            result = await self.result(query, params, **options)
        except HostCallError as error:
            return Refused(error)
        raise AssertionError(f"it answered: {str(result)[:500]}")


class Refused:
    """A query that failed: its code, what whoever asked is told, and the operator's reason."""

    def __init__(self, error: HostCallError) -> None:
        cause = error.__cause__
        self.code, self.told, self.error = error.code, error.message, error
        self.why = cause.message if isinstance(cause, PluginFailed) else ""


@asynccontextmanager
async def asking(source: Mapping[str, Any], **config: Any) -> AsyncIterator[Asking]:
    """That source under the name `s`, started; stopped at the end."""
    runtime = PluginRuntime(load_config({"version": 1, "sources": {"s": source}, **config}))
    await runtime.start()
    try:
        yield Asking(runtime)
    finally:
        await runtime.stop()
