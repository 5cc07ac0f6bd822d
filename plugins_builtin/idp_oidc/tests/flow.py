"""Requests to a provider, as clients and browsers send them: with whatever is wrong that a test wants."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx

VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
"""The pair of RFC 7636, appendix B."""
CALLBACK = "http://localhost:5173/callback"
WEB = ("web", "web-secret")


@dataclass(frozen=True, slots=True)
class Flow:
    """A browser and its clients, for one provider."""

    issuer: str
    http: httpx.Client

    def get(self, path: str, **parameters: Any) -> httpx.Response:
        """A GET request, whose parameters may be None to be left out."""
        return self.http.get(self.issuer + path, params=_given(parameters))

    def post(self, path: str, auth: tuple[str, str] | None = None, headers: dict[str, str] | None = None, **form: Any) -> httpx.Response:
        """A POST request with a form."""
        return self.http.post(self.issuer + path, data=_given(form), auth=auth or httpx.USE_CLIENT_DEFAULT, headers=headers)

    def authorization(self, **changes: Any) -> dict[str, Any]:
        """The parameters of a good authorization request, with changes."""
        good = {
            "client_id": "spa",
            "response_type": "code",
            "redirect_uri": CALLBACK,
            "scope": "openid profile email",
            "state": "a-state",
            "nonce": "a-nonce",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        }
        return {**good, **changes}

    def authorize(self, **changes: Any) -> httpx.Response:
        """An authorization request."""
        return self.get("/authorize", **self.authorization(**changes))

    def login(self, user: str = "ada", **changes: Any) -> httpx.Response:
        """The login page's form, sent."""
        return self.post("/login", user=user, **self.authorization(**changes))

    def code(self, user: str = "ada", **changes: Any) -> str:
        """The code of a login."""
        return parameters(self.login(user, **changes))["code"]

    def exchange(self, code: str, auth: tuple[str, str] | None = None, **changes: Any) -> httpx.Response:
        """A code, exchanged for tokens."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
        return self.post("/token", auth, **{**form, **({} if auth else {"client_id": "spa"}), **changes})

    def tokens(self, user: str = "ada", **changes: Any) -> dict[str, Any]:
        """The tokens of a login."""
        found: dict[str, Any] = self.exchange(self.code(user, **changes)).raise_for_status().json()
        return found

    def refresh(self, token: str, auth: tuple[str, str] | None = None, **changes: Any) -> httpx.Response:
        """A refresh token, used."""
        return self.post(
            "/token", auth, **{"grant_type": "refresh_token", "refresh_token": token, **({} if auth else {"client_id": "spa"}), **changes}
        )

    def is_active(self, token: str) -> bool:
        """What introspection says of a token."""
        return bool(self.post("/introspect", WEB, token=token).raise_for_status().json()["active"])

    def userinfo(self, token: str) -> httpx.Response:
        """Who the token's user is."""
        return self.http.get(self.issuer + "/userinfo", headers={"authorization": f"Bearer {token}"})


@contextmanager
def flow_to(issuer: str) -> Iterator[Flow]:
    """A browser without cookies, and its clients."""
    with httpx.Client(trust_env=False, timeout=30, verify=False) as http:
        yield Flow(issuer, http)


def parameters(response: httpx.Response) -> dict[str, str]:
    """The parameters that a browser is sent back with, to the client's own address."""
    assert response.status_code == 303, response.text
    assert response.headers["location"].startswith(CALLBACK)
    return dict(parse_qsl(urlsplit(response.headers["location"]).query))


def part(token: str, number: int) -> dict[str, Any]:
    """The header (0) or the claims (1) of a token."""
    text = token.split(".")[number]
    found: dict[str, Any] = json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return found


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
