"""The GraphQL API of somebody else, and this source on it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from mockforge_asgi.testing import Server
from plugins_builtin.data_graphql.tests.api import USERS, Api, api_served
from tests.support.querying import Asking, asking

Opening = Callable[..., AbstractAsyncContextManager[Asking]]


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Api, Server]]:
    """The API and its server."""
    with api_served() as made:
        yield made


@pytest.fixture
def api(served: tuple[Api, Server]) -> Iterator[Api]:
    """The API, of which nothing was asked yet."""
    served[0].asked.clear()
    yield served[0]
    del USERS[25:]


@pytest.fixture
def shop(served: tuple[Api, Server]) -> Opening:
    """Opens the source with queries: texts, or whole ones."""

    @asynccontextmanager
    async def opening(queries: Mapping[str, Any], path: str = "/graphql/", **config: Any) -> AsyncIterator[Asking]:
        source = {"use": "graphql", "config": {"url": f"{served[1].url}{path}", **config}, "queries": queries}
        async with asking({**source, "limits": {"timeout_ms": 20_000}}, secrets={"key": {"value": "hush/hush"}}) as made:
            yield made

    return opening
