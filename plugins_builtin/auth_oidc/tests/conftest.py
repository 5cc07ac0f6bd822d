"""Providers for the tests of this plugin."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from mockforge_asgi import MockForge
from mockforge_asgi.testing import Client
from plugins_builtin.auth_oidc.tests.login_app import app, settings
from tests.support.browsers import ORIGIN, browser
from tests.support.identity_provider import idp as idp
from tests.support.identity_provider import provider as provider
from tests.support.scripted_provider import ScriptedProvider, scripted_provider


@pytest.fixture
async def scripted() -> AsyncIterator[ScriptedProvider]:
    """A provider that says what a test wants it to."""
    async with scripted_provider() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared() -> AsyncIterator[tuple[ScriptedProvider, MockForge]]:
    """Such a provider, and one app behind logins at it: for tables, whose lines need no app of their own."""
    async with scripted_provider() as provider:
        made = app(settings(provider.issuer))
        async with Client(made):
            yield provider, made


@pytest_asyncio.fixture(loop_scope="module")
async def visit(shared: tuple[ScriptedProvider, MockForge]) -> AsyncIterator[tuple[ScriptedProvider, httpx.AsyncClient]]:
    """The same with a browser of the test's own; the provider is honest until told otherwise."""
    provider, made = shared
    provider.reset()
    async with browser({ORIGIN: made}, base_url=ORIGIN) as opened:
        yield provider, opened
