"""A mock over a source, and what its tests ask of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.support.postgresql import PASSWORD, Postgresql

SECRETS = {"shop_db": {"value": PASSWORD}}


def source(server: Postgresql, queries: Mapping[str, Any], *, limits: Mapping[str, Any] | None = None, **config: Any) -> dict[str, Any]:
    """The source `shop` as a configuration has it."""
    password = {"secret": "shop_db"}
    role = {"host": "127.0.0.1", "port": server.port, "database": "shop", "user": "reader", "password": password}
    made = {"use": "postgresql", "config": {**role, "write": {"user": "writer", "password": password}, **config}, "queries": queries}
    return {**made, "limits": limits} if limits else made


def mock(server: Postgresql, queries: Mapping[str, Any], routes: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """A whole configuration."""
    return {"version": 1, "secrets": SECRETS, "sources": {"shop": source(server, queries, **more)}, "routes": routes}
