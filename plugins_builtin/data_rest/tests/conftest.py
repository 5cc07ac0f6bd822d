"""The API of somebody else, and this source on it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from mockforge_asgi.testing import Server
from plugins_builtin.data_rest.tests.api import Api, api_served
from tests.support.querying import Asking, asking

Opening = Callable[..., AbstractAsyncContextManager[Asking]]


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Api, Server]]:
    """The API and its server."""
    with api_served() as made:
        yield made


@pytest.fixture
def api(served: tuple[Api, Server]) -> Api:
    """The API, of which nothing was asked yet."""
    served[0].asked.clear()
    return served[0]


@pytest.fixture
def shop(served: tuple[Api, Server]) -> Opening:
    """Opens the source with queries, and what else its configuration has."""

    @asynccontextmanager
    async def opening(queries: Mapping[str, Any], limits: Mapping[str, Any] | None = None, **config: Any) -> AsyncIterator[Asking]:
        source = {
            "use": "rest",
            "config": {"url": f"{served[1].url}/v1", **config},
            "queries": queries,
            "limits": limits or {"timeout_ms": 20_000},
        }
        async with asking(source, secrets={"key": {"value": "hush/hush"}}) as made:
            yield made

    return opening
