"""A server that speaks MongoDB's protocol, and this source on it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
from pymongo import MongoClient

from tests.support.mongodb import MongoServer, mongodb
from tests.support.querying import Asking, asking

Opening = Callable[..., AbstractAsyncContextManager[Asking]]
Database = Any


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MongoServer]:
    """The server that the tests of this plugin share."""
    with mongodb(tmp_path_factory.mktemp("mongodb"), "--enable-test-commands") as made:
        yield made


@pytest.fixture(scope="package")
def client(server: MongoServer) -> Iterator[MongoClient[dict[str, Any]]]:
    """A client of the test's own."""
    with server.client(tz_aware=True, uuidRepresentation="standard") as made:
        yield made


@pytest.fixture
def database(client: MongoClient[dict[str, Any]]) -> Database:
    """The database `shop`, empty."""
    for name in client.shop.list_collection_names():
        client.shop.drop_collection(name)
    return client.shop


@pytest.fixture
def shop(server: MongoServer) -> Opening:
    """Opens the source with queries, and what else its configuration has."""

    @asynccontextmanager
    async def opening(queries: Mapping[str, Any], limits: Mapping[str, Any] | None = None, **config: Any) -> AsyncIterator[Asking]:
        settings = {"hosts": [server.host], "database": "shop", "write": {}, "connect_ms": 20_000, **config}
        source = {"use": "mongodb", "config": settings, "queries": queries, "limits": limits or {"timeout_ms": 20_000}}
        async with asking(source) as made:
            yield made

    return opening
