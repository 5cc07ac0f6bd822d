"""`OidcProvider`: the built-in OpenID provider on the loopback, which hands out tokens without a browser."""

from __future__ import annotations

import json
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from html import unescape
from http.client import HTTPConnection
from secrets import token_urlsafe
from typing import Any, Final
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from mockforge_asgi.testing.server import Server

_REDIRECT: Final = "http://localhost/callback"
_SHOWN: Final = re.compile(r'id="(?:error" role="alert|message" class="to)">([^<]*)')
"""Where its pages say what is wrong."""
_SCOPE: Final = "openid profile email"


@dataclass(frozen=True, slots=True)
class OidcClient:
    """A client that the provider knows; `secret` is None for a public one."""

    id: str
    secret: str | None = field(repr=False)
    redirect_uris: tuple[str, ...]


class OidcProvider(Server):
    """The plugin `idp-oidc` with that configuration, served from `start` to `stop`. `secrets` are those that it names.

    Tokens come by the provider's own endpoints, so that they can be refreshed, introspected and revoked like any others.
    """

    def __init__(self, config: Mapping[str, Any] | None = None, *, secrets: Mapping[str, str] | None = None) -> None:
        super().__init__(
            {
                "version": 1,
                "plugins": {"idp": {"use": "idp-oidc", "config": {"registration": True, **(config or {})}}},
                "secrets": {name: {"value": value} for name, value in (secrets or {}).items()},
            }
        )
        self._public_url = (config or {}).get("public_url")
        self._passwords = {
            user["id"]: secrets[user["password"]] for user in (config or {}).get("users", ()) if secrets and "password" in user
        }
        self._client: OidcClient | None = None

    @property
    def issuer(self) -> str:
        """The `iss` of its tokens."""
        return str(self._public_url or f"{self.url}/idp")

    @property
    def discovery_url(self) -> str:
        """Where clients find everything else."""
        return f"{self.issuer}/.well-known/openid-configuration"

    @property
    def jwks_url(self) -> str:
        """Where its keys are."""
        return f"{self.issuer}/jwks"

    def jwks(self) -> dict[str, Any]:
        """Its public keys (RFC 7517)."""
        found: dict[str, Any] = self._call("GET", "/jwks")
        return found

    def client(self, *redirect_uris: str, public: bool = False, **about: Any) -> OidcClient:
        """A new client; without `redirect_uris`, any address on this machine will do.

        `about` are `post_logout_redirect_uris`, `scope`, `audience`, `pkce`, `defect`, `error` and `delay_ms`, as in the configuration.
        """
        asked = {**about, **({"redirect_uris": redirect_uris} if redirect_uris else {})}
        asked |= {"token_endpoint_auth_method": "none"} if public else {}
        made = self._call("POST", "/register", json.dumps(asked).encode(), {"content-type": "application/json"})
        return OidcClient(made["client_id"], made.get("client_secret"), tuple(made["redirect_uris"]))

    def tokens(
        self,
        user: str | None = None,
        *,
        client: OidcClient | None = None,
        audience: str | None = None,
        scope: str | Sequence[str] | None = None,
        nonce: str | None = None,
        defect: str | None = None,
    ) -> dict[str, Any]:
        """What the token endpoint answers, for a user with `id_token` and `refresh_token`; without one, for the client itself."""
        client = client or self._own_client()
        scopes = scope if isinstance(scope, str) else " ".join(scope) if scope is not None else _SCOPE if user is not None else ""
        asked = {"scope": scopes, "audience": audience or "", "defect": defect or ""}
        if user is None:
            return self._token(client, {"grant_type": "client_credentials", **asked})
        verifier = token_urlsafe(32)
        challenge = urlsafe_b64encode(sha256(verifier.encode()).digest()).decode().rstrip("=")
        asked |= {"nonce": nonce or "", "code_challenge": challenge, "code_challenge_method": "S256"}
        code = self._code(client, {**asked, "user": user, "password": self._passwords.get(user, "")})
        wanted = {"grant_type": "authorization_code", "code": code, "redirect_uri": _uri(client), "code_verifier": verifier}
        return self._token(client, wanted)

    def token(
        self,
        user: str | None = None,
        *,
        client: OidcClient | None = None,
        audience: str | None = None,
        scope: str | Sequence[str] | None = None,
        defect: str | None = None,
    ) -> str:
        """An access token: a user's, or without one a client's own. It is as bad as `defect` says."""
        return str(self.tokens(user, client=client, audience=audience, scope=scope, defect=defect)["access_token"])

    def log_in(self, url: str, user: str = "ada", *, defect: str | None = None, password: str | None = None) -> str:
        """Where a browser is sent back to from `url`, to which an application has sent it to log in: the application's callback.

        Raises RuntimeError for what the provider refuses, in its words.
        """
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        given = self._passwords.get(user, "") if password is None else password
        return self._sent_back({**asked, "user": user, "password": given, **({"defect": defect} if defect else {})})

    def revoke(self, token: str, *, client: OidcClient | None = None) -> None:
        """Take a token back, which `client` got."""
        self._call("POST", "/revoke", *_form(client or self._own_client(), {"token": token}))

    def rotate(self, *, forget: bool = False) -> None:
        """Sign with a new key from now on; `forget`: and publish it alone."""
        self._call("POST", "/rotate", *_form(self._own_client(), {"forget": "yes"} if forget else {}))

    def _own_client(self) -> OidcClient:
        if self._client is None:
            self._client = self.client()
        return self._client

    def _token(self, client: OidcClient, form: Mapping[str, str]) -> dict[str, Any]:
        found: dict[str, Any] = self._call("POST", "/token", *_form(client, form))
        return found

    def _code(self, client: OidcClient, form: Mapping[str, str]) -> str:
        asked = {"response_type": "code", "client_id": client.id, "redirect_uri": _uri(client), **form}
        said = parse_qs(urlsplit(self._sent_back(asked)).query)
        if "code" not in said:
            raise RuntimeError(f"nobody was logged in: {', '.join(said.get('error', []) + said.get('error_description', []))}")
        return said["code"][0]

    def _sent_back(self, form: Mapping[str, str]) -> str:
        status, headers, text = self._send("POST", "/login", *_form(None, form))
        if "location" not in headers:
            shown = _SHOWN.search(text.decode(errors="replace"))
            raise RuntimeError(f"nobody was logged in: {unescape(shown[1]) if shown else status}")
        return headers["location"]

    def _call(self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Any:
        status, _, text = self._send(method, path, body, headers or {})
        if status >= 400:
            raise RuntimeError(f"the provider refuses {method} {path}: {status} {text[:500].decode(errors='replace')}")
        return json.loads(text) if text else {}

    def _send(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> tuple[int, dict[str, str], bytes]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, f"/idp{path}", body, dict(headers))
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()


def _uri(client: OidcClient) -> str:
    return next((uri for uri in client.redirect_uris if uri != "loopback"), _REDIRECT)


def _form(client: OidcClient | None, form: Mapping[str, str]) -> tuple[bytes, dict[str, str]]:
    headers = {"content-type": "application/x-www-form-urlencoded"}
    if client is not None and client.secret is not None:
        pair = f"{quote(client.id, safe='')}:{quote(client.secret, safe='')}"
        headers["authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
    elif client is not None:
        form = {**form, "client_id": client.id}
    return urlencode(form).encode(), headers
