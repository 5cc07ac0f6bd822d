"""Clients that we did not write, as fixtures: npm's `openid-client`, and an application with authlib's."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from mockforge_asgi.testing import OidcProvider, Server
from tests.support.npm import installed
from tests.support.relying_party import relying_party

FOLDER = Path(__file__).resolve().parents[3] / "tests" / "support" / "oidc_client"


@dataclass(frozen=True, slots=True)
class OpenidClient:
    """A running `openid-client`, for one provider."""

    issuer: str
    process: subprocess.Popen[str]

    def ask(self, op: str, **wanted: Any) -> dict[str, Any]:
        """What comes of a login (`login`) or of a token for the client itself (`own`): `ok`, or `refused` with the library's reason."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps({"op": op, "issuer": self.issuer, **wanted}) + "\n")
        self.process.stdin.flush()
        found: dict[str, Any] = json.loads(self.process.stdout.readline())
        return found

    def login(self, *, verifies: bool = True, **form: str) -> dict[str, Any]:
        """A login by that form, as a public client; `verifies`: it looks at signatures of ID tokens, which is not its default."""
        return self.ask("login", id="spa", form={"user": "ada", **form}, verifies=verifies)


@pytest.fixture(scope="module")
def openid_client(mockforge_idp: OidcProvider) -> Iterator[OpenidClient]:
    """One for the tests of a module."""
    installed(FOLDER)
    command = ["node", "client.mjs"]
    with subprocess.Popen(command, cwd=FOLDER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield OpenidClient(mockforge_idp.issuer, process)
        assert process.stdin is not None
        process.stdin.close()


@pytest.fixture(scope="module")
def authlib_app(mockforge_idp: OidcProvider) -> Iterator[str]:
    """The address of an application with authlib's client."""
    with Server(relying_party(mockforge_idp.discovery_url)) as server:
        yield server.url


def authlib_login(app: str, provider: str, **form: str) -> dict[str, Any]:
    """What comes of a login in that application, by that form of the login page."""
    with httpx.Client(trust_env=False, verify=False, timeout=30) as browser:
        asked = dict(browser.get(f"{app}/login").next_request.url.params)  # type: ignore[union-attr]
        back = browser.post(f"{provider}/login", data={**asked, "user": "ada", **form})
        found: dict[str, Any] = browser.get(back.headers["location"]).json()
        return found
