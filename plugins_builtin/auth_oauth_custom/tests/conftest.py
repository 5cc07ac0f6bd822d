"""A provider for the tests of this plugin."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
import pytest_asyncio

from mockforge_asgi import MockForge
from mockforge_asgi.testing import Client
from plugins_builtin.auth_oauth_custom.tests.github_app import CALLBACK, app, settings
from tests.support.browsers import ORIGIN, browser
from tests.support.github import GitHub, github


@pytest.fixture
def hub() -> Iterator[GitHub]:
    """One of the test's own."""
    with github(CALLBACK) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared() -> AsyncIterator[tuple[GitHub, MockForge]]:
    """A provider, and one app that asks it for everything: for tables, whose lines need no app of their own."""
    with github(CALLBACK) as hub:
        made = app(settings(hub, scopes=["user:email", "read:org"]))
        async with Client(made):
            yield hub, made


@pytest_asyncio.fixture(loop_scope="module")
async def visit(shared: tuple[GitHub, MockForge]) -> AsyncIterator[tuple[GitHub, httpx.AsyncClient]]:
    """The same with a browser of the test's own; the provider's moods are over."""
    hub, made = shared
    hub.moods.clear()
    async with browser({ORIGIN: made}, base_url=ORIGIN) as opened:
        yield hub, opened
