"""A real identity provider for tests: npm's `oidc-provider` on the loopback, with a switch for its moods.

Wants Node.js 20 and a package index; where CI is set, neither may be missing.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.begun import begun
from tests.support.npm import installed

HERE = Path(__file__).parent / "oidc"
AUDIENCE = "https://orders.example"
"""The resource that access tokens are JWTs for; all others are opaque."""

GOOD = {"mood": "ok", "cache_control": "public, max-age=300", "access_token_s": 120, "reset": True, "forget": True}


@dataclass(frozen=True, slots=True)
class IdentityProvider:
    """A running provider."""

    issuer: str
    process: subprocess.Popen[str]

    @property
    def jwks_url(self) -> str:
        """Where its keys are."""
        return f"{self.issuer}/jwks"

    @property
    def introspection_url(self) -> str:
        """Where it is asked about tokens."""
        return f"{self.issuer}/token/introspection"

    async def token(self, client: str = "shop", *, scope: str = "read", headers: dict[str, str] | None = None, **form: str) -> str:
        """An access token: opaque, or a JWT where `resource` is AUDIENCE."""
        body = {"grant_type": "client_credentials", "scope": scope, **form}
        answer = await self._post("/token", client, body, headers)
        return str(answer.json()["access_token"])

    async def revoke(self, token: str, client: str = "shop") -> None:
        """Take it back."""
        await self._post("/token/revocation", client, {"token": token})

    async def control(self, **wanted: Any) -> dict[str, Any]:
        """Change its mood or its keys; how often it was asked (see server.mjs)."""
        async with httpx.AsyncClient(trust_env=False) as http:
            answer = await http.post(f"{self.issuer}/__control", json=wanted)
        found: dict[str, Any] = answer.raise_for_status().json()
        return found

    async def users(self, **claims: dict[str, Any]) -> None:
        """People who can log in, and what is said of them; a password is the name backwards."""
        await self.control(users=claims)

    async def web_client(self, callback: str, *, client_id: str = "web", **more: Any) -> str:
        """Register a client that logs browsers in, confidential with the secret `CLIENT_ID-secret`; its id."""
        whole = {
            "client_id": client_id,
            "client_secret": f"{client_id}-secret",
            "redirect_uris": [callback],
            "response_types": ["code"],
            "grant_types": ["authorization_code", "refresh_token"],
            **more,
        }
        await self.control(web=[{name: value for name, value in whole.items() if value is not None}])
        return client_id

    async def _post(self, path: str, client: str, form: dict[str, str], headers: dict[str, str] | None = None) -> httpx.Response:
        async with httpx.AsyncClient(trust_env=False, auth=(client, f"{client}-secret")) as http:
            answer = await http.post(f"{self.issuer}{path}", data=form, headers=headers)
        return answer.raise_for_status()


@contextmanager
def identity_provider(port: int = 0) -> Iterator[IdentityProvider]:
    """One of your own; `port` for one that comes back where another was."""
    with begun(["node", "server.mjs", str(port)], installed(HERE)) as (process, line):
        yield IdentityProvider(json.loads(line)["issuer"], process)


@pytest.fixture(scope="session")
def provider() -> Iterator[IdentityProvider]:
    """One for all tests of a process."""
    with identity_provider() as running:
        yield running


@pytest.fixture
async def idp(provider: IdentityProvider) -> IdentityProvider:
    """The same, in good mood, and asked nothing yet."""
    await provider.control(**GOOD)
    return provider
