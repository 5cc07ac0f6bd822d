"""A data source called `shop` in a runtime of its own, and what tests ask of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from mockforge_asgi import PluginRuntime
from mockforge_asgi.errors import PluginFailed, SourceFailed


def route(method: str, path: str, query: str, **response: Any) -> dict[str, Any]:
    """A route that answers with a query's rows."""
    return {"match": {"method": method, "path": path}, "response": {"data": f"shop.{query}", **response}}


@asynccontextmanager
async def running(config: Mapping[str, Any]) -> AsyncIterator[PluginRuntime]:
    """The runtime of a configuration."""
    runtime = PluginRuntime(config)
    await runtime.start()
    try:
        yield runtime
    finally:
        await runtime.stop()


async def rows(runtime: PluginRuntime, query: str, _params: Mapping[str, Any] | None = None, /, **options: Any) -> list[Any]:
    """The rows of a query of the source `shop`."""
    return list((await runtime.sources.query("shop", query, _params or {}, **options))["rows"])


async def failure(runtime: PluginRuntime, query: str, _params: Mapping[str, Any] | None = None, /, **options: Any) -> tuple[str, str]:
    """(code, what the operator is told) of a query that fails."""
    with pytest.raises(SourceFailed) as caught:
        await runtime.sources.query("shop", query, _params or {}, **options)
    cause = caught.value.__cause__
    return caught.value.code, cause.message if isinstance(cause, PluginFailed) else caught.value.message
