"""auth-oidc against the built-in provider, which breaks on demand whatever a client should look at: nobody is logged in by any of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
import pytest_asyncio

from mockforge_asgi import MockForge
from mockforge_asgi.testing import Client, OidcProvider
from plugins_builtin.auth_oidc.tests.login_app import CALLBACK, app, is_logged_in, settings
from plugins_builtin.idp_oidc.defects import AUTHORIZATION_ERRORS, DEFECTS, TOKEN_DEFECTS, TOKEN_ERRORS
from tests.support.browsers import ORIGIN, browser

pytestmark = pytest.mark.asyncio(loop_scope="module")
REQUEST = {"missing-nonce", "wrong-nonce", "wrong-state", "missing-state", "wrong-iss-parameter"}
"""What may be the browser's fault rather than the provider's: 400 in place of 502."""


@pytest.fixture(scope="module")
def broken() -> Iterator[OidcProvider]:
    """The provider, where everybody is Ada without being asked."""
    with OidcProvider({"auto_login": "ada", "audience": "orders"}) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def guarded(broken: OidcProvider) -> AsyncIterator[MockForge]:
    """The app behind logins there, which asks for user information, too."""
    client = broken.client(CALLBACK)
    config = settings(broken.issuer, client_id=client.id, userinfo=True, audience="orders", rfc9068=True, roles=["roles"])
    made = app(config, secrets={"client_secret": client.secret or "", "session_key": "of the tests, and long enough for a key"})
    async with Client(made):
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def opened(guarded: MockForge) -> AsyncIterator[httpx.AsyncClient]:
    """A browser in front of it."""
    async with browser({ORIGIN: guarded}, base_url=ORIGIN) as made:
        yield made


async def log_in(opened: httpx.AsyncClient, **more: str) -> httpx.Response:
    """Go to a page; `more` is asked of the provider besides."""
    away = (await opened.get("/orders")).headers["location"]
    return await opened.get(httpx.URL(away).copy_merge_params(more), follow_redirects=True)


async def test_nothing_is_wrong_unless_it_is_asked_for(opened: httpx.AsyncClient) -> None:
    answer = await log_in(opened)
    assert (answer.status_code, answer.json()["id"], answer.json()["roles"]) == (200, "ada", ["admin", "member"])


@pytest.mark.parametrize("defect", DEFECTS)
async def test_a_defect_logs_nobody_in(opened: httpx.AsyncClient, defect: str) -> None:
    answer = await log_in(opened, defect=defect)
    assert answer.status_code == (400 if defect in REQUEST else 502), answer.text
    assert not await is_logged_in(opened)


@pytest.mark.parametrize("error", dict.fromkeys((*AUTHORIZATION_ERRORS, *TOKEN_ERRORS)))
async def test_an_error_logs_nobody_in(opened: httpx.AsyncClient, error: str) -> None:
    answer = await log_in(opened, error=error)
    assert answer.status_code in (400, 403, 502, 503), answer.text
    assert not await is_logged_in(opened)


@pytest.mark.parametrize("defect", [name for name, defect in TOKEN_DEFECTS.items() if "access_token" in defect.kinds])
async def test_an_access_token_with_a_defect_is_refused(opened: httpx.AsyncClient, broken: OidcProvider, defect: str) -> None:
    for token, status in ((broken.token("ada"), 200), (broken.token("ada", defect=defect), 401)):
        answer = await opened.get("/", headers={"authorization": f"Bearer {token}"})
        assert answer.status_code == status, answer.text
